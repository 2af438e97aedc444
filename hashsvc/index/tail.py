"""The live tail: a small buffer of the newest items that one writer appends to while readers hold shorter views of it.

A row is written before the view that shows it is made, and never changes after; a deleted row leaves the bitmap of the
next view only. So a reader's view stays what it was, without a lock or a copy of the codes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hashsvc.index.layout import GROUP, frozen, set_places, words_at
from hashsvc.index.part import Part

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Tail:
    """At most ``rows`` items in order of arrival; every item has its own row, equal codes included."""

    def __init__(self, words: int, rows: int) -> None:
        groups = -(-rows // GROUP)
        self.room = groups * GROUP
        self.used = 0
        self._blocks = np.zeros((groups, words, GROUP), np.uint64)
        self._ids = np.zeros(self.room, np.int64)
        self._live = np.zeros(groups, np.uint64)
        self._row: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._row)

    @property
    def size(self) -> int:
        """Bytes of its buffers."""
        return self._blocks.nbytes + self._ids.nbytes + self._live.nbytes

    def append(self, ids: NDArray[np.int64], words: NDArray[np.uint64]) -> None:
        """Add items that are not in the tail; the caller has made sure that they fit."""
        rows = np.arange(self.used, self.used + len(ids))
        self._blocks[rows >> 6, :, rows & 63] = words
        self._ids[rows] = ids
        live = self._live.copy()
        np.bitwise_or.at(live, rows >> 6, np.uint64(1) << (rows & 63).astype(np.uint64))
        self._live = live
        self._row.update(zip(ids.tolist(), rows.tolist(), strict=True))
        self.used += len(ids)

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Forget those of ``ids`` that the tail holds."""
        rows = [row for number in ids.tolist() if (row := self._row.pop(number, None)) is not None]
        if rows:
            places = np.array(rows, np.int64)
            live = self._live.copy()
            np.bitwise_and.at(live, places >> 6, ~(np.uint64(1) << (places & 63).astype(np.uint64)))
            self._live = live

    def part(self) -> Part:
        """What a search reads of the tail as it stands."""
        groups = -(-self.used // GROUP)
        live = frozen(self._live[:groups])
        return Part(frozen(self._blocks[:groups]), frozen(self._ids[: groups * GROUP]), live, live, total=len(self))

    def items(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Ids ``int64[n]`` and words ``uint64[n, words]`` of the live items."""
        rows = set_places(self._live)
        return self._ids[rows], words_at(self._blocks, rows)
