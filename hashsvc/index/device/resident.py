"""The segments of one index that lie on a device, and searches over them. Safe to use from several threads."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch

from hashsvc.errors import ResourceExhausted
from hashsvc.index.device.chosen import device_of
from hashsvc.index.device.comparing import DeviceCosts, comparing_on, computing_on
from hashsvc.index.device.keys import finds_of
from hashsvc.index.device.nearest import Sizes, nearest_keys
from hashsvc.index.device.products import Codes
from hashsvc.index.device.rows import Asked, asked_of, bitmap_on, rows_of, rows_of_blocks
from hashsvc.index.device.within import keys_within
from hashsvc.index.layout import full_bitmap, word_count, words_at
from hashsvc.index.postings import hidden_codes, items_of, least_items_of
from hashsvc.index.rows import Rows, joined, nearest_of, ordered

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.index.part import Part
    from hashsvc.index.segment import Segment

# Parts of a segment whose bitmaps stay on the device: what is asked without a filter, and what one filter lets through.
KEPT = 2
# Seconds without a search after one for which there was no memory: each would bring the codes again, for nothing.
REST = 60.0
# Rows of codes with posting lists that are put in order at a time.
SPREAD = 1 << 22


class Prepared(NamedTuple):
    """A part on the device.

    Args:
        bitmaps: the part's own, by which it is known again; not the part, which would keep its segment alive.
        first: codes whose first item may answer: their order is that of those items' ids.
        some: codes of which some item may answer.
        hidden: the codes of ``some`` that are not of ``first``, in order of the least id that may answer.
        places: their positions in the segment, ``int64[n]``.
    """

    bitmaps: Sequence[NDArray[np.uint64]]
    first: Codes
    some: Codes
    hidden: Codes | None
    places: NDArray[np.int64]


class Settled:
    """A segment's codes on the device, and the parts of it that were asked last."""

    def __init__(self, rows: torch.Tensor) -> None:
        self.rows = rows
        self.parts: deque[Prepared] = deque(maxlen=KEPT)


class Resident:
    """Codes on a device, brought there when they are first searched and dropped with their segment.

    Searches take turns: one fills the device.

    Args:
        name: "cpu", "cuda" or "cuda:N".
        bits: code length.

    Raises:
        InvalidArgument: no such device here.
    """

    def __init__(self, name: str, bits: int, sizes: Sizes | None = None) -> None:
        self.device = device_of(name)
        self._sizes = sizes or Sizes()
        self.comparing = comparing_on(self.device, word_count(bits))
        self._lock = threading.Lock()
        self._settled: WeakKeyDictionary[Segment, Settled] = WeakKeyDictionary()
        self._again = time.monotonic()

    @property
    def resting(self) -> bool:
        """Whether there was no memory a moment ago, so that nothing should be searched here for now."""
        return time.monotonic() < self._again

    @property
    def costs(self) -> DeviceCosts:
        """What a search costs here."""
        return self.comparing.costs

    def nearest(self, parts: Sequence[Part], queries: NDArray[np.uint64], k: int) -> Rows:
        """The k first items of each query among parts of segments, in order of (query, distance, id).

        Raises:
            ResourceExhausted: the device has not enough memory.
        """
        step = self._sizes.queries_for(k)
        with self._turn():
            prepared = [(part, self._prepared(part)) for part in parts]
            several = (slice(start, start + step) for start in range(0, len(queries), step))
            found = [_shifted(self._nearest(prepared, queries[some], k), some.start) for some in several]
        return joined(found)

    def inside(self, parts: Sequence[Part], queries: NDArray[np.uint64], radius: int) -> Rows:
        """Every item at distance <= radius of each query among parts of segments, in order of (query, distance, id).

        Raises:
            ResourceExhausted: the device has not enough memory.
        """
        found, step = [], self._sizes.queries
        with self._turn():
            prepared = [(part, self._prepared(part)) for part in parts]
            for start in range(0, len(queries), step):
                asked = asked_of(queries[start : start + step], self.device)
                found += [_shifted(rows, start) for one in prepared for rows in self._inside(*one, asked, radius)]
        return ordered(joined(found))

    def _nearest(self, prepared: Sequence[tuple[Part, Prepared]], queries: NDArray[np.uint64], k: int) -> Rows:
        asked, found = asked_of(queries, self.device), []
        for part, one in prepared:
            near = [finds_of(nearest_keys(self.comparing.compare, one.first, asked, k, self._sizes))]
            if one.hidden is not None:
                hidden = finds_of(nearest_keys(self.comparing.compare, one.hidden, asked, k, self._sizes))
                near.append(hidden._replace(positions=one.places[hidden.positions]))
            found += [_least(part, Rows(*finds), len(queries), k) for finds in near]
        return nearest_of(joined(found), len(queries), k)

    def _inside(self, part: Part, prepared: Prepared, asked: Asked, radius: int) -> Iterator[Rows]:
        for keys in keys_within(self.comparing.compare, prepared.some, asked, radius, self._sizes.room):
            yield items_of(part, *finds_of(keys))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self._lock, computing_on(self.device):
            try:
                yield
            except torch.OutOfMemoryError as error:
                self._settled.clear()
                self._again = time.monotonic() + REST
                raise ResourceExhausted(f"the index does not fit into the memory of {self.device}: {error}") from error

    def _prepared(self, part: Part) -> Prepared:
        segment = part.segment
        assert segment is not None
        settled = self._settled.get(segment)
        if settled is None:
            settled = self._settled[segment] = Settled(rows_of_blocks(segment.blocks, self.device))
        for held in settled.parts:
            if all(one is other for one, other in zip(held.bitmaps, _bitmaps(part), strict=True)):
                return held
        made = self._prepare(part, settled.rows)
        settled.parts.append(made)
        return made

    def _prepare(self, part: Part, rows: torch.Tensor) -> Prepared:
        count = len(part.ids)
        first, some = (Codes(rows, count, self._bitmap(bitmap, count)) for bitmap in (part.items, part.codes))
        places = hidden_codes(part)
        if not len(places):
            return Prepared(_bitmaps(part), first, some, None, places)
        hidden = Codes(rows_of(words_at(part.blocks, places), self.device), len(places))
        return Prepared(_bitmaps(part), first, some, hidden, places)

    def _bitmap(self, bitmap: NDArray[np.uint64], count: int) -> torch.Tensor | None:
        return None if np.array_equal(bitmap, full_bitmap(count)) else bitmap_on(bitmap, self.device)


def _bitmaps(part: Part) -> tuple[NDArray[np.uint64], ...]:
    return part.items, part.codes, part.extras


def _shifted(rows: Rows, queries: int) -> Rows:
    """Rows of the queries from this one on."""
    return rows._replace(queries=rows.queries + np.int32(queries)) if queries else rows


def _least(part: Part, codes: Rows, queries: int, k: int) -> Rows:
    """The k first items of each query, from its k first codes (in the column of ids) in order of query."""
    if not len(part.extra_ids):
        return items_of(part, *codes)
    step, found = max(1, SPREAD // (k * (k + 1))), []
    ends = np.searchsorted(codes.queries, np.arange(0, queries + step, step))
    for start, end in pairwise(ends.tolist()):
        some = codes.at(np.arange(start, end))
        found.append(nearest_of(least_items_of(part, *some, k), queries, k))
    return joined(found)
