"""Which code to keep, without labels: agreement with a diffused neighbour graph on items no model was trained on.

Counting the exact float neighbours a code finds rewards imitating the float distance. What makes two items related is
seldom that distance itself, but the surroundings they share. So each held-back item spreads a unit of weight over its
nearest training items and on along the graph (a short random walk), and a code is worth the weight that its nearest
100 items hold, ties averaged (Zhou et al., NIPS 2003, "Ranking on data manifolds").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from hashsvc.codes import hamming
from hashsvc.encoders.contract import Decoded
from hashsvc.encoders.encoder import CodeEncoder
from hashsvc.encoders.graph import adjacency
from hashsvc.encoders.training_set import TrainingSet

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAREST = 10
STEPS = 2
FOUND = 100
FEW = 200


def agreement(
    candidates: Mapping[str, CodeEncoder], training: TrainingSet, held: Sequence[Decoded]
) -> dict[str, float]:
    """Share of the reachable weight that each candidate's nearest 100 items hold, in [0, 1]; larger is better.

    Without items held back (few items at all) the first training items ask in their place.
    """
    asked = list(held) or list(training.items[:FEW])
    weights = _spread(training, asked)
    found = max(1, min(FOUND, len(training) // 10))
    return {
        name: _score(encoder.encode(asked), encoder.encode(training.items), weights, found)
        for name, encoder in candidates.items()
    }


def _spread(training: TrainingSet, asked: Sequence[Decoded]) -> Any:
    """Weight of each training item for each asking item, sparse ``float32[m, n]``."""
    near = training.near(asked, NEAREST)
    start = _rows(near, len(training))
    walk = adjacency(training.graph.neighbours)
    walk = sparse.diags_array(1.0 / np.maximum(np.asarray(walk.sum(axis=1)).ravel(), 1.0)) @ walk
    total = step = start
    for _ in range(STEPS):
        step = step @ walk
        total = total + step
    return total.tocsr()


def _rows(near: NDArray[np.int64], count: int) -> Any:
    rows, k = near.shape
    data = np.full(rows * k, 1.0 / k, dtype=np.float32)
    return sparse.csr_matrix((data, near.ravel(), np.arange(0, rows * k + 1, k)), shape=(rows, count))


def _score(queries: NDArray[np.uint8], codes: NDArray[np.uint8], weights: Any, found: int) -> float:
    shares = []
    for query, row in zip(queries, weights, strict=True):
        best = float(np.sort(row.data)[::-1][:found].sum())
        shares.append(_held(hamming(query, codes), row, found) / max(best, 1e-12))
    return round(float(np.mean(shares)), 6)


def _held(distances: NDArray[np.int32], weights: Any, found: int) -> float:
    """Expected weight among the nearest ``found`` items, every order of ties equally likely."""
    counts = np.bincount(distances)
    sums = np.bincount(distances[weights.indices], weights=weights.data, minlength=len(counts))
    before = np.cumsum(counts) - counts
    taken = np.clip(found - before, 0, counts)
    return float((taken * sums / np.maximum(counts, 1)).sum())
