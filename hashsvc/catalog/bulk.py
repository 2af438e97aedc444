"""Many rows at once: executemany on SQLite, COPY to a temporary table and one upsert on PostgreSQL."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable

from hashsvc.catalog.database import POSTGRESQL
from hashsvc.catalog.tables import attributes, items, job_keys, tombstones

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hashsvc.catalog.database import Database

COPY_ROWS = 256
_TYPES: dict[type[Any], str] = {
    BigInteger: "int8",
    Boolean: "bool",
    Integer: "int4",
    LargeBinary: "bytea",
    Text: "text",
}


def store_items(database: Database, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert or replace items given as tuples in the order of the table's columns."""
    _store(database, connection, items, rows)


def store_attributes(database: Database, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert attributes; those that exist stay."""
    _store(database, connection, attributes, rows)


def store_tombstones(database: Database, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert or renew tombstones."""
    _store(database, connection, tombstones, rows)


def store_job_keys(database: Database, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert keys of a job; a unit takes those that others have."""
    _store(database, connection, job_keys, rows)


def _store(database: Database, connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    if len(rows) >= COPY_ROWS and database.dialect == POSTGRESQL:
        _copy(connection, table, rows)
    elif rows:
        connection.exec_driver_sql(_upsert(database.dialect, table), list(rows))


def _copy(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    staged = _staged(table)
    connection.execute(CreateTable(staged, if_not_exists=True))
    copy_rows(connection, table, rows)
    connection.execute(_merge(table))
    connection.execute(delete(staged))


def copy_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """COPY rows into the temporary twin of a table."""
    from psycopg import Error, sql

    driver: Any = connection.connection.driver_connection
    into = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(sql.Identifier(_staged(table).name))
    try:
        with driver.cursor() as cursor, cursor.copy(into) as copy:
            copy.set_types(types_of(table))
            for row in rows:
                copy.write_row(row)
    except Error as error:
        raise DBAPIError.instance(None, None, error, Error, dialect=connection.dialect) from error


def types_of(table: Table) -> list[str]:
    """PostgreSQL's names of the types of a table's columns."""
    return [_TYPES[type(column.type)] for column in table.c]


@cache
def _staged(table: Table) -> Table:
    """The temporary table of a session that rows are copied into."""
    columns = (Column(column.name, column.type) for column in table.c)
    return Table(
        f"staged_{table.name}", MetaData(), *columns, prefixes=["TEMPORARY"], postgresql_on_commit="DELETE ROWS"
    )


@cache
def _merge(table: Table) -> Any:
    names = [column.name for column in table.c]
    return _resolved(postgresql.insert(table).from_select(names, select(_staged(table))), table)


@cache
def _upsert(dialect: str, table: Table) -> str:
    """The driver's text of ``INSERT .. ON CONFLICT (primary key) DO UPDATE``, parameters by position."""
    build: Any = postgresql if dialect == POSTGRESQL else sqlite
    style = "format" if dialect == POSTGRESQL else "qmark"
    return str(_resolved(build.insert(table), table).compile(dialect=build.dialect(paramstyle=style)))


def _resolved(statement: Any, table: Table) -> Any:
    """An insert that replaces the row that is there; in a table that is all key, one that leaves it."""
    keys = [column.name for column in table.primary_key]
    changed = {column.name: statement.excluded[column.name] for column in table.c if column.name not in keys}
    if changed:
        return statement.on_conflict_do_update(index_elements=keys, set_=changed)
    return statement.on_conflict_do_nothing()
