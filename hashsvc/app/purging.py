"""Purging: after it, what was deleted is in no table, blob, segment or kept snapshot of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashsvc.app.store import Store


def purge(store: Store) -> int:
    """Overwrite what was deleted; how many blobs were removed.

    Args:
        store: owned by this process; workers may stand beside it, their writes wait.

    Raises:
        FailedPrecondition: this process does not own the store.
        Unavailable: a job, a backup or a long read of another process does not end; purge again after it.
    """
    collections = store.collections()
    for collection in collections:
        store.rebuild(collection.name)
    store.clear_snapshots(collections)
    swept = store.blobs.sweep(store.catalog.items.content_hashes())
    store.catalog.purge()
    return swept
