"""Adversarial latent autoencoder (Pidhorskyi et al., CVPR 2020): the game is about pictures, likeness is about latents.

A map makes latents of noise and a generator items of them. The encoder is the judge's first half: what it sees in an
item is the latent that the generator must have made it from. No item is ever compared with a rebuilt one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hashsvc.encoders.generation.coding import coded
from hashsvc.encoders.generation.likelihood import squares
from hashsvc.encoders.generation.network import LEAKY, MirrorNetwork, stack
from hashsvc.encoders.generation.playing import frozen
from hashsvc.encoders.generation.training import minimise, schedule_of, shape_of
from hashsvc.encoders.networks import NETWORKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hashsvc.encoders.contract import OnProgress
    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.training_set import TrainingSet

MOMENTUM = 0.5
LEAST = 1e-2
SLOPES = 4


@dataclass(frozen=True, slots=True)
class Config:
    """What it is trained with.

    Args:
        latent: numbers in a latent, and in the noise it is made of.
        hidden: units of the hidden layers of generator and encoder, widest first; map and judge have the last.
        steps: batches seen, as near as whole passes come to it.
        batch: items of a step, at most; a quarter of the items where there are few.
        rate: highest learning rate.
        penalty: weight of the squared slope of the verdicts on items, halved (R1; Mescheder et al., ICML 2018).
        reciprocity: weight of the squared distance of a latent from what the encoder sees in what is made of it.
    """

    latent: int = 50
    hidden: tuple[int, ...] = (512, 256)
    steps: int = 4_700
    batch: int = 128
    rate: float = 5e-4
    penalty: float = 5.0
    reciprocity: float = 1.0


class MappedNetwork(MirrorNetwork):
    """A mirror network whose latents are drawn by a map from a standard normal.

    The generator's units are normalised over the batch: without that it finds no strokes in the steps that it has.

    Args:
        shape: of one item.
        hidden: see :class:`MirrorNetwork`.
        latent: see there.
        head: see :class:`LatentNetwork`.
    """

    def __init__(
        self, *, shape: Sequence[int], hidden: Sequence[int], latent: int, head: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(shape=shape, hidden=hidden, latent=latent, head=head)
        del self.config["normal"]
        self.map = stack([latent, hidden[-1], hidden[-1], latent])
        layers: list[nn.Module] = []
        for size, following in pairwise([latent, *reversed(hidden)]):
            layers += [nn.Linear(size, following), nn.BatchNorm1d(following), LEAKY()]
        self.up = nn.Sequential(*layers, nn.Linear(hidden[0], self.width))

    def drawn(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Latents of noise."""
        found: torch.Tensor = self.map(torch.randn(count, len(self.centre), generator=generator))
        return found


NETWORKS["mapped"] = MappedNetwork


def fit_alae(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Train one; see the module."""
    return coded("alae", training, train_alae(training, Config(), seed, progress), bits, seed=seed, progress=progress)


def train_alae(training: TrainingSet, config: Config, seed: int, progress: OnProgress) -> MappedNetwork:
    """The trained network."""
    with training.seeded(seed):
        network = MappedNetwork(shape=shape_of(training), hidden=config.hidden, latent=config.latent)
        judge = stack([config.latent, config.hidden[-1], config.hidden[-1], 1])
        begin_at_mean(network, training)

        def terms(rows: torch.Tensor) -> dict[str, torch.Tensor]:
            return played(network, judge, rows, config)

        schedule = replace(schedule_of(training, config.steps, config.batch, config.rate), momentum=MOMENTUM)
        minimise("alae", training, network, terms, schedule, seed=seed, progress=progress, further=(judge,))
    return network


def begin_at_mean(network: MappedNetwork, training: TrainingSet) -> None:
    """Let the first pictures made be the mean picture: the game is long enough without finding it."""
    if network.pixels:
        mean = torch.from_numpy(np.asarray(training.rows().mean(axis=0), dtype=np.float32))
        last = network.up[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.bias.copy_(mean.clamp(LEAST, 1 - LEAST).logit())


def played(network: MappedNetwork, judge: nn.Module, rows: torch.Tensor, config: Config) -> dict[str, torch.Tensor]:
    """The game about scaled rows, and the reciprocity of latents (section 4 of the paper).

    The map and the generator want to fool; the encoder and the judge tell items from made ones, above zero for items;
    the generator and the encoder agree on the latent. The judge maps latents ``[n, latent]`` to verdicts ``[n, 1]``.
    """
    latents = network.map(torch.randn(len(rows), config.latent, device=rows.device))
    made = network.means(network.rebuilt(latents))
    given = latents.detach()[::2]
    again = network.latents(network.means(network.rebuilt(given)))
    some = rows[: max(1, len(rows) // SLOPES)].detach().requires_grad_()
    (slopes,) = torch.autograd.grad(judge(network.latents(some)).sum(), some, create_graph=True)
    return {
        "fooled": functional.softplus(-frozen(judge, frozen(network.down, made))).mean(),
        "judge": functional.softplus(-judge(network.latents(rows))).mean()
        + functional.softplus(judge(network.latents(made.detach()))).mean(),
        "penalty": 0.5 * config.penalty * slopes.square().sum(dim=1).mean(),
        "reciprocity": config.reciprocity * squares(again, given).mean(),
    }
