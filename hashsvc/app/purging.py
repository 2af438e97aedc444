"""Purging: after it, what was deleted is in no table, blob, segment or kept snapshot of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashsvc.content.blobs import GRACE_S
from hashsvc.errors import Unavailable

if TYPE_CHECKING:
    from hashsvc.app.store import Store


def purge(store: Store) -> int:
    """Overwrite what was deleted; how many blobs were removed.

    Args:
        store: owned by this process; workers may stand beside it, their writes wait.

    Raises:
        FailedPrecondition: this process does not own the store.
        Unavailable: blobs lie where there are no locks, and some are too young to be sure that nobody needs them; or a
            job, a backup or a long read of another process does not end; purge again after it.
    """
    collections = store.collections()
    for collection in collections:
        store.rebuild(collection.name)
    store.clear_snapshots(collections)
    swept = store.blobs.sweep(store.catalog.items.content_hashes())
    store.catalog.purge()
    if left := len(set(store.blobs.names()) - set(store.catalog.items.content_hashes())):
        raise Unavailable(
            f"{left} blobs that no item needs are younger than {GRACE_S / 60:.0f} minutes, and {store.layout.blobs} "
            "has no lock that tells whether a writer needs them: purge again after that time",
            retry_after=GRACE_S,
        )
    return swept
