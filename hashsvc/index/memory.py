"""What an index takes in memory, by what it is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashsvc.index.view import View


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes; segments mapped from files count like others, though their pages are shared and come when read.

    Args:
        items: living items, of whom the figures per item speak.
        distinct: distinct codes.
        codes: the codes themselves.
        ids: item ids of the posting lists.
        lists: which ids belong to which code.
        bitmaps: living items and codes.
        tables: hash tables.
        structures: FAISS indexes, about.
    """

    items: int
    distinct: int
    codes: int
    ids: int
    lists: int
    bitmaps: int
    tables: int
    structures: int

    @property
    def total(self) -> int:
        """All bytes."""
        return self.codes + self.ids + self.lists + self.bitmaps + self.tables + self.structures

    @property
    def scan_per_item(self) -> float:
        """Bytes an item that the scan needs beside the posting lists' ids."""
        return (self.codes + self.lists + self.bitmaps) / max(self.items, 1)

    @property
    def tables_per_item(self) -> float:
        """Further bytes an item of the hash tables."""
        return self.tables / max(self.items, 1)


def memory_of(view: View) -> Memory:
    """What a view's segments and tail take."""
    segments = [held.segment for held in view.held]
    bitmaps = {id(bitmap): bitmap.nbytes for held in view.held for bitmap in (held.items, held.extras, held.part.codes)}
    return Memory(
        items=view.items,
        distinct=view.distinct,
        codes=sum(one.blocks.nbytes for one in segments) + view.tail.blocks.nbytes,
        ids=sum(one.ids.nbytes + one.extra_ids.nbytes for one in segments) + view.tail.ids.nbytes,
        lists=sum(
            one.shared.nbytes + one.shared_codes.nbytes + one.shared_offsets.nbytes + one.extra_order.nbytes
            for one in segments
        ),
        bitmaps=sum(bitmaps.values()) + view.tail.items.nbytes,
        tables=sum(one.tables.size for one in segments if one.tables is not None),
        structures=sum(one.structure.size for one in segments if one.structure is not None),
    )
