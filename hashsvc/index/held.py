"""A frozen segment together with its tombstones, as one view holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.index.layout import bits_at, frozen, full_bitmap, without
from hashsvc.index.part import Part, answers, part_from, part_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.index.segment import Segment


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A segment and which of its items live.

    Args:
        items: bitmap over codes, whose first item lives.
        extras: bitmap over extras that live.
        live: number of living items.
        part: what an unfiltered search reads.
    """

    segment: Segment
    items: NDArray[np.uint64]
    extras: NDArray[np.uint64]
    live: int
    part: Part

    @property
    def dead(self) -> int:
        """Number of tombstones."""
        return self.segment.items - self.live

    def less(self, ids: NDArray[np.int64]) -> Held:
        """The same without these items; itself when it holds none of them."""
        places = self.segment.locate(ids)
        return self.less_places(places[places >= 0])

    def less_places(self, places: NDArray[np.int64]) -> Held:
        """The same without the items at these places; no codes but theirs are looked at."""
        base = self.segment.extra_base
        first, extra = places[places < base], places[places >= base] - base
        first, extra = np.unique(first[bits_at(self.items, first)]), np.unique(extra[bits_at(self.extras, extra)])
        if not len(first) + len(extra):
            return self
        items = frozen(without(self.items, first)) if len(first) else self.items
        extras = frozen(without(self.extras, extra)) if len(extra) else self.extras
        codes = items if not extras.any() else self._codes_without(first, extra, items, extras)
        live = self.live - len(first) - len(extra)
        return Held(self.segment, items, extras, live, part_from(self.segment, codes, items, extras, live))

    def _codes_without(
        self,
        first: NDArray[np.int64],
        extra: NDArray[np.int64],
        items: NDArray[np.uint64],
        extras: NDArray[np.uint64],
    ) -> NDArray[np.uint64]:
        """Codes that still answer: of those that lose an item, the ones with a living item left."""
        touched = np.concatenate([first, self.segment.owners(extra)])
        return frozen(without(self.part.codes, touched[~answers(self.segment, items, extras, touched)]))

    def living(self) -> NDArray[np.int64]:
        """Places of the living items."""
        return self.segment.places(self.items, self.extras)


def hold(segment: Segment, items: NDArray[np.uint64] | None = None, extras: NDArray[np.uint64] | None = None) -> Held:
    """A segment with these living items; all of them by default."""
    items = frozen(full_bitmap(segment.codes) if items is None else items)
    extras = frozen(full_bitmap(len(segment.extra_ids)) if extras is None else extras)
    part = part_of(segment, items, extras)
    return Held(segment, items, extras, part.total, part)
