"""Variational autoencoder (Kingma & Welling, ICLR 2014): the evidence lower bound, in nats an example.

Its latent is the posterior mean; drawn latents come from the standard normal prior and lead to new items.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from hashsvc.encoders.generation.coding import coded
from hashsvc.encoders.generation.likelihood import divergence, number_nats, pixel_nats
from hashsvc.encoders.generation.network import MirrorNetwork, stack
from hashsvc.encoders.generation.training import minimise, schedule_of, shape_of
from hashsvc.encoders.networks import NETWORKS

if TYPE_CHECKING:
    from hashsvc.encoders.contract import OnProgress
    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.training_set import TrainingSet


@dataclass(frozen=True, slots=True)
class Config:
    """What a VAE is trained with.

    Args:
        latent: numbers in a latent.
        hidden: units of the hidden layers, widest first.
        steps: batches seen, as near as whole passes come to it.
        batch: items of a step, at most; a quarter of the items where there are few.
        rate: highest learning rate.
        noise: spread of a number around its mean, a share of the numbers' own; pixels have none.
        binary: draw grey pixels anew as black or white at every step.
    """

    latent: int = 32
    hidden: tuple[int, ...] = (512, 256)
    steps: int = 2_500
    batch: int = 256
    rate: float = 2e-3
    noise: float = 0.3
    binary: bool = False


class GaussianNetwork(MirrorNetwork):
    """A mirror network whose latents are Gaussians: ``down`` gives means and log variances.

    Args:
        shape: of one item.
        hidden: see :class:`MirrorNetwork`.
        latent: see there.
        noise: see :class:`Config`.
        head: see :class:`LatentNetwork`.
    """

    def __init__(
        self,
        *,
        shape: Sequence[int],
        hidden: Sequence[int],
        latent: int,
        noise: float = 1.0,
        normal: bool = True,
        head: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(shape=shape, hidden=hidden, latent=latent, normal=normal, head=head)
        self.config["noise"] = noise
        self.noise = noise
        self.down = stack([self.width, *hidden, 2 * latent])

    def posterior(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log variance ``float32[n, latent]`` of scaled rows."""
        mean, log_variance = self.down(rows).chunk(2, dim=1)
        return mean, log_variance.clamp(-10, 4)

    def latents(self, rows: torch.Tensor) -> torch.Tensor:
        """Posterior means."""
        return self.posterior(rows)[0]

    def nats(self, latents: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Negative log likelihood ``float32[n]`` of rows."""
        values = self.rebuilt(latents)
        if self.pixels:
            return pixel_nats(values, rows)
        return number_nats(values / self.noise, rows / self.noise) + self.width * math.log(self.noise)


NETWORKS["gaussian"] = GaussianNetwork


def fit_deep_vae(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Train one; see the module."""
    return coded(
        "deep_vae", training, train_deep_vae(training, Config(), seed, progress), bits, seed=seed, progress=progress
    )


def train_deep_vae(training: TrainingSet, config: Config, seed: int, progress: OnProgress) -> GaussianNetwork:
    """The trained network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = GaussianNetwork(
            shape=shape_of(training), hidden=config.hidden, latent=config.latent, noise=config.noise
        )

        def terms(rows: torch.Tensor) -> dict[str, torch.Tensor]:
            return bound(network, torch.bernoulli(rows) if config.binary else rows)

        schedule = schedule_of(training, config.steps, config.batch, config.rate)
        minimise("deep_vae", training, network, terms, schedule, seed=seed, progress=progress)
    return network


def bound(network: GaussianNetwork, rows: torch.Tensor) -> dict[str, torch.Tensor]:
    """The two terms of the negative evidence lower bound of scaled rows, one draw a row; nats an example."""
    mean, log_variance = network.posterior(rows)
    return {
        "rebuilt": network.nats(sampled(mean, log_variance), rows).mean(),
        "divergence": divergence(mean, log_variance).mean(),
    }


def sampled(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """One draw of each Gaussian, differentiable in both arguments."""
    return mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
