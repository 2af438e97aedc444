"""What an owner or replica does between requests: follow the log, fuse segments, publish what has grown, forget."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from hashsvc.errors import HashsvcError, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hashsvc.app.live import LiveIndexes
    from hashsvc.app.roles import Role
    from hashsvc.catalog import Catalog
    from hashsvc.domain.collections import Collection

FORGET_S = 3_600.0


class Upkeep:
    """The upkeep of the live indexes of one process.

    Args:
        owned: what this process owns, of which it makes sure each time; "" for nothing.
    """

    def __init__(self, catalog: Catalog, live: LiveIndexes, role: Role, owned: str) -> None:
        self._catalog = catalog
        self._live = live
        self._role = role
        self._owned = owned
        self._forget_at = 0.0
        self._seen: dict[int, Collection] = {}

    def tend(self) -> None:
        """Do it once; the first error of a collection is raised when all others had their turn."""
        if self._owned:
            self._catalog.owners.check(self._owned)
            self._forget_requests()
        first: HashsvcError | None = None
        collections = self._catalog.collections.list()
        if self._role == "replica":
            self._forget_changed(collections)
        for collection in collections:
            try:
                self._live.tend(collection)
            except NotFound:
                continue  # deleted meanwhile
            except HashsvcError as error:
                first = first or error
        if first is not None:
            raise first

    def _forget_requests(self) -> None:
        """Once an hour, drop the acknowledgements of requests that nobody repeats any more."""
        now = time.monotonic()
        if now >= self._forget_at:
            self._forget_at = now + FORGET_S
            self._catalog.forget_requests()

    def _forget_changed(self, collections: Sequence[Collection]) -> None:
        """Let go of collections that the owner changed, renamed or deleted since the last look."""
        now = {one.id: replace(one, watermark=0, items=0, path="") for one in collections}
        for number, before in self._seen.items():
            if now.get(number) != before:
                self._live.forget(before)
        self._seen = now
