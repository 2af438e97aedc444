"""Opening a store: at a folder or a PostgreSQL URL, in a role."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashsvc.app.layout import Layout
from hashsvc.app.store import Store
from hashsvc.catalog import is_made, migrate
from hashsvc.settings import Settings

if TYPE_CHECKING:
    from hashsvc.app.roles import Role
    from hashsvc.domain.shards import Shard


def open_store(
    location: str,
    *,
    settings: Settings | None = None,
    role: Role = "owner",
    address: str = "",
    eager: bool = True,
    shard: Shard | None = None,
    warm: bool = False,
) -> Store:
    """Open the store at a folder or a PostgreSQL URL; a new embedded store is created.

    Args:
        location: a folder, or ``postgresql://...`` with its files under ``settings.folder``.
        settings: limits and folders; the defaults when None.
        role: "owner" holds the live indexes and may search and publish; "worker" only writes through SQL; "replica"
            searches what others write, from the owner's snapshots and the sequence log.
        address: how other processes reach this one, told to those who find the store owned.
        eager: each search first looks for what workers committed; False leaves that to :meth:`Store.upkeep`, as a
            server does. Writes of this process are seen at once either way.
        shard: the replica searches this part of every collection only, which it owns.
        warm: compile the search kernel, or load it from its cache, for the code lengths of the store's collections and
            of those made through it later; see :func:`hashsvc.index.warm` for what it takes and what goes without.

    Raises:
        Owned: another process owns the store; the message says how to reach it.
        FailedPrecondition: the schema is older or newer than this version.
        Unavailable: the database does not answer.
    """
    settings = settings or Settings(store=location)
    layout = Layout.of(location, settings.folder, settings.shared)
    layout.folder.mkdir(parents=True, exist_ok=True)
    if layout.embedded and not is_made(layout.database):
        migrate(layout.database)
    store = Store(layout, settings, role=role, address=address, eager=eager, shard=shard, warm=warm)
    if warm:
        try:
            store.warm_kernel()
        except BaseException:
            store.close()
            raise
    return store
