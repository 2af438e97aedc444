"""NVAE (Vahdat & Kautz, NeurIPS 2020), small: a hierarchy of latents, trained by its evidence lower bound.

Written from the paper's text. What it is made of stands in :mod:`hashsvc.encoders.hierarchy`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from hashsvc.encoders.generation.coding import coded
from hashsvc.encoders.generation.training import minimise, schedule_of, shape_of
from hashsvc.encoders.hierarchy import HierarchyNetwork

if TYPE_CHECKING:
    from hashsvc.encoders.contract import OnProgress
    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.training_set import TrainingSet

DECAY = 1e-3


@dataclass(frozen=True, slots=True)
class Config:
    """What it is trained with.

    Args:
        latent: numbers of a group at one place.
        groups: of latents, on the coarse grid and on the fine one.
        channels: at the places of both grids.
        hidden: units between pixels and grid, on the way up and on the way down.
        steps: batches seen, as near as whole passes come to it.
        batch: items of a step, at most; a quarter of the items where there are few.
        rate: highest learning rate.
        warm: share of the steps in which the divergence gains its full weight, balanced between groups.
    """

    latent: int = 4
    groups: tuple[int, int] = (3, 1)
    channels: int = 32
    hidden: tuple[int, int] = (384, 512)
    steps: int = 8_000
    batch: int = 256
    rate: float = 3e-3
    warm: float = 0.1


class WarmUp(nn.Module):
    """A weight that rises evenly to one; a buffer, so that a training taken up again goes on with it."""

    def __init__(self, steps: float) -> None:
        super().__init__()
        self.by = 1 / max(steps, 1.0)
        self.now: torch.Tensor
        self.register_buffer("now", torch.zeros((), dtype=torch.float64))

    def forward(self) -> float:
        """The weight of the next step."""
        return float(self.now.add_(self.by).clamp_(max=1.0))


def fit_nvae(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Train one; see the module."""
    return coded("nvae", training, train_nvae(training, Config(), seed, progress), bits, seed=seed, progress=progress)


def train_nvae(training: TrainingSet, config: Config, seed: int, progress: OnProgress) -> HierarchyNetwork:
    """The trained network."""
    with training.seeded(seed):
        network = HierarchyNetwork(
            shape=shape_of(training),
            groups=config.groups,
            channels=config.channels,
            depth=config.latent,
            hidden=config.hidden,
        )
        schedule = replace(schedule_of(training, config.steps, config.batch, config.rate), decay=DECAY)
        weight = WarmUp(config.warm * schedule.epochs * (len(training) // schedule.batch))

        def terms(rows: torch.Tensor) -> dict[str, torch.Tensor]:
            return bound(network, rows, weight())

        minimise("nvae", training, network, terms, schedule, seed=seed, progress=progress, further=(weight,))
    return network


def bound(network: HierarchyNetwork, rows: torch.Tensor, weight: float = 1.0) -> dict[str, torch.Tensor]:
    """The terms of the negative evidence lower bound of scaled rows, one draw a row; nats an example.

    Below a ``weight`` of one the groups share it by what they hold and by their size, so that none is silenced before
    it has learned anything (section 3.2, KL balancing).
    """
    _, logits, divergences = network.posterior(rows, 1.0)
    means = divergences.mean(dim=1)
    if weight < 1:
        shares = means.detach() * torch.tensor([math.prod(size) for size in network.sizes]).to(rows.device)
        means = weight * means * shares / shares.mean().clamp_min(1e-6)
    return {
        "rebuilt": network.nats(logits, rows).mean(),
        "coarse": means[: network.turn].sum(),
        "fine": means[network.turn :].sum(),
    }
