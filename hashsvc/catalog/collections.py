"""Queries of the table of collections."""

from __future__ import annotations

import builtins
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from hashsvc.catalog.attributes import rebuild
from hashsvc.catalog.tables import (
    attributes,
    collections,
    dedup_decisions,
    dedup_marks,
    dedup_misses,
    dedup_removed,
    dedup_runs,
    displaced,
    items,
    requests,
    tombstones,
)
from hashsvc.domain.collections import Collection, no_collection
from hashsvc.domain.encoders import NAME, check_name
from hashsvc.domain.kinds import ContentMode, FieldType, IndexKind, Kind
from hashsvc.errors import Aborted, AlreadyExists, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hashsvc.catalog.database import Database


class Collections:
    """The collections of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, collection: Collection) -> Collection:
        """Create it; the answer carries its id.

        Raises:
            AlreadyExists: the name is taken.
        """
        check_name(collection.name)
        try:
            with self._database.writing() as connection:
                connection.execute(insert(collections).values(_columns(collection)))
                return _one(connection, collection.name)
        except AlreadyExists as error:
            raise AlreadyExists(f"collection {collection.name!r} exists already", field="name") from error

    def get(self, name: str) -> Collection:
        """The named collection with its watermark and number of items; NotFound."""
        with self._database.reading() as connection:
            return _one(connection, name)

    def list(self) -> builtins.list[Collection]:
        """Every collection, by name."""
        with self._database.reading() as connection:
            return every(connection)

    def update(
        self,
        name: str,
        *,
        fields: Mapping[str, FieldType] | None = None,
        index: IndexKind | None = None,
        path: str | None = None,
    ) -> Collection:
        """Replace declared fields, index kind or encoding path; None leaves as it is.

        Raises:
            NotFound: no such collection.
            FailedPrecondition: a stored item does not fit the new fields.
        """
        with self._database.writing() as connection:
            held = locked(connection, _one(connection, name).id)
            if fields is not None:
                rebuild(connection, held, dict(fields))
            changed = replace(
                held,
                fields=held.fields if fields is None else dict(fields),
                index=index or held.index,
                path=held.path if path is None else path,
            )
            values = {"fields": _fields(changed), "index_kind": str(changed.index), "path": changed.path}
            connection.execute(update(collections).where(collections.c.id == held.id).values(values))
            return changed

    def exchange(self, one: Collection, other: Collection, watermark: int | None) -> None:
        """Exchange the names of two collections in one transaction.

        Raises:
            Aborted: one of them was renamed or deleted, or ``one`` is not at ``watermark`` (None: at any) any more.
        """
        with self._database.writing() as connection:
            try:
                now = {number: locked(connection, number) for number in sorted((one.id, other.id))}
            except NotFound as error:
                raise Aborted(error.message) from error
            same = now[one.id].name == one.name and now[other.id].name == other.name
            if not same or watermark not in {None, now[one.id].watermark}:
                raise Aborted(f"collection {one.name!r} changed meanwhile: try again")
            for number, name in ((one.id, f"exchanged {one.id}"), (other.id, one.name), (one.id, other.name)):
                connection.execute(update(collections).where(collections.c.id == number).values(name=name))

    def delete(self, name: str) -> None:
        """Delete it with everything in it; NotFound."""
        with self._database.writing() as connection:
            number = locked(connection, _one(connection, name).id).id
            for table in (items, attributes, tombstones, displaced, requests):
                connection.execute(delete(table).where(table.c.collection == number))
            _forget_dedup(connection, number)
            connection.execute(delete(collections).where(collections.c.id == number))


def _forget_dedup(connection: Connection, number: int) -> None:
    mine = select(dedup_runs.c.job).where(dedup_runs.c.collection == number)
    for table in (dedup_decisions, dedup_misses):
        connection.execute(delete(table).where(table.c.job.in_(mine)))
    for table in (dedup_removed, dedup_runs, dedup_marks):
        connection.execute(delete(table).where(table.c.collection == number))


def every(connection: Connection) -> list[Collection]:
    """Every collection, by name."""
    return [_collection(row) for row in connection.execute(select(collections).order_by(collections.c.name))]


def held(connection: Connection, number: int) -> Collection:
    """The collection with this number as it stands in the transaction; NotFound when it was deleted."""
    return _known(connection.execute(select(collections).where(collections.c.id == number)).first(), number)


def locked(connection: Connection, number: int) -> Collection:
    """The same, held against every other writer of the collection until the transaction ends."""
    query = select(collections).where(collections.c.id == number).with_for_update()
    return _known(connection.execute(query).first(), number)


def advance(connection: Connection, collection: Collection, watermark: int, items_held: int) -> None:
    """Set the counter row of a locked collection."""
    values = {"watermark": watermark, "items": items_held}
    connection.execute(update(collections).where(collections.c.id == collection.id).values(values))


def count_items(connection: Connection, number: int) -> int:
    """Rows of the items table itself, for a check of the counter."""
    query = select(func.count()).select_from(items).where(items.c.collection == number)
    return int(connection.execute(query).scalar_one())


def _known(row: Row[Any] | None, number: int) -> Collection:
    if row is None:
        raise NotFound(f"collection number {number} was deleted", field="collection")
    return _collection(row)


def _one(connection: Connection, name: str) -> Collection:
    known = NAME.fullmatch(name) is not None
    row = connection.execute(select(collections).where(collections.c.name == name)).first() if known else None
    if row is None:
        raise no_collection(name)
    return _collection(row)


def _fields(collection: Collection) -> dict[str, str]:
    return {name: str(kind) for name, kind in collection.fields.items()}


def _columns(collection: Collection) -> dict[str, Any]:
    return {
        "name": collection.name,
        "kind": str(collection.kind),
        "bits": collection.bits,
        "encoder": collection.encoder,
        "fingerprint": collection.fingerprint,
        "content": str(collection.content),
        "fields": _fields(collection),
        "index_kind": str(collection.index),
        "path": collection.path,
        "created_at": collection.created_at or datetime.now(UTC),
        "watermark": 0,
        "items": 0,
    }


def _collection(row: Row[Any]) -> Collection:
    return Collection(
        name=row.name,
        kind=Kind(row.kind),
        bits=row.bits,
        encoder=row.encoder,
        fingerprint=row.fingerprint,
        content=ContentMode(row.content),
        fields={name: FieldType(kind) for name, kind in row.fields.items()},
        index=IndexKind(row.index_kind),
        path=row.path,
        created_at=row.created_at,
        id=row.id,
        watermark=row.watermark,
        items=row.items,
    )
