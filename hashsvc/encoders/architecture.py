"""Which network a training set asks for, which part of it is learned, and what that part eats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from hashsvc.encoders.assembly import set_layer
from hashsvc.encoders.fronts import Batch
from hashsvc.encoders.fronts.image import ImageFront
from hashsvc.encoders.fronts.text import Bag
from hashsvc.encoders.networks import Network, Perceptron, PictureNetwork, SparseLinear

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hashsvc.encoders.training_set import TrainingSet


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network to train.

    Args:
        network: batches -> features, whole.
        learned: the part whose weights are learned: the network, or all of it behind fixed layers.
        inputs: items by their rows -> what ``learned`` eats; a fresh view of them where there is one to be had.
    """

    network: Network
    learned: Network
    inputs: Callable[[NDArray[np.int64]], Batch]


def architecture_for(training: TrainingSet, out: int, hidden: int, dropout: float) -> Architecture:
    """One sparse layer for texts, a perceptron for vectors, one over two fixed views for pictures.

    Args:
        training: the items.
        out: features of an item.
        hidden: units of a hidden layer.
        dropout: share of a text's words hidden from the network while it learns.
    """
    if training.terms is not None:
        words = SparseLinear(training.front.width, out)
        return Architecture(words, words, lambda rows: fewer_words(training.batch(rows), dropout))
    if training.pictures:
        return _of_pictures(training, out, hidden)
    vectors = Perceptron(training.front.width, hidden, out)
    return Architecture(vectors, vectors, training.batch)


def _of_pictures(training: TrainingSet, out: int, hidden: int) -> Architecture:
    front = training.front
    assert isinstance(front, ImageFront)
    directions = [view.values.shape[1] for view in training.views]
    network = PictureNetwork((front.channels, front.rows, front.columns), directions, hidden, out)
    scale = sum(directions) ** 0.5
    for layer, view in zip(network.reductions, training.views, strict=True):
        components = view.components * scale
        set_layer(layer, components.T, -(view.mean @ components))
    reduced = training.there(torch.cat([torch.from_numpy(view.values) * scale for view in training.views], dim=1))
    return Architecture(network, network.trunk, lambda rows: reduced[training.there(torch.from_numpy(rows))])


def fewer_words(batch: Batch, dropout: float) -> Bag:
    """The same texts with a random share of their words left out, the others weighing as much more."""
    assert isinstance(batch, Bag)
    return Bag(batch.columns, functional.dropout(batch.weights, dropout), batch.offsets)
