"""Queries of the table of shards: the map of who serves which part of a store's collections."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from hashsvc.catalog.tables import shards
from hashsvc.domain.shards import Placement, Shard

if TYPE_CHECKING:
    from hashsvc.catalog.database import Database


class Shards:
    """The shard map of a store. Every server of a shard writes its own row when it starts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def place(self, shard: Shard, address: str, host: str, process: int) -> None:
        """Write where a shard is served from now on; what was there before is forgotten."""
        row = {"number": shard.number, "of": shard.of, "address": address, "host": host, "process": process}
        with self._database.writing() as connection:
            mine = (shards.c.number == shard.number, shards.c.of == shard.of)
            connection.execute(delete(shards).where(*mine))
            connection.execute(insert(shards).values(**row, started_at=datetime.now(UTC)))

    def list(self) -> list[Placement]:
        """The map, by number of shards and shard."""
        with self._database.reading() as connection:
            rows = connection.execute(select(shards).order_by(shards.c.of, shards.c.number)).all()
        return [Placement(Shard(r.number, r.of), r.address, r.host, r.process, r.started_at) for r in rows]

    def clear(self) -> int:
        """Forget the map; how many rows it had."""
        with self._database.writing() as connection:
            return connection.execute(delete(shards)).rowcount
