"""Rows: found items as (query, distance, id) columns, and how several parts' rows become one answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hashsvc.domain.neighbours import Neighbours

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Rows(NamedTuple):
    """Found items: ``queries int32[n]``, ``distances int32[n]``, ``ids int64[n]``."""

    queries: NDArray[np.int32]
    distances: NDArray[np.int32]
    ids: NDArray[np.int64]

    def pieces(self, size: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32]]]:
        """Ids and distances, at most ``size`` at a time."""
        for start in range(0, len(self.ids), size):
            yield self.ids[start : start + size], self.distances[start : start + size]

    def at(self, which: NDArray[np.int64] | NDArray[np.bool_]) -> Rows:
        """Some of them, by place or by flag."""
        return Rows(self.queries[which], self.distances[which], self.ids[which])


class Cursor(NamedTuple):
    """Where the page before ended: its last (distance, id); what follows is strictly beyond it."""

    distance: int
    id: int


START = Cursor(-1, -1)
NOTHING = Rows(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int64))


def joined(several: Sequence[Rows]) -> Rows:
    """All rows of several parts, unordered."""
    if len(several) == 1:
        return several[0]
    if not several:
        return NOTHING
    columns = zip(*several, strict=True)
    return Rows(*(np.concatenate(column) for column in columns))


def ordered(rows: Rows) -> Rows:
    """Rows in order of (query, distance, id)."""
    if len(rows.ids) < 2:
        return rows
    order = np.lexsort((rows.ids, rows.distances, rows.queries))
    return rows.at(order)


def nearest_of(rows: Rows, queries: int, k: int) -> Rows:
    """The first k rows of each query in order of (distance, id)."""
    rows = ordered(rows)
    starts = np.searchsorted(rows.queries, np.arange(queries))
    keep = np.arange(len(rows.ids)) - starts[rows.queries] < k
    return rows.at(keep)


def as_neighbours(rows: Rows, queries: int, *, exact: bool = True, complete: bool = True) -> Neighbours:
    """Neighbours from rows in order of (query, distance, id)."""
    if queries == 1:
        offsets = np.array([0, len(rows.ids)], np.int64)
    else:
        offsets = np.searchsorted(rows.queries, np.arange(queries + 1)).astype(np.int64)
    return Neighbours(offsets, rows.ids, rows.distances, exact=exact, complete=complete)
