"""The items that pass a filter, as a search hands them to the index, and what became of them since."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hashsvc.domain.filters import matches

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hashsvc.domain.filters import Node
    from hashsvc.domain.items import StoredItem
    from hashsvc.index import ItemBitmap, View

# So few ids are looked up one by one in less time than a bitmap over every item is read.
FEW = 4096


@dataclass(slots=True, eq=False)
class Passing:
    """The items that passed a filter when SQL was asked.

    Args:
        filter: what they passed.
        ids: ``int64[n]`` ascending.
        watermark: the collection's when SQL was asked; a row with a later sequence number may pass no more.
    """

    filter: Node
    ids: NDArray[np.int64]
    watermark: int
    _bitmap: ItemBitmap | None = field(default=None, init=False)

    def allowed(self, view: View) -> NDArray[np.int64] | ItemBitmap:
        """What a search of the view takes: the ids, or for many their bitmap, made once for each view."""
        if len(self.ids) < FEW:
            return self.ids
        bitmap = self._bitmap
        if bitmap is None or (bitmap.watermark, bitmap.state) != (view.watermark, view.state):
            bitmap = self._bitmap = view.bitmap(self.ids)
        return bitmap

    def still(self, items: dict[int, StoredItem]) -> dict[int, StoredItem]:
        """Those of the items, by id, that pass as they are stored now."""
        return {
            number: item
            for number, item in items.items()
            if item.sequence <= self.watermark or matches(self.filter, item.metadata)
        }
