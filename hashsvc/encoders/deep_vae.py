"""Variational autoencoder (Kingma & Welling, ICLR 2014): the evidence lower bound, in nats an example.

Its latent is the posterior mean; drawn latents come from the standard normal prior and lead to new items.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from hashsvc.encoders.document_model import DocumentConfig, train_document_model
from hashsvc.encoders.generation.coding import coded
from hashsvc.encoders.generation.likelihood import divergence, sampled
from hashsvc.encoders.generation.network import MirrorNetwork, stack
from hashsvc.encoders.generation.training import minimise, schedule_of, shape_of
from hashsvc.encoders.networks import NETWORKS

if TYPE_CHECKING:
    from hashsvc.encoders.contract import OnProgress
    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.generation.network import DecodingNetwork
    from hashsvc.encoders.training_set import TrainingSet


FALLING = 0.8


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
        widest: the spread that training starts at, if larger; it falls evenly, in its logarithm, for four fifths of the
            steps. Coarse things are learned first so: what lies far apart is told apart before what lies together.
        binary: draw grey pixels anew as black or white at every step.
    """

    latent: int = 32
    hidden: tuple[int, ...] = (512, 256)
    steps: int = 2_500
    batch: int = 256
    rate: float = 2e-3
    noise: float = 0.3
    widest: float = 0.0
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

    def nats(self, values: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """See :class:`LatentNetwork`; numbers lie around their means with the spread ``noise``."""
        if self.pixels:
            return super().nats(values, rows)
        return super().nats(values / self.noise, rows / self.noise) + self.width * math.log(self.noise)


class FallingNoise(nn.Module):
    """A spread that falls from step to step; a buffer, so that a training taken up again goes on with it.

    Args:
        widest: the first.
        last: where it stays in the end.
        steps: until then.
    """

    def __init__(self, widest: float, last: float, steps: int) -> None:
        super().__init__()
        self.last = last
        self.factor = (last / max(widest, last)) ** (1 / max(steps, 1))
        self.now: torch.Tensor
        self.register_buffer("now", torch.tensor(max(widest, last), dtype=torch.float64))

    def forward(self) -> float:
        """The spread of the next step."""
        self.now.mul_(self.factor).clamp_(min=self.last)
        return float(self.now)


NETWORKS["gaussian"] = GaussianNetwork


def fit_deep_vae(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Train one; see the module, and :mod:`hashsvc.encoders.document_model` for texts."""
    network: DecodingNetwork
    if training.terms is not None:
        network = train_document_model("deep_vae", training, DocumentConfig(variational=True), seed, progress)
    else:
        network = train_deep_vae(training, Config(), seed, progress)
    return coded("deep_vae", training, network, bits, seed=seed, progress=progress)


def train_deep_vae(
    training: TrainingSet, config: Config, seed: int, progress: OnProgress, *, passes: int = 40
) -> GaussianNetwork:
    """The trained network, after at most so many ``passes`` over the items."""
    with training.seeded(seed):
        network = GaussianNetwork(
            shape=shape_of(training), hidden=config.hidden, latent=config.latent, noise=config.noise
        )

        schedule = schedule_of(training, config.steps, config.batch, config.rate, passes=passes)
        steps = schedule.epochs * (len(training) // schedule.batch)
        noise = FallingNoise(config.widest, config.noise, int(FALLING * steps))

        def terms(rows: torch.Tensor) -> dict[str, torch.Tensor]:
            network.noise = noise()
            return bound(network, torch.bernoulli(rows) if config.binary else rows)

        minimise("deep_vae", training, network, terms, schedule, seed=seed, progress=progress, further=(noise,))
        network.noise = config.noise
    return network


def bound(network: GaussianNetwork, rows: torch.Tensor) -> dict[str, torch.Tensor]:
    """The two terms of the negative evidence lower bound of scaled rows, one draw a row; nats an example."""
    mean, log_variance = network.posterior(rows)
    return {
        "rebuilt": network.nats(network.rebuilt(sampled(mean, log_variance)), rows).mean(),
        "divergence": divergence(mean, log_variance).mean(),
    }
