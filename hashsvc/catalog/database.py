"""One database: its engine, its two kinds of transaction, and the few things SQLite and PostgreSQL say differently."""

from __future__ import annotations

import time
from collections.abc import Collection as Bag
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Text,
    any_,
    bindparam,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from hashsvc.catalog.faults import translated
from hashsvc.errors import FailedPrecondition, InvalidArgument, Unavailable
from hashsvc.spans import span

BUSY_S = 30
POOL = 16
SQLITE = "sqlite"
POSTGRESQL = "postgresql"


class Database:
    """Connections to one SQLite file or one PostgreSQL database.

    Args:
        url: ``sqlite:////absolute/path`` or ``postgresql+psycopg://...``.

    Raises:
        InvalidArgument: another kind of URL.
    """

    def __init__(self, url: str) -> None:
        self.url = _checked(url)
        self.dialect = self.url.get_backend_name()
        self.engine = _sqlite(self.url) if self.dialect == SQLITE else _postgresql(self.url)
        # One statement after another must see one state: a page of the log is read from two tables.
        self._readers = (
            self.engine
            if self.dialect == SQLITE
            else self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        )

    @property
    def file(self) -> str:
        """Path of the SQLite file; "" on PostgreSQL."""
        return (self.url.database or "") if self.dialect == SQLITE else ""

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and writes nothing."""
        with span("sql.read"), translated(), self._readers.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is durable when the block is left, and undone when it raises."""
        with span("sql.write"), translated(), self.engine.connect() as connection:
            writer = connection.execution_options(hashsvc_write=True)
            with writer.begin():
                yield writer

    def now(self, connection: Connection) -> float:
        """Seconds since 1970 by the clock that all processes of this store share."""
        if self.dialect == SQLITE:
            return time.time()
        return float(connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())

    def among(self, column: Column[Any], values: Bag[Any]) -> ColumnElement[bool]:
        """``column`` is one of ``values``, of which there may be any number: they travel as one parameter."""
        if self.dialect == POSTGRESQL:
            kind = BigInteger() if isinstance(column.type, BigInteger) else Text()
            return column == any_(bindparam(None, list(values), type_=ARRAY(kind)))
        import json

        listed = func.json_each(json.dumps(list(values))).table_valued("value")
        return column.in_(select(listed.c.value))

    def purge(self) -> None:
        """Leave nothing of deleted rows in the database's files.

        Raises:
            Unavailable: somebody reads or writes meanwhile and does not end.
        """
        with translated():
            if self.dialect == SQLITE:
                _rewrite(self.engine)
            else:
                with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    connection.exec_driver_sql("VACUUM FULL")

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()


def _rewrite(engine: Engine) -> None:
    """Write a SQLite file anew from its rows.

    Deleted content is overwritten as it goes (secure_delete), but not what moving rows between pages leaves behind;
    and the write-ahead log has all of it until it is cut off.
    """
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("VACUUM")
        busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        cursor.close()
    finally:
        connection.close()
    if busy:
        raise Unavailable("the catalog is being read: purge again", retry_after=1.0)


def _checked(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise InvalidArgument(f"{url!r} is no database URL", field="url") from None
    if parsed.drivername not in {"sqlite", "postgresql+psycopg"} or not parsed.database:
        raise InvalidArgument(
            "the catalog lives in sqlite:////path/to/file or postgresql+psycopg://host/database, "
            f"not in {parsed.render_as_string(hide_password=True)!r}",
            field="url",
        )
    return parsed


def _sqlite(url: URL) -> Engine:
    engine = create_engine(
        url, pool_size=POOL, max_overflow=POOL, pool_timeout=BUSY_S, connect_args={"timeout": BUSY_S}
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes later fails at once when another wrote in between.
        write = connection.get_execution_options().get("hashsvc_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _postgresql(url: URL) -> Engine:
    try:
        engine = create_engine(url, pool_size=POOL, max_overflow=POOL, pool_timeout=BUSY_S, pool_pre_ping=True)
    except ImportError:
        raise Unavailable("PostgreSQL needs its driver: pip install 'hashsvc[postgresql]'") from None

    @event.listens_for(engine, "connect", insert=True)
    def check(connection: Any, _record: Any) -> None:
        # Set up without a locale, PostgreSQL makes databases of SQL_ASCII, and the driver gives bytes for texts.
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise FailedPrecondition(
                f"the database {url.database!r} is encoded as {encoding}, keys and metadata may hold any text: make "
                "one with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0",
                reason="DATABASE_ENCODING",
            )

    return engine
