"""The compiled passes: the exact scan, multi-index hashing, and the scan of a gathered subset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hashsvc.index.layout import GROUP, frozen, full_bitmap, group_count
from hashsvc.index.part import Part
from hashsvc.index.passes import Step
from hashsvc.index.rows import NOTHING, Cursor, Rows, joined, nearest_of, ordered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.index.kernel.compiled import Functions
    from hashsvc.index.tables import Tables

ROOM = 1 << 16
FEW = 1 << 12
NO_LIMIT = 1 << 30
NEAR_BY_TABLES = "hash tables reach what is near by looking at few codes; a nearest search falls back to the scan"


class Heaps(NamedTuple):
    """The nearest so far: ``int32[m, k]``, ``int64[m, k]``, and how many of each row are filled ``int64[m]``."""

    distances: NDArray[np.int32]
    ids: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def rows(self) -> Rows:
        """The settled heaps as rows in order of (query, distance, id)."""
        queries, k = self.ids.shape
        if queries == 1:
            size = int(self.sizes[0])
            return Rows(np.zeros(size, np.int32), self.distances[0, :size], self.ids[0, :size])
        numbers = np.repeat(np.arange(queries, dtype=np.int32), self.sizes)
        if int(self.sizes.min()) == k:
            return Rows(numbers, self.distances.reshape(-1), self.ids.reshape(-1))
        filled = np.arange(k) < self.sizes[:, None]
        return Rows(numbers, self.distances[filled], self.ids[filled])


def empty_heaps(queries: int, k: int) -> Heaps:
    """Heaps for this many queries."""
    return Heaps(np.empty((queries, k), np.int32), np.empty((queries, k), np.int64), np.zeros(queries, np.int64))


def enough(parts: Sequence[Part], k: int) -> int:
    """k, or the number of items when there are fewer."""
    return min(k, sum(part.total for part in parts))


class ScanPass:
    """Compares every allowed code with every query, eight at a time."""

    name = "scan"
    exact = True

    def __init__(self, functions: Functions, words: int) -> None:
        self.functions = functions
        self.like = tuple(np.zeros(words, np.uint64))

    def nearest(self, parts: Sequence[Part], queries: NDArray[np.uint64], k: int, after: Cursor) -> Rows:
        """See :class:`hashsvc.index.passes.Pass`."""
        return self.nearest_under(parts, queries, k, after, np.full(len(queries), NO_LIMIT, np.int64))

    def nearest_under(
        self, parts: Sequence[Part], queries: NDArray[np.uint64], k: int, after: Cursor, limits: NDArray[np.int64]
    ) -> Rows:
        """The same, when it is known that the k-th distance of each query is at most its limit ``int64[m]``."""
        k = enough(parts, k)
        if not k or not len(queries):
            return NOTHING
        heaps, queries = empty_heaps(len(queries), k), frozen(queries)
        scan = self.functions["scan_nearest"]
        for part in parts:
            scan(*part[:9], queries, self.like, tuple(after), limits, *heaps)
        self.functions["settle"](*heaps)
        return heaps.rows()

    def inside(self, parts: Sequence[Part], queries: NDArray[np.uint64], radius: int) -> Rows:
        """See :class:`hashsvc.index.passes.Pass`."""
        return ordered(joined([rows for part in parts for rows in self._inside(part, frozen(queries), radius)]))

    def step(self, name: str, part: Part, _queries: int, _radius: int | None, /) -> Step:
        """See :class:`hashsvc.index.passes.Pass`."""
        return Step(name, len(part.ids), part.total, self.name, "every code is compared")

    def scattered(
        self, parts: Sequence[Part], query: NDArray[np.uint64], radius: int, beyond: int = -1
    ) -> Iterator[Rows]:
        """Every item farther than ``beyond`` within the radius of a query, unordered, a buffer of 65,536 at a time."""
        return (rows for part in parts for rows in self._inside(part, frozen(query), radius, beyond))

    def inside_at_most(self, part: Part, query: NDArray[np.uint64], radius: int, most: int) -> Rows | None:
        """Every item of one part within the radius of one query, unordered; None when there are more than ``most``."""
        state = np.zeros(3, np.int64)
        rows = Rows(np.empty(most, np.int32), np.empty(most, np.int32), np.empty(most, np.int64))
        count = self.functions["scan_inside"](*part[:9], frozen(query), self.like, radius, -1, state, *rows)
        if state[0] < len(part.codes):
            return None
        return Rows(rows.queries[:count], rows.distances[:count], rows.ids[:count])

    def _inside(self, part: Part, queries: NDArray[np.uint64], radius: int, beyond: int = -1) -> Iterator[Rows]:
        state, room = np.zeros(3, np.int64), ROOM
        while state[0] < len(part.codes):
            rows = Rows(np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int64))
            count = self.functions["scan_inside"](*part[:9], queries, self.like, radius, beyond, state, *rows)
            if count < 0:
                room = max(2 * room, -count)
            elif count:
                yield Rows(rows.queries[:count], rows.distances[:count], rows.ids[:count])


class GatherPass:
    """Copies the allowed items next to each other and scans those: for filters that few items pass."""

    name = "gather"
    exact = True

    def __init__(self, scan: ScanPass) -> None:
        self._scan = scan

    def nearest(self, parts: Sequence[Part], queries: NDArray[np.uint64], k: int, after: Cursor) -> Rows:
        """See :class:`hashsvc.index.passes.Pass`."""
        return self._scan.nearest([self.gathered(part) for part in parts], queries, k, after)

    def inside(self, parts: Sequence[Part], queries: NDArray[np.uint64], radius: int) -> Rows:
        """See :class:`hashsvc.index.passes.Pass`."""
        return self._scan.inside([self.gathered(part) for part in parts], queries, radius)

    def step(self, name: str, part: Part, _queries: int, _radius: int | None, /) -> Step:
        """See :class:`hashsvc.index.passes.Pass`."""
        return Step(name, len(part.ids), part.total, self.name, "every item that passes the filter is compared")

    def gathered(self, part: Part) -> Part:
        """The part of the allowed items alone, one row each."""
        groups = group_count(part.total)
        blocks = np.empty((groups, part.blocks.shape[1], GROUP), np.uint64)
        ids = np.empty(groups * GROUP, np.int64)
        lists = (part.shared_codes, part.shared_offsets, part.extra_ids, part.extras)
        self._scan.functions["gather"](part.blocks, part.ids, part.items, *lists, blocks, ids)
        every = frozen(full_bitmap(part.total))
        return Part(frozen(blocks), frozen(ids), every, every, total=part.total)


class TablesPass:
    """Multi-index hashing where a part has tables, the scan where it has none or the tables would look at more.

    Args:
        trial: share of a segment's codes that a nearest search may look at in the tables, whatever it finds.
        budget: the share beyond which it goes over to the scan.
    """

    name = "tables"
    exact = True

    def __init__(self, scan: ScanPass, trial: float, budget: float) -> None:
        self._scan = scan
        self._trial = trial
        self._budget = budget

    def nearest(self, parts: Sequence[Part], queries: NDArray[np.uint64], k: int, after: Cursor) -> Rows:
        """See :class:`hashsvc.index.passes.Pass`."""
        plain = [part for part in parts if tables_of(part) is None]
        found = [self._scan.nearest(plain, queries, k, after)] if plain else []
        for part in parts:
            tables = tables_of(part)
            if tables is not None and part.total:
                found += self._nearest(part, tables, frozen(queries), k, after)
        return found[0] if len(found) == 1 else nearest_of(joined(found), len(queries), k)

    def inside(self, parts: Sequence[Part], queries: NDArray[np.uint64], radius: int) -> Rows:
        """See :class:`hashsvc.index.passes.Pass`."""
        plain = [part for part in parts if tables_of(part) is None]
        found = [self._scan.inside(plain, queries, radius)] if plain else []
        for part in parts:
            tables = tables_of(part)
            if tables is not None:
                found.append(self._inside(part, tables, queries, radius))
        return ordered(joined(found))

    def step(self, name: str, part: Part, queries: int, radius: int | None, /) -> Step:
        """See :class:`hashsvc.index.passes.Pass`."""
        if tables_of(part) is None:
            reason = "it is too small to have hash tables: every code is compared"
            return replace(self._scan.step(name, part, queries, radius), reason=reason)
        return Step(name, len(part.ids), part.total, self.name, NEAR_BY_TABLES)

    def _nearest(self, part: Part, tables: Tables, queries: NDArray[np.uint64], k: int, after: Cursor) -> list[Rows]:
        heaps, done = empty_heaps(len(queries), min(k, part.total)), np.zeros(len(queries), bool)
        limits = self._trial * len(part.ids), self._budget * len(part.ids)
        self._scan.functions["tables_nearest"](
            *part[:9], *tables.lists, queries, self._scan.like, tuple(after), *limits, *heaps, done
        )
        left = np.flatnonzero(~done)
        bounds = np.where(heaps.sizes == heaps.ids.shape[1], heaps.distances[:, 0], NO_LIMIT)[left].astype(np.int64)
        heaps.sizes[left] = 0
        self._scan.functions["settle"](*heaps)
        if not len(left):
            return [heaps.rows()]
        rest = self._scan.nearest_under([part], queries[left], k, after, bounds)
        rest = Rows(left.astype(np.int32)[rest.queries], rest.distances, rest.ids)
        return [rest] if len(left) == len(queries) else [nearest_of(joined([heaps.rows(), rest]), len(queries), k)]

    def inside_at_most(self, part: Part, query: NDArray[np.uint64], radius: int, most: int) -> Rows | None:
        """As :meth:`ScanPass.inside_at_most`, of a part with tables."""
        tables = tables_of(part)
        assert tables is not None
        rows, count = self._inside_room(part, tables, query, radius, min(FEW, most))
        if len(rows.ids) < count <= most:
            rows, count = self._inside_room(part, tables, query, radius, count)
        return rows if count <= most else None

    def _inside(self, part: Part, tables: Tables, queries: NDArray[np.uint64], radius: int) -> Rows:
        rows, count = self._inside_room(part, tables, queries, radius, FEW)
        return rows if count <= FEW else self._inside_room(part, tables, queries, radius, count)[0]

    def _inside_room(
        self, part: Part, tables: Tables, queries: NDArray[np.uint64], radius: int, room: int
    ) -> tuple[Rows, int]:
        """Some rows, all of them where they fit into the room, and how many there are."""
        rows = Rows(np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int64))
        count = self._scan.functions["tables_inside"](
            *part[:9], *tables.lists, frozen(queries), self._scan.like, radius, *rows
        )
        return Rows(rows.queries[:count], rows.distances[:count], rows.ids[:count]), count


def tables_of(part: Part) -> Tables | None:
    """The hash tables of a part's segment."""
    return None if part.segment is None else part.segment.tables
