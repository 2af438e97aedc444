"""Purging: after it, what was deleted is in no table, blob, segment or kept snapshot of a store."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashsvc.app.store import Store

GRACE_S = 60.0


def purge(store: Store, *, grace_s: float = GRACE_S) -> int:
    """Overwrite what was deleted; how many blobs were removed.

    Args:
        store: owned by this process.
        grace_s: blobs younger than this stay: a write under way may need them.

    Raises:
        FailedPrecondition: this process does not own the store.
    """
    collections = store.collections()
    for collection in collections:
        store.rebuild(collection.name)
    kept = {str(collection.id) for collection in collections}
    for folder in store.layout.snapshots.glob("*"):
        if folder.name not in kept:
            shutil.rmtree(folder)
    swept = store.blobs.sweep(store.catalog.items.content_hashes(), older_s=grace_s)
    store.catalog.purge()
    return swept
