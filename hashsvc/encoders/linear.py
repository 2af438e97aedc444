"""Linear floors: random hyperplanes (Charikar, STOC 2002), PCA and LSA signs, ITQ (Gong & Lazebnik, CVPR 2011)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hashsvc.encoders.assembly import assemble, set_layer, spell_out
from hashsvc.encoders.contract import OnProgress, Progress
from hashsvc.encoders.networks import LinearNetwork

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.encoders.encoder import CodeEncoder
    from hashsvc.encoders.training_set import TrainingSet

ITERATIONS = 50


def fit_lsh(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Signs of random directions, around the training mean."""
    rng = np.random.default_rng(seed)
    weight = rng.normal(0.0, 1.0, (training.front.width, bits)).astype(np.float32)
    encoder = _assemble_linear("lsh", training, weight, -(_mean(training) @ weight))
    progress(Progress("lsh", 1, 1))
    return encoder


def fit_pca_sign(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Signs of the strongest principal components; where there are fewer than bits, of random mixtures of them."""
    return _fit_signs("pca_sign", training, bits, seed, progress)


def fit_lsa_sign(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """Signs of the strongest latent semantic components, at their medians."""
    return _fit_signs("lsa_sign", training, bits, seed, progress)


def _fit_signs(name: str, training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    reduction = training.reduction(bits)
    weight = reduction.components
    missing = bits - weight.shape[1]
    if missing:
        mixed = np.random.default_rng(seed).normal(0.0, 1.0, (weight.shape[1], missing)).astype(np.float32)
        weight = np.concatenate([weight, weight @ mixed], axis=1)
    encoder = _assemble_linear(name, training, np.ascontiguousarray(weight), -(reduction.mean @ weight))
    progress(Progress(name, 1, 1))
    return encoder


def fit_itq(training: TrainingSet, bits: int, seed: int, progress: OnProgress) -> CodeEncoder:
    """PCA (texts: LSA with rows of unit length), rotated so that signs lose least."""
    reduction = training.reduction(bits)
    values = reduction.values
    unit = training.terms is not None
    if unit:
        values = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    mean = values.mean(axis=0)
    rotation = _rotate(values - mean, bits, seed, progress)
    weight = reduction.components.copy()
    spell_out(training, weight)
    network = LinearNetwork(training.front.width, weight.shape[1], bits, unit=unit)
    set_layer(network.first, weight, -(reduction.mean @ weight))
    set_layer(network.second, rotation.T, -(mean @ rotation))
    return assemble("itq", training, network)


def _rotate(values: NDArray[np.float32], bits: int, seed: int, progress: OnProgress) -> NDArray[np.float32]:
    """The rotation ``float32[d, bits]`` (rows orthonormal, d <= bits) that brings ``values`` nearest to signs."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(0.0, 1.0, (bits, values.shape[1])))[0].T.astype(np.float32)
    for step in range(ITERATIONS):
        signs = np.where(values @ rotation > 0, np.float32(1), np.float32(-1))
        left, _, right = np.linalg.svd(values.T @ signs, full_matrices=False)
        rotation = (left @ right).astype(np.float32)
        progress(Progress("itq", step + 1, ITERATIONS))
    return rotation


def _mean(training: TrainingSet) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = np.asarray(training.rows().mean(axis=0), dtype=np.float32).reshape(-1)
    return mean


def _assemble_linear(
    name: str, training: TrainingSet, weight: NDArray[np.float32], bias: NDArray[np.float32]
) -> CodeEncoder:
    weight = weight.copy()
    spell_out(training, weight)
    network = LinearNetwork(training.front.width, weight.shape[1], weight.shape[1])
    set_layer(network.first, weight, bias)
    set_layer(network.second, np.eye(weight.shape[1], dtype=np.float32))
    return assemble(name, training, network)
