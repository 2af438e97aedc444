"""The lines task (Berthelot et al., ICLR 2019): what lies on a path between two lines, and how evenly it turns."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from hashsvc.encoders.acai import Config, train_acai
from hashsvc.encoders.deep_autoencoder import Config as PlainConfig
from hashsvc.encoders.deep_autoencoder import train_deep_autoencoder
from hashsvc.encoders.deep_vae import Config as VariationalConfig
from hashsvc.encoders.deep_vae import train_deep_vae
from hashsvc.encoders.deep_vq_vae import Config as QuantisedConfig
from hashsvc.encoders.deep_vq_vae import train_deep_vq_vae
from hashsvc.encoders.prior import Config as PriorConfig
from members.row import ALBUM, Row, pictures, silent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.encoders.generation.network import LatentNetwork
    from hashsvc.encoders.training_set import TrainingSet

SIDE, HALF_THICK = 32, 1.0
LINES, KNOWN = 30_000, 3_600
PATHS, PLACES = 500, 16
LEAST_TURN = np.pi / 16
NOISE = 0.5  # the paper takes 1 where pixels lie in [-1, 1]
LATENT, HIDDEN, STEPS, BATCH, RATE = 32, (512, 256), 1_500, 128, 1e-3


def drawn_lines(angles: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Black pictures ``uint8[n, 32, 32, 1]`` of a white line, two pixels thick, from the middle to the frame."""
    axis = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    down, across = np.meshgrid(axis, axis, indexing="ij")
    found = np.empty((len(angles), SIDE, SIDE, 1), dtype=np.uint8)
    for place, (x, y) in enumerate(zip(np.cos(angles), -np.sin(angles), strict=True)):
        along = np.clip(across * x + down * y, 0, SIDE / 2 - 1)
        apart = np.hypot(across - along * x, down - along * y)
        found[place, ..., 0] = np.clip(HALF_THICK + 0.5 - apart, 0, 1) * 255
    return found


def _rows(values: NDArray[np.uint8]) -> NDArray[np.float32]:
    return values.reshape(len(values), -1).astype(np.float32) / np.float32(255)


@cache
def known() -> NDArray[np.float32]:
    """Lines at 3,600 angles ``float32[3600, 1024]`` in order of their angle."""
    return _rows(drawn_lines(np.linspace(0, 2 * np.pi, KNOWN, endpoint=False)))


def acai(seed: int) -> dict[str, Row]:
    """Four autoencoders of one size and length (plain, denoising, variational, ACAI), and a VQ-VAE."""
    rng = np.random.default_rng(seed)
    networks = trained(pictures(drawn_lines(rng.uniform(0, 2 * np.pi, LINES))), seed)
    angles = ends(rng)
    found = {name: looked(paths(network, angles)) for name, network in networks.items()}
    ALBUM.grid(
        "lines",
        {name: paths(network, angles[:1])[0] for name, network in networks.items()},
        side=SIDE,
        across=PLACES,
    )
    distance = {name: values["distance"] for name, values in found.items()}
    beside = {f"{name} {what}": value for name, values in found.items() for what, value in values.items()}
    return {
        "lines, mean distance, VAE over denoising (beside: thousandths)": Row(
            round(distance["VAE"] / distance["denoising"], 3), 1.0, slack=0.0, reference="1.21 / 4.21", beside=beside
        ),
        "lines, mean distance, denoising over AE": Row(
            round(distance["denoising"] / distance["AE"], 3), 1.0, slack=0.0, reference="4.21 / 6.88"
        ),
        "lines, mean distance, ACAI over VQ-VAE": Row(
            round(distance["ACAI"] / distance["VQ-VAE"], 3), 1.0, slack=0.0, reference="0.24 / 5.41"
        ),
    }


def trained(training: TrainingSet, seed: int) -> dict[str, LatentNetwork]:
    """Networks of the same layers, but for the VQ-VAE with its grid, each after as many steps."""
    plain = PlainConfig(latent=LATENT, hidden=HIDDEN, steps=STEPS, batch=BATCH, rate=RATE)
    variational = VariationalConfig(latent=LATENT, hidden=HIDDEN, steps=STEPS, batch=BATCH, rate=RATE)
    critical = Config(latent=LATENT, hidden=HIDDEN, steps=STEPS, batch=BATCH, rate=RATE)
    quantised = QuantisedConfig(steps=STEPS, prior=PriorConfig(channels=8, layers=1, steps=1))
    return {
        "AE": train_deep_autoencoder(training, plain, seed, silent),
        "denoising": train_deep_autoencoder(training, replace(plain, noise=NOISE), seed, silent),
        "VAE": train_deep_vae(training, variational, seed, silent),
        "ACAI": train_acai(training, critical, seed, silent),
        "VQ-VAE": train_deep_vq_vae(training, quantised, seed, silent),
    }


def ends(rng: np.random.Generator) -> NDArray[np.float64]:
    """Angles ``float64[paths, 2]`` that paths begin and end at, further apart than the least turn.

    Between equal angles there is nothing to be smooth about: the turn stands below the fraction.
    """
    angles = rng.uniform(0, 2 * np.pi, (4 * PATHS, 2))
    return angles[np.abs(turned(angles[:, 1] - angles[:, 0])) > LEAST_TURN][:PATHS]


def turned(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angles the short way round, from -pi to pi."""
    found: NDArray[np.float64] = (angles + np.pi) % (2 * np.pi) - np.pi
    return found


@torch.inference_mode()
def paths(network: LatentNetwork, angles: NDArray[np.float64]) -> NDArray[np.float32]:
    """Rows ``float32[paths, 16, 1024]`` at even steps between the latents of two lines, both ends among them."""
    first, last = (network.latents(torch.from_numpy(_rows(drawn_lines(side)))) for side in angles.T)
    shares = torch.linspace(0, 1, PLACES)
    between = [network.items(torch.lerp(first, last, float(share))).flatten(1) for share in shares]
    return torch.stack(between, dim=1).numpy()


def looked(rows: NDArray[np.float32]) -> dict[str, float]:
    """The paper's two figures of paths, and what they do not see.

    Distance is 1 less the cosine to the nearest line, pixels in [-1, 1]: a faint line is never far in it, as most of a
    picture is black. So the squared error a pixel to that line, pixels in [0, 1], is given beside it. Smoothness is the
    largest turn of a step as a share of the whole turn, less that of even steps; a path that ends at the angle it
    began with has none and is counted as "still".
    """
    flat = rows.reshape(-1, SIDE * SIDE)
    alike = _unit(flat) @ _unit(known()).T
    nearest = alike.argmax(axis=1)
    turns = turned(np.diff(nearest.reshape(rows.shape[:2]) * (2 * np.pi / KNOWN), axis=1))
    whole = np.abs(turns.sum(axis=1))
    moving = whole > LEAST_TURN / 2
    steepest = np.abs(turns[moving]).max(axis=1) / whole[moving]
    return {
        "distance": round(1000 * float(1 - alike.max(axis=1).mean()), 2),
        "smoothness": round(float((steepest - 1 / (PLACES - 1)).mean()), 3),
        "still": float((~moving).sum()),
        "pixel error": round(1000 * float(((flat - known()[nearest]) ** 2).mean()), 2),
    }


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    signed = 2 * rows - 1
    unit: NDArray[np.float32] = signed / np.linalg.norm(signed, axis=1, keepdims=True)
    return unit
