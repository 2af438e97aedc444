"""Latents in groups over two grids, each given those before it (Vahdat & Kautz, NeurIPS 2020): the network.

Way up: a picture becomes a small grid, and residual cells read it at both scales. Way down: every group has a prior
that sees what the groups before it have said, and its posterior is told as a shift from that prior. Unlike in the
paper, one dense layer leads from all pixels to the grid and one back: on a processor the paper's convolutions at the
scale of pixels cost most of the time, and pictures of this size hardly need them. While it learns the way up misses
some of the pixels: else it soon reads the pictures that it has seen better than others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from hashsvc.encoders.cells import Cell
from hashsvc.encoders.generation.network import LatentNetwork
from hashsvc.encoders.networks import NETWORKS

if TYPE_CHECKING:
    Choose = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]

FINE, COARSE = 4, 2
LEAST, MOST = -4.0, 2.0
UNSEEN = 0.1


class Group(nn.Module):
    """One group of latents: its prior and posterior, and how the way down goes on with what is chosen.

    Args:
        channels: of the way down, and of what is read of a picture.
        latent: numbers at one place.
    """

    def __init__(self, channels: int, latent: int) -> None:
        super().__init__()
        self.prior = nn.Linear(channels, 2 * latent)
        self.shift = nn.Sequential(nn.Linear(2 * channels, channels), nn.SiLU(), nn.Linear(channels, 2 * latent))
        self.join = nn.Linear(latent, channels)
        self.cell = Cell(channels)

    def expected(self, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and logarithm of the spread, before anything is read: ``float32[n, rows, columns, latent]`` each."""
        mean, spread = self.prior(functional.silu(seen)).chunk(2, dim=-1)
        return mean, spread.clamp(LEAST, MOST)

    def shifted(self, seen: torch.Tensor, read: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """How far the posterior lies from the prior, in the prior's spreads, and the logarithm of their ratio."""
        mean, spread = self.shift(torch.cat([seen, read], dim=-1)).chunk(2, dim=-1)
        return mean, spread.clamp(LEAST, MOST)

    def forward(self, seen: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """What the next group sees: ``float32[n, rows, columns, channels]``."""
        found: torch.Tensor = self.cell(seen + self.join(chosen))
        return found


class HierarchyNetwork(LatentNetwork):
    """Pictures to groups of latents on a grid of 2 x 2 places and on one of 4 x 4, and back.

    Args:
        shape: channels, rows and columns of a picture.
        groups: of latents, on the coarse grid and on the fine one.
        channels: at the places of both grids.
        depth: numbers of a group at one place.
        hidden: units between pixels and grid, on the way up and on the way down.
        head: see :class:`LatentNetwork`.
    """

    def __init__(
        self,
        *,
        shape: Sequence[int],
        groups: Sequence[int],
        channels: int,
        depth: int,
        hidden: Sequence[int],
        head: Mapping[str, Any] | None = None,
        latent: int = 0,
    ) -> None:
        sizes = [(side, side, depth) for side, count in zip((COARSE, FINE), groups, strict=True) for _ in range(count)]
        super().__init__(
            shape=shape,
            latent=latent or sum(math.prod(size) for size in sizes),
            head=head,
            groups=list(groups),
            channels=channels,
            depth=depth,
            hidden=list(hidden),
        )
        self.sizes, self.turn = sizes, groups[0]
        grid, within = (FINE, FINE, channels), channels * (FINE // COARSE) ** 2
        self.read_fine = nn.Sequential(
            nn.Dropout(UNSEEN),
            nn.Linear(self.width, hidden[0]),
            nn.BatchNorm1d(hidden[0]),
            nn.SiLU(),
            nn.Linear(hidden[0], math.prod(grid)),
            nn.Unflatten(1, grid),
            Cell(channels),
        )
        self.read_coarse = nn.Sequential(nn.Linear(within, channels), Cell(channels))
        self.first = nn.Parameter(torch.zeros(1, COARSE, COARSE, channels))
        self.groups = [Group(channels, depth) for _ in sizes]
        self.trained = nn.ModuleList(self.groups)
        self.finer = nn.Linear(channels, within)
        self.up = nn.Sequential(
            Cell(channels),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(math.prod(grid), hidden[1]),
            nn.BatchNorm1d(hidden[1]),
            nn.SiLU(),
            nn.Linear(hidden[1], self.width),
        )

    def read(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What is read of scaled rows at the coarse and at the fine scale."""
        fine = self.read_fine(rows)
        return self.read_coarse(gathered(fine)), fine

    def descended(self, count: int, choose: Choose) -> torch.Tensor:
        """Logits of scaled rows, by ``choose(number of the group, seen, mean, log spread)`` from group to group."""
        seen = self.first.expand(count, -1, -1, -1)
        for number, group in enumerate(self.groups):
            if number == self.turn:
                seen = scattered(self.finer(seen))
            seen = group(seen, choose(number, seen, *group.expected(seen)))
        found: torch.Tensor = self.up(seen)
        return found

    def posterior(self, rows: torch.Tensor, noise: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Latents, logits of scaled rows, and divergences ``float32[groups, n]`` in nats; no ``noise``, no chance."""
        read = self.read(rows)
        chosen, divergences = [], []

        def choose(number: int, seen: torch.Tensor, mean: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
            away, wider = self.groups[number].shifted(seen, read[number >= self.turn])
            divergences.append(0.5 * (away.square() + (2 * wider).exp() - 1 - 2 * wider).flatten(1).sum(dim=1))
            within = away + noise * wider.exp() * torch.randn_like(away) if noise else away
            chosen.append(mean + spread.exp() * within)
            return chosen[-1]

        logits = self.descended(len(rows), choose)
        return torch.cat([part.flatten(1) for part in chosen], dim=1), logits, torch.stack(divergences)

    def latents(self, rows: torch.Tensor) -> torch.Tensor:
        """Posterior means, each group's given those of the groups before it."""
        return self.posterior(rows, 0.0)[0]

    def rebuilt(self, latents: torch.Tensor) -> torch.Tensor:
        """See :class:`LatentNetwork`."""
        parts = torch.split(latents, [math.prod(size) for size in self.sizes], dim=1)
        return self.descended(len(latents), lambda number, *_: parts[number].reshape(-1, *self.sizes[number]))

    def drawn(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Latents drawn from the priors, group after group."""
        chosen: list[torch.Tensor] = []

        def choose(_: int, __: torch.Tensor, mean: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
            chosen.append(mean + spread.exp() * torch.randn(mean.shape, generator=generator))
            return chosen[-1]

        self.descended(count, choose)
        return torch.cat([part.flatten(1) for part in chosen], dim=1)


NETWORKS["hierarchy"] = HierarchyNetwork


def gathered(fine: torch.Tensor) -> torch.Tensor:
    """Places of the fine grid side by side in their place of the coarse one; :func:`scattered` undoes it."""
    count, rows, columns, channels = fine.shape
    times = FINE // COARSE
    blocks = fine.view(count, rows // times, times, columns // times, times, channels)
    return blocks.transpose(2, 3).reshape(count, rows // times, columns // times, times**2 * channels)


def scattered(coarse: torch.Tensor) -> torch.Tensor:
    """See :func:`gathered`."""
    count, rows, columns, channels = coarse.shape
    times = FINE // COARSE
    blocks = coarse.view(count, rows, columns, times, times, channels // times**2)
    return blocks.transpose(2, 3).reshape(count, rows * times, columns * times, channels // times**2)
