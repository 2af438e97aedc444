"""ACAI (Berthelot et al., ICLR 2019): what lies between two latents should decode to what looks like an item.

A critic guesses from a decoded mixture how much of the other latent is in it; the autoencoder wants it to guess none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from hashsvc.encoders.generation.coding import coded
from hashsvc.encoders.generation.network import MirrorNetwork, stack
from hashsvc.encoders.generation.playing import frozen
from hashsvc.encoders.generation.training import minimise, schedule_of, shape_of

if TYPE_CHECKING:
    from torch import nn

    from hashsvc.encoders.contract import OnProgress
    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.training_set import TrainingSet

MOST_MIXED = 0.5


@dataclass(frozen=True, slots=True)
class Config:
    """What it is trained with.

    Args:
        latent: numbers in a latent.
        hidden: units of the hidden layers of the network and of the critic, widest first.
        steps: batches seen, as near as whole passes come to it.
        batch: items of a step, at most; a quarter of the items where there are few.
        rate: highest learning rate.
        judged: weight of the squared share that the critic sees in a mixture, times the numbers in an item.
        eased: share of the item itself in what the critic must see no mixture in, so that it has an easy beginning.
    """

    latent: int = 32
    hidden: tuple[int, ...] = (512, 256)
    steps: int = 2_500
    batch: int = 256
    rate: float = 1e-3
    judged: float = 0.5
    eased: float = 0.2


def fit_acai(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Train one; see the module."""
    return coded("acai", training, train_acai(training, Config(), seed, progress), bits, seed=seed, progress=progress)


def train_acai(training: TrainingSet, config: Config, seed: int, progress: OnProgress) -> MirrorNetwork:
    """The trained network."""
    with training.seeded(seed):
        network = MirrorNetwork(shape=shape_of(training), hidden=config.hidden, latent=config.latent)
        critic = stack([network.width, *config.hidden, 1])

        def terms(rows: torch.Tensor) -> dict[str, torch.Tensor]:
            return judgements(network, critic, rows, config)

        schedule = schedule_of(training, config.steps, config.batch, config.rate)
        minimise("acai", training, network, terms, schedule, seed=seed, progress=progress, further=(critic,))
    return network


def judgements(
    network: MirrorNetwork, critic: nn.Module, rows: torch.Tensor, config: Config
) -> dict[str, torch.Tensor]:
    """What rebuilding scaled rows costs the network and what its mixtures do, and what the critic pays for its guesses.

    The critic maps rows ``float32[n, width]`` to the share ``float32[n, 1]`` of another latent that it sees in them.
    """
    latents = network.latents(rows)
    values = network.rebuilt(latents)
    share = MOST_MIXED * torch.rand(len(rows), 1, device=rows.device)
    mixed = network.means(network.rebuilt(torch.lerp(latents, latents.roll(1, dims=0), share)))
    easy = torch.lerp(network.means(values.detach()), rows, config.eased)
    return {
        "rebuilt": network.nats(values, rows).mean(),
        "judged": config.judged * network.width * frozen(critic, mixed).square().mean(),
        "critic": (critic(mixed.detach()) - share).square().mean() + critic(easy).square().mean(),
    }
