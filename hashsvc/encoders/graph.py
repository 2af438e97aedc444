"""Neighbour graphs over training items, from the items alone: what "related" means where nobody says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import faiss
import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

HUB = 2_000
BLOCK = 1_000


@dataclass(frozen=True, slots=True)
class Graph:
    """The neighbours of each item, nearest first.

    Args:
        neighbours: ``int64[n, k]``; an item with fewer than k of them stands in for the missing ones itself.
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
    return without_self(found.astype(np.int64), k)


def without_self(found: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Lists ``int64[n, k + 1]`` without the row itself, or without their last where it is not among them."""
    own = found == np.arange(len(found))[:, None]
    own[~own.any(axis=1), -1] = True
    others: NDArray[np.int64] = found[~own].reshape(len(found), k)
    return others


def nearest_terms(rows: sparse.csr_matrix, k: int) -> NDArray[np.int64]:
    """The ``k`` other sparse rows of largest dot product with each row: ``int64[n, min(k, n - 1)]``."""
    return most_similar(rows, rows, min(k, rows.shape[0] - 1), others=True)


def most_similar(
    asked: sparse.csr_matrix, rows: sparse.csr_matrix, k: int, *, others: bool = False
) -> NDArray[np.int64]:
    """The ``k`` sparse ``rows`` of largest dot product with each row of ``asked``: ``int64[m, k]``, best first.

    With ``others``, a row of the same place is left out.
    """
    turned = rows.T.tocsr()
    found = np.empty((asked.shape[0], k), dtype=np.int64)
    for start in range(0, len(found), BLOCK):
        scores = (asked[start : start + BLOCK] @ turned).toarray()
        if others:
            scores[np.arange(len(scores)), np.arange(start, start + len(scores))] = -1.0
        near = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(scores, near, axis=1), axis=1, kind="stable")
        found[start : start + BLOCK] = np.take_along_axis(near, order, axis=1)
    return found


def shared(candidates: NDArray[np.int64], k: int) -> Graph:
    """Items ranked by how many candidate neighbours they share (Jarvis & Patrick 1973), the best ``k`` kept.

    Nearness in one list is often an accident; two items in the same surroundings seldom are. Items that are neighbours
    to thousands (hubs) are no evidence and are left out of the count.

    Args:
        candidates: ``int64[n, m]``, neighbours of each item in any order, repeats allowed.
        k: neighbours kept of each item.
    """
    count = len(candidates)
    lists = adjacency(candidates) + sparse.identity(count, dtype=np.float32, format="csr")
    popular = np.bincount(lists.indices, minlength=count) > HUB
    lists = (lists @ sparse.diags_array((~popular).astype(np.float32))).tocsr()
    lists.eliminate_zeros()
    counted = (lists @ lists.T).tocsr()
    counted.setdiag(0)
    counted.eliminate_zeros()
    return Graph(_strongest(counted.tocsr(), k))


def adjacency(neighbours: NDArray[np.int64]) -> sparse.csr_matrix:
    """``float32[n, n]``: how often an item is in the list of another."""
    count, k = neighbours.shape
    ends = np.arange(0, count * k + 1, k)
    matrix = sparse.csr_matrix((np.ones(count * k, dtype=np.float32), neighbours.ravel(), ends), shape=(count, count))
    matrix.sum_duplicates()
    return matrix


def _strongest(matrix: sparse.csr_matrix, k: int) -> NDArray[np.int64]:
    found = np.repeat(np.arange(matrix.shape[0], dtype=np.int64)[:, None], k, axis=1)
    for row in range(matrix.shape[0]):
        start, stop = matrix.indptr[row], matrix.indptr[row + 1]
        weights, columns = matrix.data[start:stop], matrix.indices[start:stop]
        order = np.lexsort((columns, -weights))[:k]
        found[row, : len(order)] = columns[order]
    return found
