"""The live indexes of a store: one follower and one searcher for each collection that somebody asked for."""

from __future__ import annotations

import logging
import shutil
import threading
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.app.following import SNAPSHOT_CHANGES, Follower
from hashsvc.search import Searcher

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hashsvc.app.encoding import LoadedEncoders
    from hashsvc.catalog import Catalog, Commit
    from hashsvc.content import Blobs
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.indexes import IndexState
    from hashsvc.errors import Corrupt

log = logging.getLogger(__name__)


class LiveIndexes:
    """Followers and searchers by collection, made when first asked for. Safe to use from several threads.

    Args:
        snapshots: the folder under which each collection has its own.
        cached_rows: how many rows of each collection are kept for answers.
        eager: each search first looks for what other processes committed.
    """

    def __init__(
        self,
        catalog: Catalog,
        blobs: Blobs,
        loaded: LoadedEncoders,
        snapshots: Path,
        *,
        cached_rows: int,
        eager: bool,
    ) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._loaded = loaded
        self._snapshots = snapshots
        self._cached_rows = cached_rows
        self._eager = eager
        self._followers: dict[int, Follower] = {}
        self._searchers: dict[str, Searcher] = {}
        self._lock = threading.Lock()
        self._renames = 0

    def follower(self, collection: Collection) -> Follower:
        """The live index of a collection."""
        with self._lock:
            follower = self._followers.get(collection.id)
            if follower is None:
                folder = self._snapshots / str(collection.id)
                most = self._cached_rows
                follower = Follower(collection, self._catalog, folder, damaged=_set_aside, cached_rows=most)
                self._followers[collection.id] = follower
            return follower

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
            view, newer = follower.view, follower.newest
            searcher = Searcher(collection, self._catalog, encoder, follower.rows.get, self._blobs.get, view, newer)
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
        with self._lock:
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
        shutil.rmtree(self._snapshots / str(collection.id), ignore_errors=True)
        self.follower(collection).publish(least=0)

    def _current(self, collection: Collection) -> Follower:
        follower = self.follower(collection)
        if follower.view().watermark < collection.watermark:
            follower.catch_up()
        return follower


def _set_aside(error: Corrupt) -> None:
    log.error("damaged snapshot set aside, the index is rebuilt from SQL: %s", error.message)
