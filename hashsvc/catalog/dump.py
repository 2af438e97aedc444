"""The whole catalog as files of JSON lines, one a table: the same from SQLite and PostgreSQL, and into either.

Binary values are base64 text. A dump is one state of the database, however busy it is meanwhile.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, LargeBinary, Table, func, insert, select, update

from hashsvc.catalog.bulk import store_attributes, store_items
from hashsvc.catalog.collections import every
from hashsvc.catalog.database import POSTGRESQL
from hashsvc.catalog.log import digest, kept_hashes
from hashsvc.catalog.tables import HEAD, Moment, attributes, dedup_removed, items, jobs, metadata, owners, shards, units
from hashsvc.durable import fsync_folder, make_folder, sha256_of
from hashsvc.errors import Corrupt, FailedPrecondition

if TYPE_CHECKING:
    from hashsvc.catalog.database import Database

ROWS = 5_000
SUFFIX = ".jsonl"
BLOBS = "blobs.txt"
TABLES = tuple(table for table in metadata.sorted_tables if table not in {owners, shards})


def dump(database: Database, folder: Path) -> dict[str, Any]:
    """Write every table into a folder, on disk when this returns; what :func:`load` needs to know of it."""
    make_folder(folder)
    with database.reading() as connection:
        tables = {table.name: _write(connection, table, folder / f"{table.name}{SUFFIX}") for table in TABLES}
        digests = {held.name: digest(connection, held) for held in every(connection)}
        blobs = _write_names(connection, folder / BLOBS)
    fsync_folder(folder)
    return {"schema": HEAD, "tables": tables, "digests": digests, "blobs": blobs}


def blobs_of(folder: Path) -> Iterator[str]:
    """Names of the blobs that the items of a dump need, each once."""
    with (folder / BLOBS).open() as file:
        for line in file:
            yield line.strip()


def check_dump(folder: Path, known: dict[str, Any]) -> None:
    """Compare every file of a dump with what :func:`dump` returned.

    Raises:
        FailedPrecondition: the dump is of another schema.
        Corrupt: a file is missing, or is not what was written.
    """
    schema = str(known["schema"])
    if schema > HEAD:
        raise FailedPrecondition(f"the backup is of schema {schema}, this version knows {HEAD}: upgrade hashsvc")
    if schema < HEAD:
        raise FailedPrecondition(
            f"the backup is of schema {schema}, this version of hashsvc needs {HEAD}: restore it with the version that "
            "wrote it, run 'hashsvc migrate' of this version on that store, and back it up again"
        )
    for table in TABLES:
        _verify(folder / f"{table.name}{SUFFIX}", known["tables"][table.name]["sha256"])
    _verify(folder / BLOBS, known["blobs"]["sha256"])


def check_empty(database: Database) -> None:
    """Refuse a catalog that holds anything.

    Raises:
        FailedPrecondition: it does.
    """
    with database.reading() as connection:
        _check_empty(connection)


def _check_empty(connection: Connection) -> None:
    for table in TABLES:
        if connection.execute(select(table.c[0]).limit(1)).first() is not None:
            raise FailedPrecondition("the store holds something already: restore into a new one")


def load(database: Database, folder: Path, known: dict[str, Any]) -> None:
    """Fill an empty catalog from a folder, in one transaction.

    Args:
        database: migrated and empty.
        folder: what :func:`dump` wrote.
        known: what it returned.

    Raises:
        FailedPrecondition: the catalog holds something already, or the dump is of another schema.
        Corrupt: a file is not what was written, or what was read has not its digests; nothing was stored.
    """
    check_dump(folder, known)
    with database.writing() as connection:
        _check_empty(connection)
        for table in TABLES:
            _read(database, connection, table, folder / f"{table.name}{SUFFIX}")
        # Whoever worked on a job is not here.
        for leased in (jobs, units):
            connection.execute(update(leased).values(worker="", lease_until=0.0))
        if {held.name: digest(connection, held) for held in every(connection)} != known["digests"]:
            raise Corrupt(f"what was read from {folder} does not have its digests: use another backup, and report it")


def _write(connection: Connection, table: Table, path: Path) -> dict[str, Any]:
    rows = connection.execution_options(yield_per=ROWS).execute(select(table))
    return _write_lines(path, (json.dumps([_plain(value) for value in row], ensure_ascii=False) for row in rows))


def _write_names(connection: Connection, path: Path) -> dict[str, Any]:
    query = kept_hashes(items).union(kept_hashes(dedup_removed))
    return _write_lines(path, (name.hex() for (name,) in connection.execution_options(yield_per=ROWS).execute(query)))


def _write_lines(path: Path, lines: Iterable[str]) -> dict[str, Any]:
    """Write lines to the disk; how many, and their sha256."""
    count, total = 0, hashlib.sha256()
    with path.open("wb") as file:
        for text in lines:
            line = text.encode("utf-8", "backslashreplace") + b"\n"  # JSON's escapes of lone surrogates
            file.write(line)
            total.update(line)
            count += 1
        file.flush()
        os.fsync(file.fileno())
    return {"rows": count, "sha256": total.hexdigest()}


def _verify(path: Path, wanted: str) -> None:
    try:
        found = sha256_of(path)
    except FileNotFoundError:
        found = "missing"
    if found != wanted:
        raise Corrupt(f"{path} is not what the backup wrote: use another backup")


def _read(database: Database, connection: Connection, table: Table, path: Path) -> None:
    for batch in _batches(path, [_reader(column) for column in table.c]):
        if table is items:
            store_items(database, connection, batch)
        elif table is attributes:
            store_attributes(database, connection, batch)
        else:
            names = [column.name for column in table.c]
            connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in batch])
    serial = table.c.get("id")
    if database.dialect == POSTGRESQL and serial is not None and serial is table.autoincrement_column:
        highest = select(func.coalesce(func.max(serial), 0) + 1).scalar_subquery()
        name = func.pg_get_serial_sequence(table.name, serial.name)
        connection.execute(select(func.setval(name, highest, False)))


def _batches(path: Path, readers: list[Any]) -> Iterator[list[tuple[Any, ...]]]:
    batch: list[tuple[Any, ...]] = []
    with path.open("rb") as file:
        for line in file:
            values = json.loads(line)
            batch.append(tuple(read(value) for read, value in zip(readers, values, strict=True)))
            if len(batch) == ROWS:
                yield batch
                batch = []
    if batch:
        yield batch


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, datetime) else value


def _reader(column: Column[Any]) -> Any:
    if isinstance(column.type, LargeBinary):
        return lambda text: None if text is None else base64.b64decode(text)
    if isinstance(column.type, Moment):
        return lambda text: None if text is None else datetime.fromisoformat(text)
    return lambda value: value
