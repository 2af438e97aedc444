"""What a search pass reads of one segment or of the tail: its arrays, and bitmaps of the items that may answer."""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hashsvc.index.kernel.compiled import functions
from hashsvc.index.layout import bit_total, bits_at, bits_before, frozen, set_places

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hashsvc.index.segment import Segment

NO_BITMAP = frozen(np.zeros(0, np.uint64))
NO_INDICES = frozen(np.zeros(0, np.uint32))
NO_OFFSETS = frozen(np.zeros(1, np.uint32))
NO_IDS = frozen(np.zeros(0, np.int64))


class Part(NamedTuple):
    """One segment or tail with the items that may answer.

    Args:
        blocks: codes ``uint64[groups, words, 64]``.
        ids: ``int64[codes]``, the first item id of each code.
        codes: bitmap of codes that at least one item may answer for; of a filtered segment without FAISS index it may
            hold shared codes besides, none of whose items may.
        items: bitmap of codes whose first item may answer.
        shared, shared_codes, shared_offsets, extra_ids: the posting lists, as in :class:`Segment`; empty in a tail.
        extras: bitmap of extras that may answer.
        segment: where the part comes from; None for a tail.
        total: number of items that may answer.
    """

    blocks: NDArray[np.uint64]
    ids: NDArray[np.int64]
    codes: NDArray[np.uint64]
    items: NDArray[np.uint64]
    shared: NDArray[np.uint64] = NO_BITMAP
    shared_codes: NDArray[np.uint32] = NO_INDICES
    shared_offsets: NDArray[np.uint32] = NO_OFFSETS
    extra_ids: NDArray[np.int64] = NO_IDS
    extras: NDArray[np.uint64] = NO_BITMAP
    segment: Segment | None = None
    total: int = 0


def part_of(segment: Segment, items: NDArray[np.uint64], extras: NDArray[np.uint64]) -> Part:
    """The part of a segment whose allowed first items and extras are these bitmaps."""
    items, extras = frozen(items), frozen(extras)
    codes = frozen(answering_codes(segment, items, extras))
    return part_from(segment, codes, items, extras, bit_total(items) + bit_total(extras))


def part_from(
    segment: Segment, codes: NDArray[np.uint64], items: NDArray[np.uint64], extras: NDArray[np.uint64], total: int
) -> Part:
    """The part of a segment with its bitmaps worked out."""
    return Part(
        segment.blocks,
        segment.ids,
        codes,
        items,
        segment.shared,
        segment.shared_codes,
        segment.shared_offsets,
        segment.extra_ids,
        extras,
        segment,
        total,
    )


def answering_codes(segment: Segment, items: NDArray[np.uint64], extras: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Bitmap of codes with at least one allowed item."""
    if not extras.any():
        return items
    compiled = functions(segment.blocks.shape[1])
    if compiled is not None:
        codes = items.copy()
        compiled["add_owners"](codes, segment.shared_codes, segment.shared_offsets, extras)
        return codes
    owners = segment.owners(set_places(extras))
    dark = owners[~bits_at(items, owners)]
    if not len(dark):
        return items
    codes = items.copy()
    np.bitwise_or.at(codes, dark >> 6, np.uint64(1) << (dark & 63).astype(np.uint64))
    return codes


def answers(
    segment: Segment, items: NDArray[np.uint64], extras: NDArray[np.uint64], codes: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether each of these codes ``int64[n]`` has an allowed item."""
    found = bits_at(items, codes)
    others = np.flatnonzero(~found & bits_at(segment.shared, codes))
    if len(others):
        group = np.searchsorted(segment.shared_codes, codes[others].astype(np.uint32))
        starts, stops = segment.shared_offsets[group], segment.shared_offsets[group + 1]
        found[others] = bits_before(extras, stops) > bits_before(extras, starts)
    return found


def parted(parts: Sequence[Part], flags: Sequence[bool]) -> tuple[list[Part], list[Part]]:
    """The parts with a flag, and those without."""
    return list(compress(parts, flags)), list(compress(parts, (not flag for flag in flags)))
