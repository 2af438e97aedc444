"""Complete radius answers of any size, a page at a time: the whole is never in memory.

A small answer is found at once, by tables or scan. A larger one takes a scan a page, each going on where the page
before ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.index.planner import Planner
from hashsvc.index.rows import START, Cursor, Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.index.part import Part
    from hashsvc.index.passes import Pass

PAGE = 1 << 16


def pages(way: Pass, parts: Sequence[Part], query: NDArray[np.uint64], radius: int) -> Iterator[Rows]:
    """Every item within the radius of one query ``uint64[1, words]``, at most 65,536 in a page, in order."""
    if isinstance(way, Planner) and (few := way.inside_at_most(parts, query, radius, PAGE)) is not None:
        yield few
        return
    after, more = START, True
    while more:
        found = _next_page(way, parts, query, radius, after)
        near = int(np.count_nonzero(found.distances <= radius))
        more = near == PAGE
        if near:
            yield Rows(found.queries[:near], found.distances[:near], found.ids[:near])
            after = Cursor(int(found.distances[near - 1]), int(found.ids[near - 1]))


def at_most(way: Pass, parts: Sequence[Part], query: NDArray[np.uint64], radius: int, most: int) -> Rows | None:
    """Every item within the radius of one query ``uint64[1, words]``, in order; None for more than ``most``."""
    if isinstance(way, Planner):
        return way.inside_at_most(parts, query, radius, most)
    rows = way.inside(parts, query, radius)
    return rows if len(rows.ids) <= most else None


def count(way: Pass, parts: Sequence[Part], query: NDArray[np.uint64], radius: int) -> int:
    """How many items lie within the radius of one query."""
    if isinstance(way, Planner):
        return way.scan.count_inside(parts, query, radius)
    return sum(len(page.ids) for page in pages(way, parts, query, radius))


def _next_page(way: Pass, parts: Sequence[Part], query: NDArray[np.uint64], radius: int, after: Cursor) -> Rows:
    if isinstance(way, Planner):
        return way.scan.nearest_under(parts, query, PAGE, after, np.array([radius], np.int64))
    return way.nearest(parts, query, PAGE, after)
