"""Binary-code autoencoder: reconstruction, a neighbour-graph InfoNCE (van den Oord et al. 2018) and balanced bits.

Codes are Bernoulli samples with a straight-through gradient (Bengio et al. 2013) while training; encoding never samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hashsvc.encoders.assembly import assemble, spell_out
from hashsvc.encoders.contract import OnProgress
from hashsvc.encoders.fronts.text import Bag
from hashsvc.encoders.graph import Graph, nearest
from hashsvc.encoders.loop import Schedule, train
from hashsvc.encoders.networks import Network, Perceptron, SparseLinear

if TYPE_CHECKING:
    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.training_set import TrainingSet


@dataclass(frozen=True, slots=True)
class Config:
    """What the autoencoder is trained with.

    Args:
        temperature: of the InfoNCE over cosines of codes.
        neighbours: neighbours of an item in the graph.
        dropout: share of an item's input that is hidden from the encoder.
        hidden: units of a hidden layer (dense items).
        directions: strongest directions the graph is built in.
        schedule: epochs, batch and rate.
    """

    temperature: float = 0.25
    neighbours: int = 15
    dropout: float = 0.5
    hidden: int = 512
    directions: int = 64
    schedule: Schedule = Schedule(epochs=20, batch=512, rate=3e-3)


def fit_autoencoder(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Train one; see the module."""
    config = Config()
    graph = Graph(nearest(_values(training, config.directions), config.neighbours))
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _network(training, bits, config)

        def loss_of(rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> torch.Tensor:
            both = np.concatenate([rows, graph.partners(rows, rng)])
            codes = _sample(network(_dropped(training, both, config.dropout)))
            return _contrast(codes, config.temperature)

        train("autoencoder", len(training), network.parameters(), loss_of, config.schedule, seed, progress)
    if isinstance(network, SparseLinear):
        spell_out(training, network.first.weight.detach().numpy())
    return assemble("autoencoder", training, network)


def _values(training: TrainingSet, directions: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    values = training.reduction(directions).values
    if training.terms is None:
        return values
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


def _network(training: TrainingSet, bits: int, config: Config) -> Network:
    if training.terms is not None:
        return SparseLinear(training.front.width, bits)
    return Perceptron(training.front.width, config.hidden, bits)


def _dropped(
    training: TrainingSet, rows: np.ndarray[tuple[int], np.dtype[np.int64]], share: float
) -> torch.Tensor | Bag:
    batch = training.batch(rows)
    if isinstance(batch, Bag):
        return Bag(batch.columns, functional.dropout(batch.weights, share), batch.offsets)
    return batch


def _sample(features: torch.Tensor) -> torch.Tensor:
    chance = torch.sigmoid(features)
    hard = (torch.rand_like(chance) < chance).float()
    return 2 * (hard + chance - chance.detach()) - 1


def _contrast(codes: torch.Tensor, temperature: float) -> torch.Tensor:
    left, right = nn.functional.normalize(codes).chunk(2)
    logits = left @ right.T / temperature
    target = torch.arange(len(left))
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2
