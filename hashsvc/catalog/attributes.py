"""Queries of the table of attributes: the indexed values of declared metadata fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from hashsvc.catalog.tables import attributes, items
from hashsvc.catalog.values import attribute_keys, read_metadata
from hashsvc.domain.metadata import check_metadata
from hashsvc.errors import FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hashsvc.catalog.database import Database
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.kinds import FieldType

ROWS = 5_000

_BY_KEY = delete(attributes).where(
    attributes.c.collection == bindparam("c"),
    attributes.c.field == bindparam("f"),
    attributes.c.value == bindparam("v"),
    attributes.c.item == bindparam("i"),
)


def remove(connection: Connection, collection: int, rows: Iterable[tuple[str, str, int]]) -> None:
    """Remove attributes given as (field, key, item id)."""
    gone = [{"c": collection, "f": field, "v": value, "i": item} for field, value, item in rows]
    if gone:
        connection.execute(_BY_KEY, gone)


def rebuild(connection: Connection, collection: Collection, fields: Mapping[str, FieldType]) -> None:
    """Index a locked collection by other declared fields.

    Raises:
        FailedPrecondition: a stored item does not fit them.
    """
    connection.execute(delete(attributes).where(attributes.c.collection == collection.id))
    if not fields:
        return
    after = -1
    while True:
        query = select(items.c.id, items.c.key, items.c.metadata)
        page = query.where(items.c.collection == collection.id, items.c.id > after).order_by(items.c.id).limit(ROWS)
        rows = connection.execute(page).all()
        if not rows:
            return
        found = [entry for row in rows for entry in _entries(collection.id, row.id, row.key, row.metadata, fields)]
        if found:
            connection.execute(insert(attributes), found)
        after = rows[-1].id


def misfiled(database: Database, connection: Connection, collection: Collection, ids: Sequence[int]) -> list[int]:
    """Which of these items are filed under other values than their metadata says, as one state of the database."""
    rows = select(items.c.id, items.c.metadata).where(items.c.collection == collection.id)
    filed = select(attributes.c.item, attributes.c.field, attributes.c.value).where(
        attributes.c.collection == collection.id, database.among(attributes.c.item, ids)
    )
    found: dict[int, set[tuple[str, str]]] = {}
    for item, field, value in connection.execute(filed):
        found.setdefault(item, set()).add((field, value))
    told = connection.execute(rows.where(database.among(items.c.id, ids)))
    right = {row.id: attribute_keys(read_metadata(row.metadata), collection.fields) for row in told}
    return [item for item in ids if item in right and right[item] != found.get(item, set())]


def _entries(
    collection: int, item: int, key: str, text: str, fields: Mapping[str, FieldType]
) -> Iterable[dict[str, Any]]:
    metadata = read_metadata(text)
    try:
        check_metadata(metadata, fields)
    except InvalidArgument as error:
        raise FailedPrecondition(f"item {key!r} does not fit the declared fields: {error}", field="fields") from error
    for field, value in attribute_keys(metadata, fields):
        yield {"collection": collection, "field": field, "value": value, "item": item}
