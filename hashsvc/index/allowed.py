"""Which items may answer: a set of item ids, or a bitmap over a view's ordinals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.errors import InvalidArgument
from hashsvc.index.kernel.compiled import functions
from hashsvc.index.layout import GROUP, bit_total, bitmap_of, frozen, group_count
from hashsvc.index.part import Part, part_from, part_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.index.held import Held


@dataclass(frozen=True, slots=True, eq=False)
class ItemBitmap:
    """A bitmap over the ordinals of one view: bit ``o & 7`` of byte ``o >> 3`` stands for ordinal ``o``.

    Args:
        data: ``uint8[view.ordinals / 8]``.
        watermark: of the view whose ordinals they are; another view refuses it.
        state: of that view: merging changes the ordinals and leaves the watermark.
    """

    data: NDArray[np.uint8]
    watermark: int
    state: int = 0


def segment_ordinals(held: Held) -> int:
    """How many ordinals a segment takes: its codes, then its extras, each rounded up to whole bitmap words."""
    return held.segment.extra_base + group_count(len(held.segment.extra_ids)) * GROUP


def by_ids(held: Sequence[Held], tail: Part, ids: NDArray[np.int64]) -> list[Part]:
    """The parts in which only items of ``ids`` (ascending, distinct) may answer; parts without any are left out."""
    parts = []
    for one in held:
        places = one.segment.locate(ids)
        places = places[places >= 0]
        if len(places):
            bitmap = bitmap_of(places, segment_ordinals(one)).view(np.uint64)
            parts.append(_cut(one, bitmap))
    if len(tail.ids):
        at = np.minimum(np.searchsorted(ids, tail.ids), max(len(ids) - 1, 0))
        hit = ids[at] == tail.ids if len(ids) else np.zeros(len(tail.ids), bool)
        parts.append(_cut_tail(tail, bitmap_of(np.flatnonzero(hit), len(tail.ids))))
    return [part for part in parts if part.total]


def by_bitmap(held: Sequence[Held], tail: Part, bitmap: ItemBitmap) -> list[Part]:
    """The parts in which only items of the bitmap may answer."""
    words = np.ascontiguousarray(bitmap.data).view(np.uint64)
    parts, start = [], 0
    for one in held:
        stop = start + segment_ordinals(one) // GROUP
        parts.append(_cut(one, words[start:stop]))
        start = stop
    if len(tail.ids):
        parts.append(_cut_tail(tail, words[start : start + len(tail.codes)]))
    return parts


def check_ids(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Item ids ascending and distinct; raises InvalidArgument when they are no 1-d integer array."""
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
        raise InvalidArgument(f"item ids must be int64[n], not {ids.dtype}{list(ids.shape)}", field="allowed")
    ids = ids.astype(np.int64, copy=False)
    return ids if len(ids) < 2 or bool((ids[1:] > ids[:-1]).all()) else np.unique(ids)


def _cut(held: Held, bitmap: NDArray[np.uint64]) -> Part:
    segment, groups = held.segment, len(held.items)
    compiled = functions(segment.blocks.shape[1])
    if compiled is None:
        return part_of(segment, held.items & bitmap[:groups], held.extras & bitmap[groups:])
    codes, items, extras = np.empty(groups, np.uint64), np.empty(groups, np.uint64), np.empty_like(held.extras)
    lists = (segment.shared, segment.shared_codes, segment.shared_offsets)
    strict = segment.structure is not None
    total = compiled["cut"](
        held.items, held.extras, held.part.codes, *lists, frozen(bitmap), strict, codes, items, extras
    )
    return part_from(segment, frozen(codes), frozen(items), frozen(extras), total)


def _cut_tail(tail: Part, bitmap: NDArray[np.uint64]) -> Part:
    live = frozen(tail.items & bitmap)
    return Part(tail.blocks, tail.ids, live, live, total=bit_total(live))
