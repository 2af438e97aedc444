"""Complete radius answers of any size, a page at a time: the whole is never in memory.

A small answer is found at once, by tables or scan. Of a larger one a first scan counts the items at each distance; then
each scan collects a band of distances that fits into a page, or the next ids of one distance that does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.index.planner import Planner
from hashsvc.index.rows import joined, ordered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.index.part import Part
    from hashsvc.index.passes import Pass
    from hashsvc.index.rows import Rows

PAGE = 1 << 18


def pages(way: Pass, parts: Sequence[Part], query: NDArray[np.uint64], radius: int) -> Iterator[Rows]:
    """Every item within the radius of one query ``uint64[1, words]``, at most 262,144 in a page, in order."""
    if isinstance(way, Planner) and (few := way.inside_at_most(parts, query, radius, PAGE)) is not None:
        yield few
        return
    for first, last, total in _bands(_counts(_scattered(way, parts, query, radius), radius)):
        after = -1
        for _ in range(0, total, PAGE):
            page = _page(_scattered(way, parts, query, last, first - 1), after)
            yield page
            after = int(page.ids[-1])


def at_most(way: Pass, parts: Sequence[Part], query: NDArray[np.uint64], radius: int, most: int) -> Rows | None:
    """Every item within the radius of one query ``uint64[1, words]``, in order; None for more than ``most``."""
    if isinstance(way, Planner):
        return way.inside_at_most(parts, query, radius, most)
    rows = way.inside(parts, query, radius)
    return rows if len(rows.ids) <= most else None


def count(way: Pass, parts: Sequence[Part], query: NDArray[np.uint64], radius: int) -> int:
    """How many items lie within the radius of one query."""
    return sum(len(rows.ids) for rows in _scattered(way, parts, query, radius))


def _scattered(
    way: Pass, parts: Sequence[Part], query: NDArray[np.uint64], radius: int, beyond: int = -1
) -> Iterator[Rows]:
    """Every item farther than ``beyond`` within the radius of one query, some at a time, unordered."""
    if isinstance(way, Planner):
        yield from way.scan.scattered(parts, query, radius, beyond)
        return
    for part in parts:
        rows = way.inside([part], query, radius)
        yield rows.at(rows.distances > beyond)


def _counts(found: Iterable[Rows], radius: int) -> NDArray[np.int64]:
    """How many items lie at each distance from 0 to the radius."""
    counts = np.zeros(radius + 1, np.int64)
    for rows in found:
        counts += np.bincount(rows.distances, minlength=radius + 1)
    return counts


def _bands(counts: NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    """First and last distance, and number of items, of each run of distances that fits into a page, or of one alone."""
    first = total = 0
    for distance, items in enumerate(counts.tolist()):
        if total and total + items > PAGE:
            yield first, distance - 1, total
            first, total = distance, 0
        total += items
    if total:
        yield first, len(counts) - 1, total


def _page(found: Iterable[Rows], after: int) -> Rows:
    """The items with ids beyond ``after``, in order; of more than a page those with the least ids."""
    held: list[Rows] = []
    count = 0
    for rows in found:
        held.append(rows.at(rows.ids > after))
        count += len(held[-1].ids)
        if count > 2 * PAGE:
            held, count = [_least(joined(held))], PAGE
    return ordered(_least(joined(held)))


def _least(rows: Rows) -> Rows:
    """The page of rows with the least ids."""
    if len(rows.ids) <= PAGE:
        return rows
    return rows.at(np.argpartition(rows.ids, PAGE - 1)[:PAGE])
