"""Queries of the table of displaced keys: two keys never share an id.

A key's id is derived from it (``item_id``). Should another key of the collection hold that id already, the later one
gets an id derived from the key and a number, and a row here says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, insert, select

from hashsvc.catalog.tables import displaced
from hashsvc.domain import items as nouns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def taken(connection: Connection, collection: int) -> dict[str, int]:
    """Every displaced key of a collection with its id; next to always empty."""
    query = select(displaced.c.key, displaced.c.id).where(displaced.c.collection == collection)
    return dict(tuple(row) for row in connection.execute(query))


def id_of(key: str, moved: Mapping[str, int]) -> int:
    """The id of a key, given the displaced ones."""
    number = moved.get(key) if moved else None
    return nouns.item_id(key) if number is None else number


def another_id(key: str, attempt: int) -> int:
    """The id a displaced key tries at its ``attempt``-th turn."""
    return nouns.item_id(f"{key}\x00{attempt}")


def displace(connection: Connection, collection: int, keys: Mapping[str, int]) -> None:
    """Keep the ids that displaced keys were given."""
    rows = [{"collection": collection, "key": key, "id": number} for key, number in keys.items()]
    connection.execute(insert(displaced), rows)


def forget(connection: Connection, collection: int, keys: Iterable[str]) -> None:
    """Drop displaced keys that were deleted."""
    for key in keys:
        connection.execute(delete(displaced).where(displaced.c.collection == collection, displaced.c.key == key))
