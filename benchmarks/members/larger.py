"""Rows that ask for a GPU: the same models, larger and trained longer. The sizes are chosen, none of them was tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from hashsvc.encoders.acai import Config as CriticalConfig
from hashsvc.encoders.acai import train_acai
from hashsvc.encoders.deep_autoencoder import Config as PlainConfig
from hashsvc.encoders.deep_autoencoder import train_deep_autoencoder
from hashsvc.encoders.deep_vae import Config as VariationalConfig
from hashsvc.encoders.deep_vae import train_deep_vae
from members import deep, lines
from members.row import Row, binary, chances, pictures, pixels, silent

if TYPE_CHECKING:
    from hashsvc.encoders.deep_vae import GaussianNetwork

SQUARES = "AE-30 squared error a test picture, GPU"
DISTANCE, SMOOTHNESS = "lines, mean distance of ACAI, thousandths, GPU", "lines, smoothness of ACAI, GPU"
NATS = "200 importance samples, static binarised MNIST, GPU, nats"
SAMPLES, ROWS = 200, 100
PLAIN = PlainConfig(latent=30, hidden=(1_000, 500, 250), squared=True)  # Hinton & Salakhutdinov's layers for MNIST
VARIATIONAL = VariationalConfig(latent=50, hidden=(512, 512), steps=46_000, rate=1e-3)
CRITICAL = CriticalConfig(latent=32, hidden=(1_024, 512), steps=40_000, batch=128, rate=3e-4)
PASSES, LINES = 200, 150_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is trained, and how long.

    Args:
        plain: of the autoencoder.
        passes: of the autoencoder and, at most, of the VAE.
        variational: of the VAE.
        critical: of ACAI.
        lines: drawn to train ACAI on; more of them, as it makes no more than 40 passes.
        items: pictures trained and tested on, at most; 0 for all.
    """

    plain: PlainConfig = PLAIN
    passes: int = PASSES
    variational: VariationalConfig = VARIATIONAL
    critical: CriticalConfig = CRITICAL
    lines: int = LINES
    items: int = 0

    @property
    def shown(self) -> slice:
        """The pictures taken."""
        return slice(self.items or None)


def autoencoder(seed: int, device: torch.device, sizes: Sizes) -> dict[str, Row]:
    """30 numbers a picture."""
    training = pictures(pixels("train")[sizes.shown], device)
    network = train_deep_autoencoder(training, sizes.plain, seed, silent, passes=sizes.passes)
    error = deep.error_of(network, chances("t10k")[sizes.shown])
    return {SQUARES: Row(round(error, 3), 4.0, slack=0.0, reference=REFERENCES["autoencoder"][SQUARES])}


def vae(seed: int, device: torch.device, sizes: Sizes) -> dict[str, Row]:
    """The likelihood of test pictures, every grey pixel drawn once as black or white."""
    training = pictures(binary("train")[sizes.shown], device)
    network = train_deep_vae(training, sizes.variational, seed, silent, passes=sizes.passes)
    values = binary("t10k")[sizes.shown]
    rows = training.there(torch.from_numpy(values.reshape(len(values), -1).astype(np.float32) / np.float32(255)))
    with training.seeded(seed), training.hosting(network):
        found = importance(network, rows)
    return {NATS: Row(round(found, 2), 90.5, slack=0.0, reference=REFERENCES["vae"][NATS])}


@torch.inference_mode()
def importance(network: GaussianNetwork, rows: torch.Tensor, samples: int = SAMPLES) -> float:
    """Negative log likelihood of scaled rows, in nats a row, by importance samples (Burda et al., ICLR 2016)."""
    found = []
    for start in range(0, len(rows), ROWS):
        part = rows[start : start + ROWS]
        mean, log_variance = network.posterior(part)
        noise = torch.randn(len(part), samples, mean.shape[1], device=rows.device)
        latents = mean[:, None] + (0.5 * log_variance).exp()[:, None] * noise
        prior_over_posterior = 0.5 * (noise.square() + log_variance[:, None] - latents.square()).sum(dim=2)
        nats = network.nats(network.rebuilt(latents.flatten(0, 1)), part.repeat_interleave(samples, dim=0))
        weights = prior_over_posterior - nats.reshape(len(part), samples)
        found.append(math.log(samples) - weights.logsumexp(dim=1))
    return float(torch.cat(found).mean())


def acai(seed: int, device: torch.device, sizes: Sizes) -> dict[str, Row]:
    """Paths between lines."""
    rng = np.random.default_rng(seed)
    training = pictures(lines.drawn_lines(rng.uniform(0, 2 * np.pi, sizes.lines)), device)
    found = lines.looked(lines.paths(train_acai(training, sizes.critical, seed, silent), lines.ends(rng)))
    beside = {name: found[name] for name in ("still", "pixel error")}
    words = REFERENCES["acai"]
    return {
        DISTANCE: Row(found["distance"], 0.5, slack=0.0, reference=words[DISTANCE], beside=beside),
        SMOOTHNESS: Row(found["smoothness"], 0.2, slack=0.0, reference=words[SMOOTHNESS]),
    }


REFERENCES: dict[str, dict[str, str]] = {
    "autoencoder": {SQUARES: "4.0 (paper 3.00)"},
    "acai": {DISTANCE: "0.5 (0.24)", SMOOTHNESS: "0.2 (0.10)"},
    "vae": {NATS: "90.5 (89.8)"},
}
MEMBERS: dict[str, Callable[[int, torch.device, Sizes], Mapping[str, Row]]] = {
    "autoencoder": autoencoder,
    "acai": acai,
    "vae": vae,
}
