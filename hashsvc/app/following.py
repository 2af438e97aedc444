"""Live indexes that follow the sequence log of their collections."""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.app.history import agrees
from hashsvc.app.passing import PassingCache
from hashsvc.app.rows import RowCache
from hashsvc.domain.indexes import IndexState
from hashsvc.domain.kinds import IndexKind
from hashsvc.errors import Corrupt, InvalidArgument, NotFound, Unavailable
from hashsvc.failpoints import reach
from hashsvc.index import Audit, LiveIndex, newest_snapshot, prepare_device, publish, set_aside
from hashsvc.search import Passing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hashsvc.catalog import Catalog, Changes, Commit
    from hashsvc.content import Depot
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.filters import Node
    from hashsvc.domain.shards import Shard
    from hashsvc.index import View

log = logging.getLogger(__name__)

LOG_ROWS = 50_000
KEPT = 2
SNAPSHOT = re.compile(r"\d{20}-\d{20}")  # watermark and time
SNAPSHOT_CHANGES = 10_000
AUDITED = 0.01  # share of the searches of approximate kinds that are answered exactly too
WITNESSES = 256
PASSING = 64  # ids of filters that are kept for each row: a row takes that many times as much memory as an id


class Follower:
    """The live index of one collection, kept at the catalog's watermark.

    Writers hold ``_lock``; readers take views and never wait.

    Args:
        depot: where snapshots are sent for other machines, and fetched from those; None for none.
        damaged: told of each snapshot that failed its checksums and was set aside.
        cached_rows: how many rows are kept for answers.
        shard: the part of the collection that is followed; None for all of it.
        fence: what this process must own to publish snapshots; "" for a replica, which reads those of the owner and
            publishes none.
        device: where the device kind searches; the processor does where there is no such device.
    """

    def __init__(
        self,
        collection: Collection,
        catalog: Catalog,
        folder: Path,
        *,
        depot: Depot | None = None,
        damaged: Callable[[Corrupt], None],
        cached_rows: int,
        shard: Shard | None = None,
        fence: str = "store",
        device: str = "cpu",
    ) -> None:
        self._collection = collection
        self._device = device
        self._kind = _kind_here(collection, device)
        self._shard = shard
        self._fence = fence
        self._catalog = catalog
        self._folder = folder
        self._depot = depot
        self._lock = threading.Lock()
        self._publishing = threading.Lock()
        # A folder of snapshots may be copied to the wrong place: each says whose it is.
        self._about = {
            "collection": str(collection.id),
            "created_at": str(collection.created_at),
            "bits": str(collection.bits),
            "fingerprint": collection.fingerprint,
            **({"shard": str(shard)} if shard else {}),
        }
        self.rows = RowCache(partial(catalog.items.by_ids, collection), cached_rows)
        self.passing = PassingCache(self._ask, PASSING * cached_rows)
        self._audit = Audit(AUDITED)
        self._fetched = False
        self._fetch()
        self._live = self._start(damaged)
        self._published = self._live.view().watermark
        self.catch_up()

    def _fetch(self) -> None:
        """Bring in the newest snapshot of another machine, if it is newer than those here."""
        if self._depot is None:
            return
        try:
            newest = max(self._shared(), default="")
            if newest > self._newest_here():
                self._depot.fetch(newest, self._folder / newest)
                self._fetched = True
        except (NotFound, Corrupt, Unavailable) as error:
            log.warning("no snapshot was fetched, the index is made from SQL: %s", error.message)
            if isinstance(error, Corrupt):
                self._withdraw()

    def _shared(self) -> list[str]:
        """Names of the snapshots that other machines may fetch, oldest first."""
        return [] if self._depot is None else [name for name in self._depot.names() if SNAPSHOT.fullmatch(name)]

    def _withdraw(self) -> None:
        """Delete the shared snapshots, if they are ours, once the newest is of no use: the others share its files."""
        if self._depot is None or not self._fence:
            return
        try:
            self._depot.keep([])
        except Unavailable as error:
            log.warning("snapshots that nobody can use stay in %s: %s", self._depot.url, error.message)

    def _newest_here(self) -> str:
        try:
            return newest_snapshot(self._folder).name
        except NotFound:
            return ""

    def _send(self, snapshot: Path) -> None:
        """Let other machines have a snapshot; the one before it stays for those who fetch it now.

        Those of a later watermark are of a history that the catalog was set back from.
        """
        if self._depot is None:
            return
        try:
            self._depot.send(snapshot.name, snapshot)
            self._depot.keep([name for name in self._shared() if name <= snapshot.name][-KEPT:])
        except Unavailable as error:
            log.warning("snapshot %s was not sent, the next one will be: %s", snapshot.name, error.message)

    def _start(self, damaged: Callable[[Corrupt], None]) -> LiveIndex:
        """From the newest snapshot that passes its checksums, else from nothing: SQL is the truth."""
        while True:
            try:
                live = LiveIndex.from_snapshot(
                    self._folder, self._kind, audit=self._audit, about=self._about, device=self._device
                )
            except NotFound:
                break
            except Corrupt as error:
                damaged(error)
            else:
                if self._of_this_catalog(live.view()):
                    return live
                if not self._fence and self._depot is None:
                    break
                folder = set_aside(self._folder, live.watermark)
                damaged(Corrupt(f"{folder} is not of this catalog's history, which was set back: it was set aside"))
            if self._fetched:
                self._withdraw()
        return LiveIndex(self._collection.bits, self._kind, audit=self._audit, device=self._device)

    def _of_this_catalog(self, view: View) -> bool:
        """Whether a snapshot is of the past of this catalog: one set back to an earlier day has another past since."""
        past = self._catalog.items.standing(self._collection, view.watermark, WITNESSES)
        if view.watermark > past.watermark:
            return False
        if self._shard is not None:
            past = _part(past, self._shard)
        return agrees(view, past)

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
            if self._shard is not None:
                changes = _part(changes, self._shard)
            self._forget([*changes.upsert_ids.tolist(), *changes.deleted_ids.tolist()])
            self._live.apply(changes.upsert_ids, changes.upsert_codes, changes.deleted_ids, changes.watermark)
            more = changes.more

    def _ask(self, filter: Node) -> Passing:
        return Passing(filter, *self._catalog.items.passing(self._collection, filter))

    def _forget(self, changed: Sequence[int]) -> None:
        """Let go of what is kept of items that changed, before any view shows it."""
        self.rows.evict(changed)
        if changed:
            self.passing.clear()

    def applied(self, commit: Commit, ids: np.ndarray, codes: np.ndarray, deleted: np.ndarray) -> None:
        """Bring in a commit of this process: straight from memory when nothing else came between, else by replay."""
        with self._lock:
            watermark = self._live.view().watermark
            if watermark >= commit.watermark:
                return
            if watermark == commit.before:
                self._forget(commit.ids.tolist())
                self._live.apply(ids, codes, deleted, commit.watermark)
            else:
                self._replay()
        reach("write.applied")

    def merge(self) -> None:
        """Fuse small segments until there is nothing left to fuse."""
        while self._live.merge():
            pass

    def publish(self, *, least: int = 1) -> bool:
        """Publish a snapshot if at least ``least`` changes came since the last one; whether it did.

        A view never changes, so writers do not wait for the disk.
        """
        with self._publishing:
            view = self.view()
            if not self._fence or view.watermark - self._published < least:
                return False
            self._catalog.owners.check(self._fence)
            self._send(publish(view, self._folder, self._about))
            self._published = view.watermark
            return True


def _kind_here(collection: Collection, device: str) -> IndexKind:
    """How a collection is searched here: a write that is committed does not fail for a device that is not there."""
    try:
        prepare_device(collection.index, collection.bits, device)
    except InvalidArgument as error:
        log.warning("collection %r is searched on the processor: %s", collection.name, error.message)
        return IndexKind.AUTO
    return collection.index


def _part(changes: Changes, shard: Shard) -> Changes:
    """What a shard takes of the log; the watermark is that of the whole."""
    mine, gone = map(shard.holds, (changes.upsert_ids, changes.deleted_ids))
    return replace(
        changes,
        upsert_ids=changes.upsert_ids[mine],
        upsert_codes=changes.upsert_codes[mine],
        deleted_ids=changes.deleted_ids[gone],
    )
