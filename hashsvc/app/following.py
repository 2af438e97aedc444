"""Live indexes that follow the sequence log of their collections."""

from __future__ import annotations

import threading
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.app.rows import RowCache
from hashsvc.domain.indexes import IndexState
from hashsvc.errors import Corrupt, NotFound
from hashsvc.failpoints import reach
from hashsvc.index import Audit, LiveIndex, publish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hashsvc.catalog import Catalog, Commit
    from hashsvc.domain.collections import Collection
    from hashsvc.index import View

LOG_ROWS = 50_000
SNAPSHOT_CHANGES = 10_000
AUDITED = 0.01  # share of the searches of approximate kinds that are answered exactly too


class Follower:
    """The live index of one collection, kept at the catalog's watermark.

    Writers hold ``_lock``; readers take views and never wait.

    Args:
        damaged: told of each snapshot that failed its checksums and was set aside.
        cached_rows: how many rows are kept for answers.
    """

    def __init__(
        self,
        collection: Collection,
        catalog: Catalog,
        folder: Path,
        *,
        damaged: Callable[[Corrupt], None],
        cached_rows: int,
    ) -> None:
        self._collection = collection
        self._catalog = catalog
        self._folder = folder
        self._lock = threading.Lock()
        # A folder of snapshots may be copied to the wrong place: each says whose it is.
        self._about = {
            "collection": str(collection.id),
            "created_at": str(collection.created_at),
            "bits": str(collection.bits),
            "fingerprint": collection.fingerprint,
        }
        self.rows = RowCache(partial(catalog.items.by_ids, collection), cached_rows)
        self._audit = Audit(AUDITED)
        self._live = self._start(damaged)
        self._published = self._live.view().watermark
        self.catch_up()

    def _start(self, damaged: Callable[[Corrupt], None]) -> LiveIndex:
        """From the newest snapshot that passes its checksums, else from nothing: SQL is the truth."""
        while True:
            try:
                live = LiveIndex.from_snapshot(
                    self._folder, self._collection.index, audit=self._audit, about=self._about
                )
            except NotFound:
                break
            except Corrupt as error:
                damaged(error)
            else:
                # A catalog restored from a backup may be older than a snapshot left beside it.
                if live.watermark <= self._collection.watermark:
                    return live
                break
        return LiveIndex(self._collection.bits, self._collection.index, audit=self._audit)

    def state(self) -> IndexState:
        """What it looks like now."""
        view = self._live.view()
        return IndexState(
            self._collection.id,
            view.watermark,
            len(view.held),
            view.memory().total,
            self._audit.searches,
            self._audit.recall,
        )

    def view(self) -> View:
        """The newest view; every write acknowledged before this call is in it."""
        return self._live.view()

    def newest(self) -> View:
        """A view that holds every commit of every process so far."""
        self.catch_up()
        return self._live.view()

    def catch_up(self) -> None:
        """Apply what the sequence log holds beyond the live index's watermark."""
        with self._lock:
            self._replay()

    def _replay(self) -> None:
        more = True
        while more:
            changes = self._catalog.items.changes(self._collection, self._live.view().watermark, LOG_ROWS)
            self.rows.evict(chain(changes.upsert_ids.tolist(), changes.deleted_ids.tolist()))
            self._live.apply(changes.upsert_ids, changes.upsert_codes, changes.deleted_ids, changes.watermark)
            more = changes.more

    def applied(self, commit: Commit, ids: np.ndarray, codes: np.ndarray, deleted: np.ndarray) -> None:
        """Bring in a commit of this process: straight from memory when nothing else came between, else by replay."""
        with self._lock:
            watermark = self._live.view().watermark
            if watermark >= commit.watermark:
                return
            if watermark == commit.before:
                self.rows.evict(commit.ids.tolist())
                self._live.apply(ids, codes, deleted, commit.watermark)
            else:
                self._replay()
        reach("write.applied")

    def merge(self) -> None:
        """Fuse small segments until there is nothing left to fuse."""
        while self._live.merge():
            pass

    def publish(self, *, least: int = 1) -> bool:
        """Publish a snapshot if at least ``least`` changes came since the last one; whether it did."""
        with self._lock:
            view = self.view()
            if view.watermark - self._published < least:
                return False
            self._catalog.owners.check("store")
            publish(view, self._folder, self._about)
            self._published = view.watermark
            return True
