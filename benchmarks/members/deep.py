"""Deep autoencoders: reconstruction, curves, noise and holes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from hashsvc.encoders.deep_autoencoder import HOLE, Config, holes, train_deep_autoencoder
from members.row import ALBUM, Row, chances, pictures, pixels, silent, vectors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.encoders.generation.network import LatentNetwork

CURVE_SIDE, POINTS = 28, 60
SPREAD = 0.5
SIDE = 10
RIDGE = 1e-2


def autoencoder(seed: int) -> dict[str, Row]:
    """30 numbers a picture, 20 passes."""
    config = Config(latent=30, squared=True)
    network = train_deep_autoencoder(pictures(pixels("train")), config, seed, silent, passes=20)
    ALBUM.grid("autoencoder", {"test pictures": chances("t10k"), "from 30 numbers": _items(network, chances("t10k"))})
    return {
        "AE-30 squared error a test picture": Row(
            round(error_of(network, chances("t10k")), 3), 5.2, reference="3.00 (logistic PCA 8.01)"
        )
    }


def error_of(network: LatentNetwork, rows: NDArray[np.float32]) -> float:
    """Squared error of a row of pixels in [0, 1] rebuilt, summed over it, mean over rows."""
    return float(((_items(network, rows) - rows) ** 2).sum(axis=1).mean())


def _items(network: LatentNetwork, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of pixels rebuilt."""
    with torch.inference_mode():
        found: NDArray[np.float32] = network.items(network.latents(torch.from_numpy(rows))).flatten(1).numpy()
    return found


def curves(seed: int, count: int = 60_000) -> dict[str, Row]:
    """Pictures of a curve through three random points: six numbers say all; for a short form ``count`` is less."""
    held, asked = drawn_curves(count, seed), drawn_curves(2_000, seed + 1_000)
    rows = asked.reshape(len(asked), -1).astype(np.float32) / np.float32(255)
    reduction = vectors(held.reshape(len(held), -1).astype(np.float32) / np.float32(255)).reduction(18)
    centred = rows - reduction.mean
    linear = float(((centred - centred @ reduction.components @ reduction.components.T) ** 2).sum(axis=1).mean())
    config = Config(latent=6, hidden=(512, 256, 128), batch=64)
    network = train_deep_autoencoder(pictures(held), config, seed, silent, passes=10)
    error = error_of(network, rows)
    return {
        "AE-6 error over that of PCA-18": Row(
            round(error / linear, 4),
            0.5,
            reference="1.44 / 5.90 = .24",
            beside={"AE-6": round(error, 3), "PCA-18": round(linear, 3)},
        )
    }


def drawn_curves(count: int, seed: int) -> NDArray[np.uint8]:
    """Pictures ``uint8[count, 28, 28, 1]`` of a smooth curve through three random points, the last in the middle.

    A parabola in time through all three, drawn as the largest of Gaussian blots along it.
    """
    rng = np.random.default_rng(seed)
    points = rng.uniform(4, CURVE_SIDE - 4, (count, 3, 2)).astype(np.float32)
    times = np.linspace(0, 1, POINTS, dtype=np.float32)[None, :, None]
    weights = (2 * (times - 0.5) * (times - 1), 4 * times * (1 - times), 2 * times * (times - 0.5))
    places = np.stack(weights) * points.transpose(1, 0, 2)[:, :, None]
    places = places.sum(axis=0)
    axis = np.arange(CURVE_SIDE, dtype=np.float32)
    down, across = (np.exp(-((axis - places[:, :, n, None]) ** 2) / 2) for n in (0, 1))
    found = np.empty((count, CURVE_SIDE, CURVE_SIDE), dtype=np.uint8)
    for start in range(0, count, 500):
        part = slice(start, start + 500)
        blots = down[part, :, :, None] * across[part, :, None, :]
        found[part] = (blots.max(axis=1) * 255).astype(np.uint8)
    return found[..., None]


def denoising(seed: int) -> dict[str, Row]:
    """Gaussian noise of spread .5 on pixels in [0, 1]; the rival knows the best number of directions."""
    config = Config(noise=SPREAD, latent=64, steps=2_500)
    network = train_deep_autoencoder(pictures(pixels("train")), config, seed, silent)
    clean = chances("t10k")
    noisy = clean + np.random.default_rng(seed).normal(0, SPREAD, clean.shape).astype(np.float32)
    reduction = vectors(chances("train")).reduction(128)
    linear = max(psnr(_projected(noisy, reduction.mean, reduction.components[:, :k]), clean) for k in range(8, 129, 4))
    found = _items(network, noisy)
    ALBUM.grid("denoising", {"test pictures": clean, "under noise of .5": noisy, "denoised": found})
    ours = psnr(found, clean)
    return {
        "dB above the best PCA projection": Row(
            round(ours - linear, 3),
            1.0,
            most=False,
            reference="best PCA projection",
            beside={"ours": round(ours, 2), "PCA": round(linear, 2)},
        )
    }


def _projected(
    rows: NDArray[np.float32], mean: NDArray[np.float32], components: NDArray[np.float32]
) -> NDArray[np.float32]:
    found: NDArray[np.float32] = ((rows - mean) @ components @ components.T + mean).clip(0, 1)
    return found


def psnr(found: NDArray[np.float32], clean: NDArray[np.float32]) -> float:
    """Peak signal to noise in dB, the mean over pictures."""
    errors = ((found - clean) ** 2).mean(axis=1)
    return float((-10 * np.log10(np.maximum(errors, 1e-12))).mean())


def inpainting(seed: int) -> dict[str, Row]:
    """A hole of 10 x 10 somewhere; the rival is the mean of a Gaussian given everything outside the hole."""
    config = Config(hole=SIDE, latent=64, steps=2_500)
    network = train_deep_autoencoder(pictures(pixels("train")), config, seed, silent)
    clean = chances("t10k")[:1_000]
    missing = holes((1, 28, 28), len(clean), SIDE, torch.Generator().manual_seed(seed)).numpy()
    shown = np.where(missing, np.float32(HOLE), clean)
    found, means = _items(network, shown), _conditional_means(clean, missing)
    filled = {"test pictures": clean, "cut": shown, "filled in": np.where(missing, found, clean)}
    ALBUM.grid("inpainting", {**filled, "Gaussian conditional mean": means})
    ours = float((((found - clean) ** 2) * missing).sum(axis=1).mean())
    linear = float((((means - clean) ** 2) * missing).sum(axis=1).mean())
    return {
        "error in the hole over that of the Gaussian conditional mean": Row(
            round(ours / linear, 4),
            1.0,
            slack=0.0,
            reference="Gaussian conditional mean",
            beside={"ours": round(ours, 2), "Gaussian": round(linear, 2)},
        )
    }


def _conditional_means(rows: NDArray[np.float32], missing: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Rows with what is missing filled in by the training pictures' mean and covariance."""
    training = chances("train").astype(np.float64)
    mean = training.mean(axis=0)
    covariance = np.cov(training.T) + RIDGE * np.eye(training.shape[1])
    filled = rows.copy()
    patterns, which = np.unique(missing, axis=0, return_inverse=True)
    for number, hole in enumerate(patterns):
        own = which.ravel() == number
        inside, outside = covariance[np.ix_(hole, ~hole)], covariance[np.ix_(~hole, ~hole)]
        given = rows[own][:, ~hole] - mean[~hole]
        found = mean[hole] + np.linalg.solve(outside, given.T).T @ inside.T
        filled[np.ix_(own, hole)] = found.clip(0, 1)
    return filled
