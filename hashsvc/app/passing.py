"""What passed recent filters of one collection, kept until the collection changes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from hashsvc.domain.filters import Node
    from hashsvc.search import Passing


# What a kept answer costs beside its ids, counted in ids.
COST = 1000


class PassingCache:
    """Answers of SQL by filter. Safe to use from several threads.

    Args:
        read: asks SQL which items pass.
        most: how many ids are kept in all; the filter that was asked first goes first.
    """

    def __init__(self, read: Callable[[Node], Passing], most: int) -> None:
        self._read = read
        self._most = most
        self._kept: dict[str, Passing] = {}
        self._changes = 0
        self._lock = threading.Lock()

    def get(self, filter: Node) -> Passing:
        """What passes the filter, as SQL said after the last change."""
        # Not the filter itself: to Python 1, 1.0 and True are the same, to a filter they are not.
        wanted = repr(filter)
        found = self._kept.get(wanted)
        if found is None:
            changes = self._changes
            found = self._read(filter)
            self._keep(wanted, found, changes)
        return found

    def _keep(self, wanted: str, found: Passing, changes: int) -> None:
        """Keep an answer, unless something changed since SQL was asked, or it alone is too large."""
        with self._lock:
            if changes != self._changes or len(found.ids) + COST > self._most:
                return
            self._kept[wanted] = found
            while sum(len(one.ids) + COST for one in self._kept.values()) > self._most:
                del self._kept[next(iter(self._kept))]

    def clear(self) -> None:
        """Forget all; called after the commit of a change and before any view shows it."""
        with self._lock:
            self._changes += 1
            self._kept = {}
