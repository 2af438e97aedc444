"""The live indexes of a store: one follower and one searcher for each collection that somebody asked for."""

from __future__ import annotations

import logging
import shutil
import threading
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.app.following import SNAPSHOT_CHANGES, Follower
from hashsvc.content import Depot, discard
from hashsvc.search import Coder, Searcher

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hashsvc.app.encoding import LoadedEncoders
    from hashsvc.catalog import Catalog, Commit
    from hashsvc.content import Blobs
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.indexes import IndexState
    from hashsvc.domain.shards import Shard
    from hashsvc.errors import Corrupt

log = logging.getLogger(__name__)


class LiveIndexes:
    """Followers and searchers by collection, made when first asked for. Safe to use from several threads.

    Args:
        snapshots: the folder under which each collection has its own.
        shared: fsspec URL under which each collection has a depot of snapshots for other machines; "" for none.
        cached_rows: how many rows of each collection are kept for answers.
        eager: each search first looks for what other processes committed.
        shard: the part of each collection that is searched here; None for all of it.
        fence: what this process must own to publish snapshots; "" when it publishes none.
        device: where the device kind searches.
    """

    def __init__(
        self,
        catalog: Catalog,
        blobs: Blobs,
        loaded: LoadedEncoders,
        snapshots: Path,
        *,
        shared: str = "",
        cached_rows: int,
        eager: bool,
        shard: Shard | None = None,
        fence: str = "store",
        device: str = "cpu",
    ) -> None:
        self._device = device
        self._catalog = catalog
        self._blobs = blobs
        self._loaded = loaded
        self._snapshots = snapshots
        self._shared = shared
        self._cached_rows = cached_rows
        self._eager = eager
        self._shard = shard
        self._fence = fence
        self._followers: dict[int, Follower] = {}
        self._searchers: dict[str, Searcher] = {}
        self._making: dict[int, threading.Lock] = {}
        self._lock = threading.Lock()
        self._renames = 0

    def follower(self, collection: Collection) -> Follower:
        """The live index of a collection."""
        follower = self._followers.get(collection.id)
        if follower is not None:
            return follower
        with self._one(collection):
            follower = self._followers.get(collection.id)
            if follower is None:
                follower = Follower(
                    collection,
                    self._catalog,
                    self._folder(collection),
                    depot=self._depot(collection),
                    damaged=_set_aside,
                    cached_rows=self._cached_rows,
                    shard=self._shard,
                    fence=self._fence,
                    device=self._device,
                )
                with self._lock:
                    self._followers[collection.id] = follower
            return follower

    def _one(self, collection: Collection) -> threading.Lock:
        """The lock under which a collection's index is made: it takes seconds, and others do not wait for it."""
        with self._lock:
            return self._making.setdefault(collection.id, threading.Lock())

    def searcher(self, name: str) -> Searcher:
        """What answers the queries of a collection.

        Raises:
            NotFound: no such collection.
        """
        searcher = self._searchers.get(name)
        if searcher is None:
            renames = self._renames
            collection = self._catalog.collections.get(name)
            follower = self._current(collection)
            encoder = partial(self._loaded.get, collection.fingerprint)
            searcher = Searcher(
                collection,
                self._catalog,
                Coder(collection, self._catalog, encoder, self._blobs.get),
                follower.rows.get,
                follower.view,
                follower.newest,
                follower.passing.get,
            )
            with self._lock:
                # Not if the collection was changed or deleted meanwhile: nobody would forget this searcher then.
                current = self._followers.get(collection.id) is follower and renames == self._renames
                if current and not self._eager:
                    self._searchers[name] = searcher
        return searcher

    def applied(self, collection: Collection, commit: Commit, codes: Sequence[bytes]) -> None:
        """Bring a commit into the live index: from memory when it is the next one, else by replay of the log."""
        upserted, deleted = commit.ids[: len(codes)], commit.ids[len(codes) :]
        packed = np.frombuffer(b"".join(codes), np.uint8).reshape(-1, collection.bits // 8)
        self.follower(collection).applied(commit, upserted, packed, deleted)

    def forget(self, collection: Collection) -> None:
        """Let go of a collection that changed or is gone; the next request makes its index anew."""
        with self._one(collection), self._lock:
            self._followers.pop(collection.id, None)
            self._searchers.pop(collection.name, None)

    def renamed(self, *names: str) -> None:
        """Let go of what answers under these names: they stand for other collections now."""
        with self._lock:
            self._renames += 1
            for name in names:
                self._searchers.pop(name, None)

    def states(self) -> list[IndexState]:
        """What each index looks like now."""
        with self._lock:
            followers = list(self._followers.values())
        return [follower.state() for follower in followers]

    def publish(self, *, least: int) -> int:
        """Publish a snapshot of each index that changed by at least ``least`` writes; how many were."""
        with self._lock:
            followers = list(self._followers.values())
        return sum(follower.publish(least=least) for follower in followers)

    def tend(self, collection: Collection) -> None:
        """Follow the log, fuse segments, publish what has grown."""
        follower = self._current(collection)
        follower.merge()
        follower.publish(least=SNAPSHOT_CHANGES)

    def rebuild(self, collection: Collection) -> None:
        """Make an index anew from SQL, and one snapshot of it in place of all others."""
        self.forget(collection)
        shutil.rmtree(self._folder(collection), ignore_errors=True)
        if (depot := self._depot(collection)) is not None:
            depot.keep([])
        self.follower(collection).publish(least=0)

    def clear(self, collections: Sequence[Collection]) -> None:
        """Delete the snapshots of every collection but these, and those of shards, which are made again."""
        kept = {str(collection.id) for collection in collections}
        for folder in self._snapshots.glob("*"):
            if folder.name not in kept:
                shutil.rmtree(folder)
        if self._shared:
            discard(self._shared, kept)

    def _name(self, collection: Collection) -> str:
        return f"{collection.id}.{self._shard.label}" if self._shard else str(collection.id)

    def _folder(self, collection: Collection) -> Path:
        return self._snapshots / self._name(collection)

    def _depot(self, collection: Collection) -> Depot | None:
        return Depot(f"{self._shared}/{self._name(collection)}") if self._shared else None

    def _current(self, collection: Collection) -> Follower:
        follower = self.follower(collection)
        if follower.view().watermark < collection.watermark:
            follower.catch_up()
        return follower


def _set_aside(error: Corrupt) -> None:
    log.error("damaged snapshot set aside, the index is rebuilt from SQL: %s", error.message)
