"""A view: everything an index held at one watermark, immutable, read by any number of threads without a lock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.codes import check_codes
from hashsvc.domain.neighbours import Neighbours
from hashsvc.errors import FailedPrecondition, InvalidArgument
from hashsvc.index.allowed import ItemBitmap, by_bitmap, by_ids, check_ids, segment_ordinals
from hashsvc.index.faisskinds import ApproximatePass
from hashsvc.index.layout import GROUP, bit_total, to_words
from hashsvc.index.memory import Memory, memory_of
from hashsvc.index.rows import NOTHING, START, Cursor, as_neighbours
from hashsvc.index.streaming import at_most, count, pages

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.domain.kinds import IndexKind
    from hashsvc.index.audit import Audit
    from hashsvc.index.held import Held
    from hashsvc.index.part import Part
    from hashsvc.index.passes import Pass, Step


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Frozen segments, the tail as it stood, and the pass that reads them.

    Args:
        bits: code length.
        kind: how the index was asked to search.
        watermark: every write up to this sequence number is in it, and none beyond.
        held: the segments with their tombstones.
        tail: the live part.
        way: the kind's own pass.
        exactly: the best exact pass.
        audit: samples the searches of approximate kinds.
        state: counts the views of an index.
    """

    bits: int
    kind: IndexKind
    watermark: int
    held: tuple[Held, ...]
    tail: Part
    way: Pass
    exactly: Pass
    audit: Audit | None = None
    state: int = 0

    @property
    def items(self) -> int:
        """Number of living items."""
        return sum(one.live for one in self.held) + bit_total(self.tail.items)

    @property
    def distinct(self) -> int:
        """Number of codes with a living item; a code counts once in each segment and each tail row once."""
        return sum(bit_total(one.part.codes) for one in self.held) + bit_total(self.tail.items)

    @property
    def ordinals(self) -> int:
        """How many bits an :class:`ItemBitmap` over this view has."""
        return sum(segment_ordinals(one) for one in self.held) + GROUP * len(self.tail.codes)

    def search(
        self,
        queries: NDArray[np.uint8],
        k: int,
        allowed: NDArray[np.int64] | ItemBitmap | None = None,
        *,
        after: tuple[int, int] | None = None,
        effort: int | None = None,
        exact: bool = False,
    ) -> Neighbours:
        """The k nearest items of each query.

        Args:
            queries: codes ``uint8[m, bits/8]``.
            k: how many; fewer come back only when fewer exist.
            allowed: only these items may answer: their ids, or a bitmap over this view's ordinals.
            after: (distance, id) at which the page before ended; the answer goes on behind it, through ties.
            effort: of an approximate kind: lists looked at (IVF), candidates kept (HNSW); others ignore it.
            exact: answer exactly whatever the kind.

        Raises:
            InvalidArgument: wrong shape of the queries, k < 1, effort < 1.
            FailedPrecondition: the bitmap belongs to another view.
        """
        if k < 1:
            raise InvalidArgument(f"k must be at least 1, not {k}", field="k")
        if effort is not None and effort < 1:
            raise InvalidArgument(f"effort must be at least 1, not {effort}", field="effort")
        words, parts = self._words(queries), self._parts(allowed)
        if not len(words):
            return as_neighbours(NOTHING, 0)
        cursor = START if after is None else Cursor(*after)
        way = self.exactly if exact else self.way
        if isinstance(way, ApproximatePass) and effort is not None:
            way = way.at(effort)
        truly = not (isinstance(way, ApproximatePass) and way.approximated(parts, cursor))
        found = as_neighbours(way.nearest(parts, words, k, cursor), len(queries), exact=truly)
        if not truly and self.audit is not None and self.audit.chosen():
            truth = self.exactly.nearest(parts, words, k, cursor)
            self.audit.record(found, as_neighbours(truth, len(queries)))
        return found

    def explain(
        self,
        queries: int = 1,
        *,
        radius: int | None = None,
        allowed: NDArray[np.int64] | ItemBitmap | None = None,
    ) -> list[Step]:
        """How a query would be answered, part by part; ``radius`` None stands for a nearest search."""
        names = {id(one.segment): f"segment {number}" for number, one in enumerate(self.held)}
        return [
            self.way.step(names.get(id(part.segment), "tail"), part, queries, radius) for part in self._parts(allowed)
        ]

    def memory(self) -> Memory:
        """What it takes in memory."""
        return memory_of(self)

    def within(
        self, queries: NDArray[np.uint8], radius: int, allowed: NDArray[np.int64] | ItemBitmap | None = None
    ) -> Neighbours:
        """Every item at distance <= radius of each query; arguments and errors as in :meth:`search`."""
        self._check_radius(radius)
        words = self._words(queries)
        return as_neighbours(self.way.inside(self._parts(allowed), words, radius), len(queries))

    def within_chunks(
        self,
        query: NDArray[np.uint8],
        radius: int,
        allowed: NDArray[np.int64] | ItemBitmap | None = None,
        *,
        chunk: int = 10_000,
    ) -> Iterator[Neighbours]:
        """What :meth:`within` answers for one query ``uint8[bits/8]``, in pieces of at most ``chunk`` items.

        However large the answer, some hundred thousand items of it are in memory at a time.

        Raises:
            InvalidArgument: a radius outside 0 to bits, wrong shape of the query, chunk < 1.
        """
        if chunk < 1:
            raise InvalidArgument(f"chunk must be at least 1, not {chunk}", field="chunk")
        self._check_radius(radius)
        words, parts = self._words(query[None]), self._parts(allowed)
        return (
            Neighbours(np.array([0, len(ids)], np.int64), ids, distances)
            for page in pages(self.exactly, parts, words, radius)
            for ids, distances in page.pieces(chunk)
        )

    def within_at_most(
        self,
        queries: NDArray[np.uint8],
        radius: int,
        most: int,
        allowed: NDArray[np.int64] | ItemBitmap | None = None,
    ) -> Neighbours:
        """As :meth:`within` of one query ``uint8[1, bits/8]``; empty and not complete where more than ``most`` lie."""
        self._check_radius(radius)
        rows = at_most(self.exactly, self._parts(allowed), self._words(queries), radius, most)
        return as_neighbours(NOTHING if rows is None else rows, 1, complete=rows is not None)

    def count_within(
        self, queries: NDArray[np.uint8], radius: int, allowed: NDArray[np.int64] | ItemBitmap | None = None
    ) -> int:
        """How many items lie within the radius of one query ``uint8[1, bits/8]``."""
        self._check_radius(radius)
        return count(self.exactly, self._parts(allowed), self._words(queries), radius)

    def bitmap(self, ids: NDArray[np.int64]) -> ItemBitmap:
        """The bitmap over this view's ordinals of those items of ``ids int64[n]`` that it holds."""
        flags = np.zeros(self.ordinals, bool)
        ids, start = check_ids(ids), 0
        for one in self.held:
            places = one.segment.locate(ids)
            flags[start + places[places >= 0]] = True
            start += segment_ordinals(one)
        flags[start : start + len(self.tail.ids)] = np.isin(self.tail.ids, ids)
        return ItemBitmap(np.packbits(flags, bitorder="little"), self.watermark, self.state)

    def _words(self, queries: NDArray[np.uint8]) -> NDArray[np.uint64]:
        return to_words(check_codes(queries, self.bits, "queries"))

    def _parts(self, allowed: NDArray[np.int64] | ItemBitmap | None) -> Sequence[Part]:
        if allowed is None:
            parts = [one.part for one in self.held]
            return [*parts, self.tail] if self.tail.total else parts
        if isinstance(allowed, ItemBitmap):
            self._check_bitmap(allowed)
            return by_bitmap(self.held, self.tail, allowed)
        return by_ids(self.held, self.tail, check_ids(allowed))

    def _check_radius(self, radius: int) -> None:
        if not 0 <= radius <= self.bits:
            raise InvalidArgument(f"radius must be 0 to {self.bits}, not {radius}", field="radius")

    def _check_bitmap(self, bitmap: ItemBitmap) -> None:
        if bitmap.watermark != self.watermark:
            raise FailedPrecondition(
                f"the item bitmap belongs to watermark {bitmap.watermark}, this view is at {self.watermark}: "
                "make it again from this view"
            )
        if bitmap.state != self.state:
            raise FailedPrecondition(
                "the item bitmap is of another state of the index, which was merged since: make it again from this view"
            )
        if bitmap.data.dtype != np.uint8 or bitmap.data.shape != (self.ordinals // 8,):
            raise InvalidArgument(
                f"an item bitmap of this view is uint8[{self.ordinals // 8}], "
                f"not {bitmap.data.dtype}{list(bitmap.data.shape)}",
                field="allowed",
            )
