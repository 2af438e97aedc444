"""NVAE (Vahdat & Kautz, NeurIPS 2020), small: latents in groups over two grids, each given those before it.

Way up: residual cells read a picture at both scales. Way down: every group has a prior that sees what the groups before
it have said, and its posterior is told as a shift from that prior. Written from the paper's text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from hashsvc.encoders.generation.coding import coded
from hashsvc.encoders.generation.network import LatentNetwork
from hashsvc.encoders.generation.training import minimise, schedule_of, shape_of
from hashsvc.encoders.networks import NETWORKS

if TYPE_CHECKING:
    from hashsvc.encoders.contract import OnProgress
    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.training_set import TrainingSet

    Choose = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]

PATCH = 4
WIDER, SQUEEZED, SIDE = 2, 4, 3
LEAST, MOST = -4.0, 2.0


@dataclass(frozen=True, slots=True)
class Config:
    """What it is trained with.

    Args:
        latent: numbers of a group at one place.
        groups: of latents, at each of the two scales.
        channels: at the places of both grids.
        steps: batches seen, as near as whole passes come to it.
        batch: items of a step, at most; a quarter of the items where there are few.
        rate: highest learning rate.
        warm: share of the steps in which the divergence gains its full weight, balanced between groups.
        decay: weight decay, which keeps the cells from blowing up.
    """

    latent: int = 4
    groups: int = 2
    channels: int = 32
    steps: int = 1_900
    batch: int = 128
    rate: float = 3e-3
    warm: float = 0.3
    decay: float = 1e-3


class Excitation(nn.Module):
    """Channels weighed by what they say over all places (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(channels // SQUEEZED, 1)
        self.weigh = nn.Sequential(nn.Linear(channels, inner), nn.ReLU(), nn.Linear(inner, channels), nn.Sigmoid())

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        """``float32[n, channels, rows, columns]``, as given."""
        found: torch.Tensor = grid * self.weigh(grid.mean(dim=(2, 3)))[:, :, None, None]
        return found


class Residual(nn.Module):
    """A grid and what layers add to it."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        """``float32[n, channels, rows, columns]``, as given."""
        found: torch.Tensor = grid + self.layers(grid)
        return found


def reading_cell(channels: int) -> Residual:
    """The cell of the way up (figure 3b): two whole convolutions."""
    return Residual(
        nn.BatchNorm2d(channels),
        nn.SiLU(),
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.BatchNorm2d(channels),
        nn.SiLU(),
        nn.Conv2d(channels, channels, 3, padding=1),
        Excitation(channels),
    )


def depthwise_cell(channels: int) -> Residual:
    """The cell of the way down (figure 3a): wide and yet cheap, as every channel is convolved alone."""
    wide = WIDER * channels
    return Residual(
        nn.BatchNorm2d(channels),
        nn.Conv2d(channels, wide, 1),
        nn.BatchNorm2d(wide),
        nn.SiLU(),
        nn.Conv2d(wide, wide, SIDE, padding=SIDE // 2, groups=wide),
        nn.BatchNorm2d(wide),
        nn.SiLU(),
        nn.Conv2d(wide, channels, 1),
        nn.BatchNorm2d(channels),
        Excitation(channels),
    )


class Group(nn.Module):
    """One group of latents: its prior and posterior, and how the way down goes on with what is chosen.

    Args:
        channels: of the way down, and of what is read of a picture.
        latent: numbers at one place.
    """

    def __init__(self, channels: int, latent: int) -> None:
        super().__init__()
        self.prior = nn.Conv2d(channels, 2 * latent, 1)
        self.shift = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 1), nn.SiLU(), nn.Conv2d(channels, 2 * latent, 3, padding=1)
        )
        self.join = nn.Conv2d(channels + latent, channels, 1)
        self.cell = depthwise_cell(channels)

    def expected(self, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and logarithm of the spread, before anything is read: ``float32[n, latent, rows, columns]`` each."""
        mean, spread = self.prior(functional.silu(seen)).chunk(2, dim=1)
        return mean, spread.clamp(LEAST, MOST)

    def shifted(self, seen: torch.Tensor, read: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """How far the posterior lies from the prior, in the prior's spreads, and the logarithm of their ratio."""
        mean, spread = self.shift(torch.cat([seen, read], dim=1)).chunk(2, dim=1)
        return mean, spread.clamp(LEAST, MOST)

    def forward(self, seen: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """What the next group sees: ``float32[n, channels, rows, columns]``."""
        found: torch.Tensor = self.cell(self.join(torch.cat([seen, chosen], dim=1)))
        return found


class HierarchyNetwork(LatentNetwork):
    """Pictures to groups of latents on a grid of patches of 8 x 8 pixels and on one of 4 x 4, and back.

    Args:
        shape: channels, rows and columns of a picture.
        groups: see :class:`Config`.
        channels: see there.
        depth: numbers of a group at one place.
        head: see :class:`LatentNetwork`.
    """

    def __init__(
        self,
        *,
        shape: Sequence[int],
        groups: int,
        channels: int,
        depth: int,
        head: Mapping[str, Any] | None = None,
        latent: int = 0,
    ) -> None:
        fine = tuple(-(-side // PATCH) for side in shape[1:])
        coarse = tuple(-(-side // 2) for side in fine)
        sizes = [(depth, *grid) for grid in (coarse, fine) for _ in range(groups)]
        super().__init__(
            shape=shape,
            latent=latent or sum(math.prod(size) for size in sizes),
            head=head,
            groups=groups,
            channels=channels,
            depth=depth,
        )
        self.sizes, self.turn = sizes, groups
        self.read_fine = nn.Sequential(
            nn.PixelUnshuffle(PATCH),
            nn.Conv2d(shape[0] * PATCH**2, channels, 3, padding=1),
            reading_cell(channels),
        )
        self.read_coarse = nn.Sequential(nn.Conv2d(channels, channels, 3, stride=2, padding=1), reading_cell(channels))
        self.first = nn.Parameter(torch.zeros(1, channels, *coarse))
        self.groups = [Group(channels, depth) for _ in sizes]
        self.trained = nn.ModuleList(self.groups)
        self.finer = nn.Conv2d(channels, channels, 1)
        self.up = nn.Sequential(
            depthwise_cell(channels),
            nn.SiLU(),
            nn.Conv2d(channels, shape[0] * PATCH**2, 3, padding=1),
            nn.PixelShuffle(PATCH),
        )
        for weight in self.parameters():
            if weight.ndim == 4:  # as convolutions want them on a processor
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)

    def read(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What is read of scaled rows at the coarse and at the fine scale."""
        missing = [-side % PATCH for side in self.shape[1:]]
        pictures = functional.pad(rows.reshape(-1, *self.shape), (0, missing[1], 0, missing[0]))
        fine = self.read_fine(pictures)
        return self.read_coarse(fine), fine

    def descended(self, count: int, choose: Choose) -> torch.Tensor:
        """Logits of scaled rows, by ``choose(number of the group, seen, mean, log spread)`` from group to group."""
        seen = self.first.expand(count, -1, -1, -1)
        for number, group in enumerate(self.groups):
            if number == self.turn:
                seen = self.finer(functional.interpolate(seen, self.sizes[number][1:]))
            seen = group(seen, choose(number, seen, *group.expected(seen)))
        cut: torch.Tensor = self.up(seen)[:, :, : self.shape[1], : self.shape[2]].flatten(1)
        return cut

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
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = HierarchyNetwork(
            shape=shape_of(training), groups=config.groups, channels=config.channels, depth=config.latent
        )
        schedule = replace(schedule_of(training, config.steps, config.batch, config.rate), decay=config.decay)
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
        shares = means.detach() * torch.tensor([math.prod(size) for size in network.sizes])
        means = weight * means * shares / shares.mean().clamp_min(1e-6)
    return {
        "rebuilt": network.nats(logits, rows).mean(),
        "coarse": means[: network.turn].sum(),
        "fine": means[network.turn :].sum(),
    }
