"""Rows of one collection as last read from SQL, kept until the sequence log says they changed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hashsvc.domain.items import StoredItem


class RowCache:
    """Stored items by id. Safe to use from several threads.

    Args:
        read: one SQL query for many ids; ids that are not held are missing from its answer.
        most: how many rows are kept; the oldest go first.
    """

    def __init__(self, read: Callable[[list[int]], dict[int, StoredItem]], most: int) -> None:
        self._read = read
        self._most = most
        self._rows: dict[int, StoredItem] = {}
        self._changes = 0
        self._lock = threading.Lock()

    def get(self, ids: list[int]) -> dict[int, StoredItem]:
        """The items with these ids that exist; those not kept come from one query."""
        rows = self._rows
        found = {number: row for number in ids if (row := rows.get(number)) is not None}
        if len(found) == len(ids):
            return found
        changes = self._changes
        fresh = self._read([number for number in ids if number not in found])
        self._keep(fresh, changes)
        return found | fresh

    def _keep(self, fresh: dict[int, StoredItem], changes: int) -> None:
        """Keep rows, unless something changed since they were asked for: then they may be old already."""
        with self._lock:
            if changes != self._changes:
                return
            self._rows.update(fresh)
            if len(self._rows) > self._most:
                survivors = list(self._rows.items())[-self._most * 3 // 4 :]
                self._rows = dict(survivors)

    def evict(self, ids: Iterable[int]) -> None:
        """Forget items that changed; called after their commit and before any view shows it."""
        with self._lock:
            self._changes += 1
            for number in ids:
                self._rows.pop(number, None)
