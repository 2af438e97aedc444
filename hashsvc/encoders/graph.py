"""Neighbour graphs over training items, from their features alone: what "related" means where nobody says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import faiss
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Graph:
    """The neighbours of each item, nearest first.

    Args:
        neighbours: ``int64[n, k]``; no item is its own neighbour.
    """

    neighbours: NDArray[np.int64]

    def partners(self, rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """One random neighbour of each row."""
        return self.neighbours[rows, rng.integers(0, self.neighbours.shape[1], len(rows))]


def nearest(values: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The ``k`` nearest other rows of each row by L2: ``int64[n, min(k, n - 1)]``."""
    k = min(k, len(values) - 1)
    contiguous = np.ascontiguousarray(values)
    _, found = faiss.knn(contiguous, contiguous, k + 1)
    return _without_self(found.astype(np.int64), k)


def _without_self(found: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    own = found == np.arange(len(found))[:, None]
    own[~own.any(axis=1), -1] = True
    return found[~own].reshape(len(found), k)
