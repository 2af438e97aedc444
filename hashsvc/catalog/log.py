"""Queries of the sequence log: items by sequence number, and the tombstones between them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Select, Table, select

from hashsvc.catalog.collections import held
from hashsvc.catalog.commit import Changes
from hashsvc.catalog.tables import collections, dedup_removed, items, tombstones
from hashsvc.domain.kinds import ContentMode
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hashsvc.catalog.database import Database
    from hashsvc.domain.collections import Collection

ROWS = 5_000


def changes(connection: Connection, collection: Collection, after: int, limit: int) -> Changes:
    """At most ``limit`` changes behind ``after``, as one state of the database holds them."""
    if limit < 1:
        raise InvalidArgument(f"limit must be positive, not {limit}", field="limit")
    now = held(connection, collection.id)
    width = now.bits // 8
    if after >= now.watermark:
        return Changes(_ids([]), _codes([], width), _ids([]), now.watermark, more=False)
    stored = _behind(connection, items, collection.id, after, limit, items.c.code)
    gone = _behind(connection, tombstones, collection.id, after, limit)
    sequences = sorted([row[1] for row in stored] + [row[1] for row in gone])
    more = len(sequences) > limit
    if more:
        last = sequences[limit - 1]
        stored = [row for row in stored if row[1] <= last]
        gone = [row for row in gone if row[1] <= last]
    # An id that was deleted and stored again is alive: its tombstone is older than its row.
    alive = {row[0] for row in stored}
    return Changes(
        _ids([row[0] for row in stored]),
        _codes([row[2] for row in stored], width),
        _ids([row[0] for row in gone if row[0] not in alive]),
        last if more else now.watermark,
        more,
    )


def standing(connection: Connection, collection: Collection, upto: int, count: int) -> Changes:
    """What the newest ``count`` items and as many tombstones say that were written up to ``upto`` and not since.

    Any index of the collection that was at ``upto`` held these items with these codes, and none of those deleted. The
    watermark is the catalog's own.
    """
    now = held(connection, collection.id)
    width = now.bits // 8
    stored = select(items.c.id, items.c.code).where(items.c.collection == collection.id, items.c.sequence <= upto)
    alive = select(items.c.id).where(items.c.collection == collection.id, items.c.id == tombstones.c.id)
    gone = select(tombstones.c.id).where(
        tombstones.c.collection == collection.id, tombstones.c.sequence <= upto, ~alive.exists()
    )
    rows = connection.execute(stored.order_by(items.c.sequence.desc()).limit(count)).all()
    deleted = connection.execute(gone.order_by(tombstones.c.sequence.desc()).limit(count)).scalars().all()
    ids, codes = _ids([row[0] for row in rows]), _codes([row[1] for row in rows], width)
    return Changes(ids, codes, _ids(list(deleted)), now.watermark, more=False)


def _behind(
    connection: Connection, table: Table, collection: int, after: int, limit: int, *more: Any
) -> list[tuple[Any, ...]]:
    query = select(table.c.id, table.c.sequence, *more).where(
        table.c.collection == collection, table.c.sequence > after
    )
    return [tuple(row) for row in connection.execute(query.order_by(table.c.sequence).limit(limit + 1))]


def _ids(numbers: list[int]) -> NDArray[np.int64]:
    return np.array(numbers, np.int64)


def _codes(codes: list[bytes], width: int) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(codes), np.uint8).reshape(-1, width).copy()


def digest(connection: Connection, collection: Collection) -> str:
    """sha256 (hex) over every item in order of id."""
    total = hashlib.sha256()
    query = select(items.c.id, items.c.key, items.c.content_hash, items.c.code, items.c.metadata)
    ordered = query.where(items.c.collection == collection.id).order_by(items.c.id)
    for number, *parts in connection.execution_options(yield_per=ROWS).execute(ordered):
        total.update(number.to_bytes(8, "big"))
        for part in parts:
            data = part.encode() if isinstance(part, str) else bytes(part)
            total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()


def content_hashes(database: Database) -> Iterator[str]:
    """Content hash (hex) of every item whose collection keeps bytes, and of those that undoing a dedup brings back."""
    with database.reading() as connection:
        for table in (items, dedup_removed):
            with connection.execution_options(yield_per=ROWS).execute(kept_hashes(table)) as rows:
                for (found,) in rows:
                    yield bytes(found).hex()


def kept_hashes(table: Table) -> Select[Any]:
    """Content hashes of the rows of a table whose collection keeps bytes."""
    joined = select(table.c.content_hash).join(collections, collections.c.id == table.c.collection)
    return joined.where(collections.c.content == str(ContentMode.BYTES))
