"""Whether every bit of a code carries its share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hashsvc.codes import unpack
from hashsvc.domain.quality import BitHealth

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS = 1 << 16


def bit_health(codes: NDArray[np.uint8]) -> BitHealth:
    """Balance, correlation, entropy and distinctness of codes ``uint8[n, bits/8]``, n >= 1."""
    bits, items = codes.shape[1] * 8, len(codes)
    ones = np.zeros(bits)
    both = np.zeros((bits, bits))
    for start in range(0, items, ROWS):
        rows = unpack(codes[start : start + ROWS]).astype(np.float32)
        ones += rows.sum(axis=0, dtype=np.float64)
        both += rows.T @ rows
    means = ones / items
    correlation = _correlation(both / items, means)
    _, counts = np.unique(codes, axis=0, return_counts=True)
    return BitHealth(
        means=tuple(float(mean) for mean in means),
        entropy=float((_entropy(means) + _entropy(1 - means)).mean()),
        code_entropy=float(_entropy(counts / items).sum()),
        correlation=float(correlation.sum() / (bits * (bits - 1))),
        worst_correlation=float(correlation.max()),
        items=items,
        distinct=len(counts),
    )


def _correlation(both: NDArray[np.float64], means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Absolute correlations ``[bits, bits]``, 0 on the diagonal; a constant bit correlates with nothing."""
    spread = np.sqrt(np.maximum(means * (1 - means), 0))
    scale = np.outer(spread, spread)
    correlation = np.abs(both - np.outer(means, means)) / np.where(scale > 0, scale, np.inf)
    np.fill_diagonal(correlation, 0)
    return correlation


def _entropy(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    return -shares * np.log2(np.where(shares > 0, shares, 1))
