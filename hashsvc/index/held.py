"""A frozen segment together with its tombstones, as one view holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.index.layout import frozen, full_bitmap, set_places, without
from hashsvc.index.part import Part, part_of

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
        """The same without the items at these places."""
        if not len(places):
            return self
        base = self.segment.extra_base
        first = places < base
        items = without(self.items, places[first]) if first.any() else self.items
        extras = self.extras if first.all() else without(self.extras, places[~first] - base)
        return hold(self.segment, items, extras)

    def living(self) -> NDArray[np.int64]:
        """Places of the living items."""
        extras = set_places(self.extras) + self.segment.extra_base
        return np.concatenate([set_places(self.items), extras])


def hold(segment: Segment, items: NDArray[np.uint64] | None = None, extras: NDArray[np.uint64] | None = None) -> Held:
    """A segment with these living items; all of them by default."""
    items = frozen(full_bitmap(segment.codes) if items is None else items)
    extras = frozen(full_bitmap(len(segment.extra_ids)) if extras is None else extras)
    part = part_of(segment, items, extras)
    return Held(segment, items, extras, part.total, part)
