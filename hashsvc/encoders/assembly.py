"""From a trained network to an encoder: thresholds, margin and golden items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse

from hashsvc.encoders.binarizers import Binarizer, Threshold
from hashsvc.encoders.encoder import CodeEncoder, features
from hashsvc.encoders.fronts.text import TextFront

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.encoders.networks import Network
    from hashsvc.encoders.training_set import TrainingSet

RELATIVE_MARGIN = 1e-4
RIDGE = 0.3
STEPS = 10
ROWS = 8_192


def assemble(model: str, training: TrainingSet, network: Network, *, binarizer: Binarizer | None = None) -> CodeEncoder:
    """The encoder of a trained network; without a ``binarizer`` its features are cut at their training medians."""
    found = features_of(training, network.eval())
    return CodeEncoder(
        model,
        training.front,
        network,
        binarizer or Threshold.at_median(found),
        margin=float(f"{RELATIVE_MARGIN * float(found.std(axis=0).mean()):.6g}"),
        golden=training.golden,
    )


def features_of(training: TrainingSet, network: Network) -> NDArray[np.float32]:
    """Features ``float32[n, d]`` of the training items; on the host exactly as every item is encoded."""
    if training.device.type == "cpu":
        return features(training.front, network, training.items)
    with training.hosting(network), torch.no_grad():
        parts = np.array_split(np.arange(len(training)), -(-len(training) // ROWS))
        return np.concatenate([network(training.batch(part)).cpu().numpy() for part in parts])


def spell_out(training: TrainingSet, weight: NDArray[np.float32]) -> None:
    """Fill the n-gram rows of a first layer ``float32[width, d]`` in place, so that n-grams add up to their words.

    Ridge regression of the word rows on the n-grams that spell them, by conjugate gradients; n-grams no word has get
    random rows, so that texts of them alone still differ. Does nothing for other kinds.
    """
    front = training.front
    if not isinstance(front, TextFront) or training.learned == front.width:
        return
    words, buckets = front.spelling()
    lengths = np.bincount(words, minlength=len(front.words))
    shape = (len(front.words), front.buckets)
    spelled = sparse.csr_matrix(((1.0 / np.sqrt(lengths[words])).astype(np.float32), (words, buckets)), shape=shape)
    target = weight[: len(front.words)]
    rows = _ridge(spelled, target)
    rng = np.random.default_rng(training.seed)
    absent = np.bincount(buckets, minlength=front.buckets) == 0
    scale = float(np.sqrt((target**2).mean())) or 1.0
    rows[absent] = rng.normal(0.0, scale, (int(absent.sum()), weight.shape[1]))
    weight[len(front.words) :] = rows


def _ridge(matrix: sparse.csr_matrix, target: NDArray[np.float32]) -> NDArray[np.float32]:
    """``argmin |matrix x - target|^2 + RIDGE |x|^2`` for every column at once."""
    turned = matrix.T.tocsr()
    x = np.zeros((matrix.shape[1], target.shape[1]), dtype=np.float32)
    residual = np.asarray(turned @ target, dtype=np.float32)
    direction = residual.copy()
    power = (residual**2).sum(axis=0)
    for _ in range(STEPS):
        image = turned @ (matrix @ direction) + RIDGE * direction
        step = power / np.maximum((direction * image).sum(axis=0), 1e-20)
        x += step * direction
        residual -= step * image
        fresh = (residual**2).sum(axis=0)
        direction = residual + (fresh / np.maximum(power, 1e-20)) * direction
        power = fresh
    return x


def set_layer(layer: torch.nn.Module, weight: NDArray[np.float32], bias: NDArray[np.float32] | None = None) -> None:
    """Copy numbers into a layer's ``weight`` and ``bias`` (zero without one)."""
    with torch.no_grad():
        layer.get_parameter("weight").copy_(torch.from_numpy(np.ascontiguousarray(weight)))
        target = layer.get_parameter("bias")
        target.copy_(torch.zeros_like(target) if bias is None else torch.from_numpy(np.ascontiguousarray(bias)))
