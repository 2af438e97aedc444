"""Distances of queries to a whole collection, in blocks of bounded memory, and the levels they fall into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Distances = Callable[[slice], NDArray[np.float32]]

BLOCK = 1 << 22
WORDS = (np.uint64, np.uint32, np.uint16, np.uint8)


@dataclass(frozen=True, slots=True)
class Wanted:
    """For each of m queries the items it should find, as sparse rows.

    Args:
        offsets: ``int64[m + 1]``; query i owns entries ``offsets[i]:offsets[i + 1]``.
        items: ``int64[total]``, rows of the collection.
        weights: ``float64[total]`` in (0, 1]; below 1 for items that tie at the edge of what is wanted.
    """

    offsets: NDArray[np.int64]
    items: NDArray[np.int64]
    weights: NDArray[np.float64]

    @property
    def queries(self) -> NDArray[np.int64]:
        """Query ``int64[total]`` of each entry."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


def blocks(queries: int, items: int) -> Iterator[slice]:
    """Cut ``queries`` into slices whose distances to ``items`` fit the block."""
    step = max(1, BLOCK // max(items, 1))
    return (slice(start, min(start + step, queries)) for start in range(0, queries, step))


def words(codes: NDArray[np.uint8]) -> NDArray[Any]:
    """Codes ``uint8[n, bytes]`` as ``[words, n]`` of the widest unsigned integer that divides them."""
    word = next(word for word in WORDS if codes.shape[1] % np.dtype(word).itemsize == 0)
    return np.ascontiguousarray(np.ascontiguousarray(codes).view(word).T)


def hamming_block(queries: NDArray[Any], items: NDArray[Any]) -> NDArray[np.uint16]:
    """Hamming distances ``uint16[q, n]`` between codes given as :func:`words`."""
    total: NDArray[np.uint16] = np.bitwise_count(queries[0][:, None] ^ items[0][None, :]).astype(np.uint16)
    for query, item in zip(queries[1:], items[1:], strict=True):
        total += np.bitwise_count(query[:, None] ^ item[None, :])
    return total


def count_levels(distances: NDArray[np.integer[Any]], levels: int) -> NDArray[np.int64]:
    """How many of each row's distances ``[q, n]`` fall on each of ``levels`` integers: ``int64[q, levels]``."""
    rows = len(distances)
    flat = distances + np.arange(0, rows * levels, levels, dtype=np.int64)[:, None]
    return np.bincount(flat.ravel(), minlength=rows * levels).reshape(rows, levels)


def hamming_levels(queries: NDArray[np.uint8], items: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How many items lie at each Hamming distance of each query: ``int64[m, bits + 1]``."""
    asked, held = words(queries), words(items)
    levels = queries.shape[1] * 8 + 1
    counts = np.empty((len(queries), levels), dtype=np.int64)
    for part in blocks(len(queries), len(items)):
        counts[part] = count_levels(hamming_block(asked[:, part], held), levels)
    return counts


def labelled_levels(
    queries: NDArray[np.uint8],
    items: NDArray[np.uint8],
    query_labels: NDArray[np.int64],
    labels: NDArray[np.int64],
) -> NDArray[np.int64]:
    """How many items of a query's own label lie at each Hamming distance of it: ``int64[m, bits + 1]``."""
    counts = np.zeros((len(queries), queries.shape[1] * 8 + 1), dtype=np.int64)
    for label in np.unique(query_labels):
        asked = np.flatnonzero(query_labels == label)
        own = items[labels == label]
        if len(own):
            counts[asked] = hamming_levels(queries[asked], own)
    return counts


def wanted_levels(queries: NDArray[np.uint8], items: NDArray[np.uint8], wanted: Wanted) -> NDArray[np.float64]:
    """Weight of wanted items at each Hamming distance of each query: ``float64[m, bits + 1]``."""
    levels = queries.shape[1] * 8 + 1
    asked = wanted.queries
    differing = np.bitwise_count(queries[asked] ^ items[wanted.items]).sum(axis=1, dtype=np.int64)
    flat = np.bincount(asked * levels + differing, weights=wanted.weights, minlength=len(queries) * levels)
    return flat.astype(np.float64).reshape(len(queries), levels)


def nearest(distances: Distances, queries: int, items: int, k: int) -> Wanted:
    """The ``k`` nearest items of each query by real distances; those that tie for the last places share them.

    ``distances`` gives ``float32[q, items]`` for a slice of the queries.
    """
    k = min(k, items)
    found: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
    for part in blocks(queries, items):
        block = distances(part)
        edges = np.partition(block, k - 1, axis=1)[:, k - 1]
        found.extend(_nearest_row(row, edge, k) for row, edge in zip(block, edges, strict=True))
    sizes = [len(ids) for ids, _ in found]
    return Wanted(
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.concatenate([ids for ids, _ in found]),
        np.concatenate([weights for _, weights in found]),
    )


def _nearest_row(row: NDArray[np.float32], edge: np.float32, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    ids = np.flatnonzero(row <= edge)
    tied = row[ids] == edge
    share = (k - np.count_nonzero(~tied)) / np.count_nonzero(tied)
    return ids, np.where(tied, share, 1.0)


def real_levels(
    distances: NDArray[np.float32], related: NDArray[np.float64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Levels of real distances ``float32[q, n]``, down to the k-th nearest and whatever ties with it.

    ``related`` holds the weight of each item, ``float64[q, n]``.

    Returns:
        counts ``int64[q, k]`` and related ``float64[q, k]``, zeros behind the last level.
    """
    k = min(k, distances.shape[1])
    counts = np.zeros((len(distances), k), dtype=np.int64)
    weights = np.zeros((len(distances), k))
    edges = np.partition(distances, k - 1, axis=1)[:, k - 1]
    for number, (row, edge) in enumerate(zip(distances, edges, strict=True)):
        ids = np.flatnonzero(row <= edge)
        ids = ids[np.argsort(row[ids], kind="stable")]
        level = np.concatenate([[0], np.cumsum(np.diff(row[ids]) > 0)])
        counts[number] = np.bincount(level, minlength=k)
        weights[number] = np.bincount(level, weights=related[number, ids], minlength=k)
    return counts, weights
