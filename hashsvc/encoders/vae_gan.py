"""VAE-GAN (Larsen et al., ICML 2016): what is rebuilt should look like its item to a judge, not be equal by the pixel.

The judge tells pictures from rebuilt and from drawn ones; what it sees on the way is where items are compared. A share
of the pixels' own likelihood keeps the judge's blind spots from filling up.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from hashsvc.encoders.deep_vae import Config as VariationalConfig
from hashsvc.encoders.deep_vae import GaussianNetwork, train_deep_vae
from hashsvc.encoders.generation.coding import coded
from hashsvc.encoders.generation.likelihood import divergence, sampled, squares
from hashsvc.encoders.generation.network import LEAKY
from hashsvc.encoders.generation.playing import frozen
from hashsvc.encoders.generation.training import minimise, schedule_of, shape_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hashsvc.encoders.contract import OnProgress
    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.training_set import TrainingSet

SMALLEST = 7
FEATURES = 128


@dataclass(frozen=True, slots=True)
class Config:
    """What it is trained with.

    Args:
        latent: numbers in a latent.
        hidden: units of the hidden layers, widest first.
        channels: of the judge's first convolution.
        steps: batches seen, as near as whole passes come to it; half of them as a plain VAE, before there is a judge.
        batch: items of a step, at most; a quarter of the items where there are few.
        rate: highest learning rate.
        fooled: weight of fooling the judge, in nats a verdict.
        pixels: weight of the pixels' likelihood beside that of the judge's features.
    """

    latent: int = 32
    hidden: tuple[int, ...] = (512, 256)
    channels: int = 16
    steps: int = 2_000
    batch: int = 128
    rate: float = 2e-3
    fooled: float = 0.3
    pixels: float = 4.0


class Judge(nn.Module):
    """Rows of pixels ``[n, width]`` -> a verdict ``[n]``, above zero for pictures; features on the way.

    Features ``[n, 128]`` are normalised, so that the judge cannot make rebuilt pictures dear by its scale alone.

    Args:
        shape: of a picture; its sides are halved by convolutions until the shorter is seven or less.
        channels: behind the first convolution, doubled from one to the next.
    """

    def __init__(self, shape: Sequence[int], channels: int) -> None:
        super().__init__()
        sizes = [tuple(shape)]
        while min(sizes[-1][1:]) > SMALLEST:
            _, rows, columns = sizes[-1]
            sizes.append((channels * 2 ** (len(sizes) - 1), rows // 2, columns // 2))
        layers: list[nn.Module] = [nn.Unflatten(1, sizes[0])]
        for (before, *_), (behind, *_) in pairwise(sizes):
            layers += [nn.Conv2d(before, behind, 4, stride=2, padding=1), LEAKY()]
        channels, rows, columns = sizes[-1]
        layers += [nn.Flatten(), nn.Linear(channels * rows * columns, FEATURES)]
        self.features = nn.Sequential(*layers, nn.LayerNorm(FEATURES, elementwise_affine=False))
        self.last = nn.Sequential(LEAKY(), nn.Linear(FEATURES, 1), nn.Flatten(0))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Verdicts ``float32[n]``."""
        verdicts: torch.Tensor = self.last(self.features(rows))
        return verdicts


def fit_vae_gan(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Train one; see the module."""
    return coded(
        "vae_gan", training, train_vae_gan(training, Config(), seed, progress), bits, seed=seed, progress=progress
    )


def train_vae_gan(training: TrainingSet, config: Config, seed: int, progress: OnProgress) -> GaussianNetwork:
    """The trained network."""
    with training.seeded(seed):
        shape = shape_of(training)
        network = train_deep_vae(training, plain_of(config), seed, progress)
        judge = Judge(shape, config.channels)

        def terms(rows: torch.Tensor) -> dict[str, torch.Tensor]:
            return verdicts(network, judge, rows, config)

        schedule = schedule_of(training, config.steps // 2, config.batch, config.rate)
        minimise("vae_gan", training, network, terms, schedule, seed=seed, progress=progress, further=(judge,))
    return network


def plain_of(config: Config) -> VariationalConfig:
    """The VAE that the first half of the steps trains."""
    return VariationalConfig(
        latent=config.latent, hidden=config.hidden, steps=config.steps // 2, batch=config.batch, rate=config.rate
    )


def verdicts(network: GaussianNetwork, judge: Judge, rows: torch.Tensor, config: Config) -> dict[str, torch.Tensor]:
    """What rebuilt and drawn pictures cost the network, and what the judge pays for its errors.

    The encoder learns from likeness alone: fooling the judge is the decoder's business.
    """
    mean, log_variance = network.posterior(rows)
    latents = sampled(mean, log_variance)
    values = network.rebuilt(latents)
    rebuilt = network.means(values)
    made = network.means(network.rebuilt(torch.cat([latents.detach(), torch.randn_like(latents)])))
    with torch.no_grad():
        seen = judge.features(rows)
    return {
        "pixels": config.pixels * network.nats(values, rows).mean(),
        "features": 0.5 * squares(frozen(judge.features, rebuilt), seen).mean(),
        "divergence": divergence(mean, log_variance).mean(),
        "fooled": config.fooled * functional.softplus(-frozen(judge, made)).mean(),
        "judge": functional.softplus(-judge(rows)).mean() + functional.softplus(judge(made.detach())).mean(),
    }
