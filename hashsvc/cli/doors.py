"""Where a verb finds the service: a store in this process, or a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from hashsvc.cli.access import connect
from hashsvc.cli.routed import connect_all
from hashsvc.errors import FailedPrecondition, InvalidArgument
from hashsvc.settings import Settings

if TYPE_CHECKING:
    from hashsvc.app import Store
    from hashsvc.domain.service import Service
    from hashsvc.domain.shards import Shard

# Codes that numpy compares in about the time in which the kernel is loaded from its cache.
NUMPY_COMPARES = 10_000_000


@contextmanager
def service(
    store: str | None,
    server: str | None,
    *,
    role: Literal["owner", "worker"] = "owner",
    create: bool = False,
    searches: int = 0,
) -> Iterator[Service]:
    """The verbs of the store, or of the server when one is named.

    Args:
        store: folder or database URL; the settings' own when None.
        server: HOST:PORT of a server, or of all shards of a cluster with commas between them; or None.
        role: "worker" for what needs no live index, and so may stand beside the owner of the store.
        create: whether a store that does not exist yet is made.
        searches: how many queries a store in this process will be asked: where numpy would take longer over them than
            loading the search kernel takes, that is done first.
    """
    if server:
        if store:
            raise InvalidArgument("give --store or --server, not both", field="--server")
        client = connect_all(server.split(",")) if "," in server else connect(server)
        try:
            yield client
        finally:
            client.close()
        return
    with local_store(store, role=role, create=create) as opened:
        if searches:
            opened.warm_kernel(least=NUMPY_COMPARES // searches)
        yield opened


@contextmanager
def local_store(
    store: str | None,
    *,
    role: Literal["owner", "worker", "replica"] = "owner",
    create: bool = False,
    address: str = "",
    eager: bool = True,
    shard: Shard | None = None,
    device: str | None = None,
) -> Iterator[Store]:
    """The store in this process; arguments as in :func:`service` and :func:`hashsvc.app.open_store`.

    A ``device`` stands in for that of the settings.

    Raises:
        FailedPrecondition: there is no store at this place, and this verb makes none.
    """
    from hashsvc.app.layout import Layout

    settings = Settings.read()
    if device:
        settings = replace(settings, device=device)
    location = store or settings.store
    if not create and "://" not in location and not Layout.of(location).catalog.exists():
        raise FailedPrecondition(
            f"there is no store in {location!r}: name one with --store or HASHSVC_STORE, or make one with "
            "`hashsvc train`, `hashsvc collections create` or `hashsvc migrate`",
            field="--store",
        )
    from hashsvc.app import open_store

    with open_store(location, settings=settings, role=role, address=address, eager=eager, shard=shard) as opened:
        yield opened
