"""A frozen segment: every distinct code once, in order of its smallest item id, with a posting list of item ids.

The smallest id of code i is ``ids[i]``; a code that several items share has its further ids in ``extra_ids``. A place
names an item of a segment: code i's first item is place i, extra e is place ``64 * groups + e``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.index.kernel.compiled import functions
from hashsvc.index.layout import GROUP, all_words, bitmap_of, frozen, group_count, set_places, to_blocks, words_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.index.faisskinds import FaissStructure
    from hashsvc.index.tables import Tables

# Looking ids up one by one beats merging two orders while they are fewer than this share of a segment's codes.
FEW = 0.25
MIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Segment:
    """Distinct codes with posting lists; arrays are read-only and may be mapped from a file.

    Args:
        bits: code length.
        blocks: ``uint64[groups, words, 64]``, see :mod:`hashsvc.index.layout`.
        ids: ``int64[codes]`` ascending, the smallest item id of each code.
        shared: bitmap over codes: more than one item has this code.
        shared_codes: ``uint32[g]`` ascending, the codes of that bitmap.
        shared_offsets: ``uint32[g + 1]``; shared code i owns extras ``shared_offsets[i]:shared_offsets[i + 1]``.
        extra_ids: ``int64[extras]``, ascending inside one code.
        extra_order: ``uint32[extras]``, the extras in order of id.
        tables: hash tables over the codes, where the kind has them.
        structure: a FAISS index over the codes, where the kind has one.
    """

    bits: int
    blocks: NDArray[np.uint64]
    ids: NDArray[np.int64]
    shared: NDArray[np.uint64]
    shared_codes: NDArray[np.uint32]
    shared_offsets: NDArray[np.uint32]
    extra_ids: NDArray[np.int64]
    extra_order: NDArray[np.uint32]
    tables: Tables | None = None
    structure: FaissStructure | None = None

    @property
    def codes(self) -> int:
        """Number of distinct codes."""
        return len(self.ids)

    @property
    def items(self) -> int:
        """Number of items, dead ones included."""
        return len(self.ids) + len(self.extra_ids)

    @property
    def extra_base(self) -> int:
        """Place of the first extra."""
        return group_count(self.codes) * GROUP

    def words(self) -> NDArray[np.uint64]:
        """Words ``uint64[codes, words]`` of the distinct codes."""
        return all_words(self.blocks, self.codes)

    def owners(self, extras: NDArray[np.int64]) -> NDArray[np.int64]:
        """The code ``int64[n]`` each of these extras belongs to."""
        # Looked up as another type, each number of the array searched would be converted first.
        group = np.searchsorted(self.shared_offsets, extras.astype(np.uint32), side="right") - 1
        return self.shared_codes[group].astype(np.int64)

    def locate(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Place of each item id ``int64[n]``, -1 for those the segment does not hold."""
        if (compiled := functions(self.blocks.shape[1])) is not None and len(ids) < FEW * len(self.ids):
            places = np.empty(len(ids), np.int64)
            wanted = frozen(np.ascontiguousarray(ids))
            compiled["locate"](self.ids, self.extra_ids, self.extra_order, wanted, self.extra_base, places)
            return places
        places = np.searchsorted(self.ids, ids)
        places[places == self.codes] = 0
        found = self.ids[places] == ids
        places = np.where(found, places, -1)
        if len(self.extra_ids):
            self._locate_extras(ids, places)
        return places

    def _locate_extras(self, ids: NDArray[np.int64], places: NDArray[np.int64]) -> None:
        missing = np.flatnonzero(places < 0)
        wanted = ids[missing]
        low = np.zeros(len(missing), np.int64)
        high = np.full(len(missing), len(self.extra_ids), np.int64)
        while (open_ := low < high).any():
            middle = (low + high) >> 1
            less = open_ & (self.extra_ids[self.extra_order[np.minimum(middle, len(self.extra_ids) - 1)]] < wanted)
            low = np.where(less, middle + 1, low)
            high = np.where(open_ & ~less, middle, high)
        at = self.extra_order[np.minimum(low, len(self.extra_ids) - 1)].astype(np.int64)
        hit = self.extra_ids[at] == wanted
        places[missing[hit]] = self.extra_base + at[hit]

    def places(self, items: NDArray[np.uint64], extras: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Places ``int64[n]``, ascending, of the items of two bitmaps: of codes' first items and of extras."""
        return np.concatenate([set_places(items), set_places(extras) + self.extra_base])

    def item_ids(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Item ids ``int64[n]`` at these places."""
        first = places < self.extra_base
        out = np.empty(len(places), np.int64)
        out[first] = self.ids[places[first]]
        out[~first] = self.extra_ids[places[~first] - self.extra_base]
        return out

    def item_words(self, places: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Words ``uint64[n, words]`` of the codes of the items at these places."""
        positions = places.copy()
        extra = places >= self.extra_base
        positions[extra] = self.owners(places[extra] - self.extra_base)
        return words_at(self.blocks, positions)

    def bare(self) -> Segment:
        """The same segment without tables or FAISS structure."""
        return replace(self, tables=None, structure=None)


def build_segment(ids: NDArray[np.int64], words: NDArray[np.uint64], bits: int) -> Segment:
    """The segment of items with distinct ids ``int64[n]`` and codes ``uint64[n, words]``, n >= 1."""
    order = np.argsort(ids)
    ids, words = ids[order], words[order]
    groups = group_equal(words)
    return _assemble(ids, words, bits, *groups)


def group_equal(words: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows ordered so that equal codes stand together (rows ascending inside each), and where each group starts."""
    key = _mixed(words)
    order = np.argsort(key, kind="stable")
    if words.shape[1] > 1 and _collides(key[order], words[order]):
        order = np.lexsort(words.T)
    ordered = words[order]
    starts = np.flatnonzero(np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)]))
    return order, starts


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One sort key per code; different codes of more than one word may share it."""
    key = words[:, 0].copy()
    for column in range(1, words.shape[1]):
        key = (key ^ (key >> np.uint64(31))) * np.uint64(MIX[column % 3]) + words[:, column]
    return key


def _collides(key: NDArray[np.uint64], words: NDArray[np.uint64]) -> bool:
    """Whether two neighbouring rows share a key and differ in their code."""
    same = key[1:] == key[:-1]
    return bool((words[1:][same] != words[:-1][same]).any())


def _assemble(
    ids: NDArray[np.int64],
    words: NDArray[np.uint64],
    bits: int,
    order: NDArray[np.int64],
    starts: NDArray[np.int64],
) -> Segment:
    sizes = np.diff(np.concatenate([starts, [len(order)]]))
    firsts = order[starts]
    by_id = np.argsort(firsts)
    sizes, starts, firsts = sizes[by_id], starts[by_id], firsts[by_id]
    shared_codes = np.flatnonzero(sizes > 1)
    counts = sizes[shared_codes] - 1
    offsets = np.concatenate([[0], np.cumsum(counts)])
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
    extra_ids = ids[order[np.repeat(starts[shared_codes] + 1, counts) + within]]
    return Segment(
        bits,
        frozen(to_blocks(words[firsts])),
        frozen(ids[firsts]),
        frozen(bitmap_of(shared_codes, len(firsts))),
        frozen(shared_codes.astype(np.uint32)),
        frozen(offsets.astype(np.uint32)),
        frozen(extra_ids),
        frozen(np.argsort(extra_ids).astype(np.uint32)),
    )
