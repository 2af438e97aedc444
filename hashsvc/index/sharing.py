"""Distinct codes and the positions that share them: pairs of positions from pairs of codes, a chunk at a time.

How many there are is a product, without bound; no more than a chunk of them is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hashsvc.index.layout import to_words
from hashsvc.index.segment import group_equal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint16]]

# Pairs in one chunk, at most.
CHUNK = 1 << 18


class Distinct(NamedTuple):
    """Distinct codes with the positions that hold them.

    Args:
        words: ``uint64[groups, words]``.
        order: positions ``int64[n]``, those of one code side by side, ascending.
        starts: ``int64[groups + 1]``: code g is held at ``order[starts[g]:starts[g + 1]]``.
    """

    words: NDArray[np.uint64]
    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, codes: NDArray[np.uint8]) -> Distinct:
        """The distinct ones of codes ``uint8[n, bits/8]``."""
        words = to_words(codes)
        if not len(words):
            return cls(words, np.zeros(0, np.int64), np.zeros(1, np.int64))
        order, starts = group_equal(words)
        return cls(words[order[starts]], order, np.append(starts, len(order)))


def equal_pairs(one: Distinct) -> Iterator[Pairs]:
    """Pairs of positions that hold the same code: each position with those behind it in its group."""
    ends = np.repeat(one.starts[1:], np.diff(one.starts))
    places = np.arange(len(one.order))
    counts = ends - places - 1
    some = np.flatnonzero(counts)
    yield from _spans(one.order[some], places[some] + 1, counts[some], np.zeros(len(some), np.uint16), one.order)


def multiplied(
    one: Distinct, other: Distinct, left: NDArray[np.int64], right: NDArray[np.int64], distances: NDArray[np.uint16]
) -> Iterator[Pairs]:
    """Pairs of positions from pairs of distinct codes, a chunk at a time."""
    if len(one.order) == len(one.words) and len(other.order) == len(other.words):
        yield one.order[left], other.order[right], distances
        return
    members, partners = one.starts[left], other.starts[right]
    widths = other.starts[right + 1] - partners
    sizes = (one.starts[left + 1] - members) * widths
    ends = np.cumsum(sizes)
    begins = ends - sizes
    for numbers, pair in _numbered(ends):
        row, column = np.divmod(numbers - begins[pair], widths[pair])
        yield one.order[members[pair] + row], other.order[partners[pair] + column], distances[pair]


def _spans(
    left: NDArray[np.int64],
    starts: NDArray[np.int64],
    counts: NDArray[np.int64],
    distances: NDArray[np.uint16],
    order: NDArray[np.int64],
) -> Iterator[Pairs]:
    """Each of ``left`` with its ``counts`` partners ``order[starts:starts + counts]``, in chunks."""
    ends = np.cumsum(counts)
    for numbers, span in _numbered(ends):
        partner = starts[span] + numbers - (ends[span] - counts[span])
        yield left[span], order[partner], distances[span]


def _numbered(ends: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Numbers from 0 to the last of ``ends``, a chunk at a time, and the span that each lies in."""
    total = int(ends[-1]) if len(ends) else 0
    for first in range(0, total, CHUNK):
        numbers = np.arange(first, min(first + CHUNK, total))
        yield numbers, np.searchsorted(ends, numbers, side="right")
