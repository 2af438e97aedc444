"""Many rows at once: executemany on SQLite, COPY to a temporary table and one upsert on PostgreSQL."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from hashsvc.catalog.database import POSTGRESQL
from hashsvc.catalog.tables import attributes, items, tombstones

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hashsvc.catalog.database import Database


def store_items(database: Database, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert or replace items given as tuples in the order of the table's columns."""
    _store(database, connection, items, rows)


def store_attributes(database: Database, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert attributes; those that exist stay."""
    _store(database, connection, attributes, rows)


def store_tombstones(database: Database, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert or renew tombstones."""
    _store(database, connection, tombstones, rows)


def _store(database: Database, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        connection.exec_driver_sql(_upsert(database.dialect, table), list(rows))


@cache
def _upsert(dialect: str, table: Table) -> str:
    """The driver's text of ``INSERT .. ON CONFLICT (primary key) DO UPDATE``, parameters by position."""
    build: Any = postgresql if dialect == POSTGRESQL else sqlite
    statement = build.insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {column.name: statement.excluded[column.name] for column in table.c if column.name not in keys}
    resolved = (
        statement.on_conflict_do_update(index_elements=keys, set_=changed)
        if changed
        else statement.on_conflict_do_nothing()
    )
    style = "format" if dialect == POSTGRESQL else "qmark"
    return str(resolved.compile(dialect=build.dialect(paramstyle=style)))
