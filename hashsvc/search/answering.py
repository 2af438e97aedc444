"""From neighbours and the rows they name to answers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING

from hashsvc.domain.neighbours import Answer, Columns, Neighbours
from hashsvc.search.coding import NOT_STORED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hashsvc.domain.collections import Collection
    from hashsvc.domain.items import StoredItem


@dataclass(frozen=True, slots=True)
class Found:
    """Neighbours with the stored items they name.

    Args:
        items: by id, those that exist; None where nobody asked for them.
    """

    collection: Collection
    watermark: int
    neighbours: Neighbours
    items: dict[int, StoredItem] | None

    def answers(self, own: Sequence[int], k: int | None, *, metadata: bool) -> list[Answer]:
        """The first k matches of each query (all for None), the item with the query's ``own`` id left out."""
        ids, distances = self.neighbours.ids.tolist(), self.neighbours.distances.tolist()
        ends = self.neighbours.offsets.tolist()
        return [
            self._answer(*_without(ids[start:stop], distances[start:stop], number, k), metadata=metadata)
            for start, stop, number in zip(ends, ends[1:], own, strict=False)
        ]

    def _answer(self, ids: list[int], distances: list[int], *, metadata: bool) -> Answer:
        items, whole = None, True
        if self.items is not None:
            items = [item for number in ids if (item := self.items.get(number)) is not None]
            if len(items) < len(ids):
                whole = False
                kept = [number in self.items for number in ids]
                ids, distances = list(compress(ids, kept)), list(compress(distances, kept))
        return Answer(
            Columns(ids, distances, items, metadata=metadata),
            self.watermark,
            self.neighbours.exact,
            self.neighbours.complete and whole,
            self.collection.encoder or "",
            len(ids),
        )


def _without(ids: list[int], distances: list[int], own: int, k: int | None) -> tuple[list[int], list[int]]:
    if own != NOT_STORED and own in ids:
        place = ids.index(own)
        ids, distances = ids[:place] + ids[place + 1 :], distances[:place] + distances[place + 1 :]
    return (ids, distances) if k is None else (ids[:k], distances[:k])
