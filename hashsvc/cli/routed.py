"""Several servers asked as one: ``--server A,B,C`` names the shards of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from hashsvc.cli.access import connect
from hashsvc.cli.screen import tell
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from hashsvc.client.router import Gathered
    from hashsvc.domain.neighbours import Answer
    from hashsvc.domain.queries import Query
    from hashsvc.domain.service import Service


def connect_all(servers: Sequence[str]) -> Service:
    """The verbs that shards answer together; the others say that they need one server."""
    return cast("Service", Routed(servers))


class Routed:
    """Search over shards; says on stderr when one is missing."""

    def __init__(self, servers: Sequence[str]) -> None:
        from hashsvc.client.router import Router

        self._clients = [connect(server.strip()) for server in servers]
        self._router = Router(self._clients)

    def search(self, collection: str, queries: Sequence[Query], **options: Any) -> list[Answer]:
        """See :meth:`Service.search`; without a second stage."""
        if options.pop("rerank", None) is not None:
            raise InvalidArgument("a second stage needs one server: leave out --oversampling", field="--oversampling")
        return _told(self._router.search(collection, queries, **options))

    def within(self, collection: str, query: Query, **options: Any) -> Answer:
        """See :meth:`Service.within`."""
        return _told(self._router.within(collection, query, **options))[0]

    def close(self) -> None:
        """Let go of the connections."""
        self._router.close()
        for client in self._clients:
            client.close()

    def __getattr__(self, name: str) -> Any:
        raise InvalidArgument("shards answer search and within only: name one server for this verb", field="--server")


def _told(found: Gathered) -> list[Answer]:
    if found.partial:
        tell(f"hashsvc: only {found.shards_answered} of {found.shards} shards answered: matches may be missing")
    return list(found.answers)
