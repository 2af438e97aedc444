"""Pair reconstruction (Hansen et al., SIGIR 2020, "PairRec"): a code is trained to rebuild a neighbour of its item.

Rebuilding the item itself rewards its accidents; a neighbour shares only what is common. The neighbours come from the
items alone. The VAE, the VQ-VAE and the sign codebook share this; they differ in what becomes of the features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch.nn import functional

from hashsvc.encoders.assembly import assemble, spell_out
from hashsvc.encoders.decoders import decoder_for
from hashsvc.encoders.fronts.text import Bag
from hashsvc.encoders.graph import Graph, nearest
from hashsvc.encoders.loop import Schedule
from hashsvc.encoders.networks import Network, Perceptron, SparseLinear

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from hashsvc.encoders.binarizers import Binarizer
    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.fronts import Batch
    from hashsvc.encoders.training_set import TrainingSet

DIRECTIONS = 64


@dataclass(frozen=True, slots=True)
class Pairs:
    """How pairs are made and rebuilt.

    Args:
        neighbours: neighbours of an item that may be rebuilt in its place.
        dropout: share of an item's input that is hidden from the encoder.
        hidden: units of a hidden layer (dense items: of network and decoder).
        draws: words a text counts as in the reconstruction.
    """

    neighbours: int = 15
    dropout: float = 0.5
    hidden: int = 512
    draws: float = 30.0


PAIRS = Pairs()
TEXTS = Schedule(epochs=12, batch=256, rate=1e-2)
DENSE = Schedule(epochs=10, batch=256, rate=3e-3)


class PairReconstruction:
    """The network that makes features, the decoder that rebuilds from codes, and the pairs.

    Args:
        training: the items.
        out: features of an item.
        pairs: see there.
        seed: of the choice of neighbours; weights come from torch's global generator.
    """

    def __init__(self, training: TrainingSet, out: int, pairs: Pairs, seed: int) -> None:
        self.network = _network(training, out, pairs.hidden)
        self.decoder = decoder_for(training, out, pairs.hidden, pairs.draws)
        self._training = training
        self._pairs = pairs
        self._graph = Graph(nearest(_values(training), pairs.neighbours))
        self._rng = np.random.default_rng(seed)

    def parameters(self) -> list[torch.nn.Parameter]:
        """What is trained."""
        return [*self.network.parameters(), *self.decoder.parameters()]

    def seen(self, rows: NDArray[np.int64]) -> Batch:
        """The items of ``rows`` as the encoder sees them in training: a share of the numbers 0, the rest scaled up."""
        batch = self._training.batch(rows)
        if isinstance(batch, Bag):
            return Bag(batch.columns, functional.dropout(batch.weights, self._pairs.dropout), batch.offsets)
        return functional.dropout(batch, self._pairs.dropout)

    def loss(self, codes: torch.Tensor, rows: NDArray[np.int64]) -> torch.Tensor:
        """Loss of rebuilding a random neighbour of each of ``rows`` from its code ``float32[n, out]``."""
        return self.decoder.loss(codes, self._training.batch(self._graph.partners(rows, self._rng)))

    def encoder(self, model: str, binarizer: Binarizer | None = None) -> CodeEncoder:
        """The trained encoder; without a ``binarizer`` its features are cut at their training medians."""
        self.spell_out()
        return assemble(model, self._training, self.network, binarizer=binarizer)

    def spell_out(self) -> None:
        """Give the n-grams of a text network the rows that the words they spell have learned."""
        if isinstance(self.network, SparseLinear):
            spell_out(self._training, self.network.first.weight.detach().numpy())


def _network(training: TrainingSet, out: int, hidden: int) -> Network:
    """One sparse layer for texts, a perceptron for dense items; both end in unit spread."""
    if training.terms is not None:
        return SparseLinear(training.front.width, out)
    return Perceptron(training.front.width, hidden, out)


def _values(training: TrainingSet) -> NDArray[np.float32]:
    values = training.reduction(DIRECTIONS).values
    if training.terms is None:
        return values
    unit: NDArray[np.float32] = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    return unit
