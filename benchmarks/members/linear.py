"""PCA, and the linear autoencoder that must come down to it (Baldi & Hornik 1989)."""

from __future__ import annotations

import torch

from hashsvc.encoders.deep_autoencoder import Config, train_deep_autoencoder
from members.row import Row, chances, silent, vectors

PAPER = 13.87
DIRECTIONS = 30


def pca_error() -> float:
    """Squared error a test picture behind the 30 strongest directions of the training pictures."""
    reduction = vectors(chances("train")).reduction(DIRECTIONS)
    rows = chances("t10k") - reduction.mean
    return float(((rows - rows @ reduction.components @ reduction.components.T) ** 2).sum(axis=1).mean())


def pca(_seed: int) -> dict[str, Row]:
    """PCA has no seed."""
    error = pca_error()
    return {
        "distance of the PCA-30 error from 13.87": Row(
            round(abs(error - PAPER), 4), 0.02, reference="13.87", slack=0.0, beside={"error": round(error, 3)}
        )
    }


def linear_ae(seed: int) -> dict[str, Row]:
    """No hidden layer, squared error: the same subspace by gradient descent."""
    config = Config(latent=DIRECTIONS, hidden=(), batch=1_000, rate=5e-3, squared=True)
    network = train_deep_autoencoder(vectors(chances("train")), config, seed, silent, passes=30)
    rows = torch.from_numpy(chances("t10k"))
    with torch.inference_mode():
        error = float((network.items(network.latents(network.scaled(rows))) - rows).square().sum(dim=1).mean())
    return {
        "error over that of PCA-30": Row(
            round(error / pca_error(), 5), 1.005, reference="13.87", slack=0.0, beside={"error": round(error, 3)}
        )
    }
