"""The tables of the catalog as data; the migrations lead here, and a test compares the two."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)

HEAD = "0004"
"""Revision of the newest migration: the only schema this version works with."""

Number = BigInteger().with_variant(Integer(), "sqlite")
"""A serial number: 64 bits on both (SQLite numbers a row by itself only in a column of type INTEGER)."""

Ordered = Text().with_variant(Text(collation="C"), "postgresql")
"""Text compared by its UTF-8 bytes on both."""


class Json(TypeDecorator[Any]):
    """A JSON document kept as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Dialect) -> str:
        """To text, with keys in order; lone surrogates, as of file names that are no UTF-8, as JSON's escapes."""
        text = json.dumps(value, ensure_ascii=False, sort_keys=True)
        return text.encode("utf-8", "backslashreplace").decode()

    def process_result_value(self, value: str | None, _dialect: Dialect) -> Any:
        """From text."""
        return None if value is None else json.loads(value)


class Moment(TypeDecorator[datetime]):
    """A moment in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """SQLite keeps no zone: it is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# ``watermark`` is the counter that gives sequence numbers in commit order: the transaction that uses them raises it.
collections = Table(
    "collections",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Ordered, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("bits", Integer, nullable=False),
    Column("encoder", Text),
    Column("fingerprint", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("fields", Json, nullable=False),
    Column("index_kind", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("watermark", BigInteger, nullable=False),
    Column("items", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

encoders = Table(
    "encoders",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Ordered, nullable=False),
    Column("version", Integer, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("bits", Integer, nullable=False),
    Column("metric", Text, nullable=False),
    Column("margin", Float(53), nullable=False),
    Column("model", Text, nullable=False),
    Column("location", Text, nullable=False),
    Column("report", Json, nullable=False),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("name", "version"),
    UniqueConstraint("name", "fingerprint"),
    sqlite_autoincrement=True,
)

items = Table(
    "items",
    metadata,
    Column("collection", BigInteger, primary_key=True, autoincrement=False),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("key", Ordered, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("code", LargeBinary, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("reference", Text),
    Column("features", LargeBinary),
    Index(None, "collection", "sequence", unique=True),
)

# Keys whose own id was taken by another key: (collection, key) -> the id they were given.
displaced = Table(
    "displaced",
    metadata,
    Column("collection", BigInteger, primary_key=True, autoincrement=False),
    Column("key", Ordered, primary_key=True),
    Column("id", BigInteger, nullable=False),
)

# Deleted ids with the sequence number of their deletion: what a reader of the log needs, and nothing of the item.
tombstones = Table(
    "tombstones",
    metadata,
    Column("collection", BigInteger, primary_key=True, autoincrement=False),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Index(None, "collection", "sequence", unique=True),
)

# Values of declared metadata fields as comparison keys (see values.py).
attributes = Table(
    "attributes",
    metadata,
    Column("collection", BigInteger, primary_key=True, autoincrement=False),
    Column("field", Ordered, primary_key=True),
    Column("value", Ordered, primary_key=True),
    Column("item", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

# Acknowledgements of writes that carried a request_id.
requests = Table(
    "requests",
    metadata,
    Column("collection", BigInteger, primary_key=True, autoincrement=False),
    Column("request_id", Ordered, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("acknowledgement", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False, index=True),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Number, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("collection", Ordered, nullable=False),
    Column("spec", Json, nullable=False),
    Column("state", Text, nullable=False, index=True),
    Column("request_id", Ordered, unique=True),
    Column("created_at", Moment, nullable=False),
    Column("finished_at", Moment),
    Column("read", BigInteger, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("unchanged", BigInteger, nullable=False),
    Column("dead", BigInteger, nullable=False),
    Column("units", Integer, nullable=False),
    Column("units_done", Integer, nullable=False),
    Column("result", Json, nullable=False),
    Column("error", Text, nullable=False),
    Column("worker", Text, nullable=False),
    Column("lease_until", Float(53), nullable=False),
    sqlite_autoincrement=True,
)

units = Table(
    "units",
    metadata,
    Column("job", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("spec", Json, nullable=False),
    Column("done", Boolean, nullable=False, server_default=false()),
    Column("worker", Text, nullable=False),
    Column("lease_until", Float(53), nullable=False),
    Column("read", BigInteger, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("unchanged", BigInteger, nullable=False),
    Column("dead", BigInteger, nullable=False),
    Column("file", Text, nullable=False, server_default=""),
    Index(None, "job", "done", "number"),
)

# Keys that the rows of a running job brought, each with the unit that has it (see keys.py).
job_keys = Table(
    "job_keys",
    metadata,
    Column("job", BigInteger, primary_key=True, autoincrement=False),
    Column("key", Ordered, primary_key=True),
    Column("unit", Integer, nullable=False),
    Column("row", BigInteger, nullable=False),
    Column("stored", Boolean, nullable=False),
    sqlite_with_rowid=False,
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Number, primary_key=True),
    Column("job", BigInteger, nullable=False, index=True),
    Column("unit", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("row", BigInteger, nullable=False),
    Column("key", Text),
    Column("reason", Text, nullable=False),
    sqlite_autoincrement=True,
)

owners = Table(
    "owners",
    metadata,
    Column("name", Ordered, primary_key=True),
    Column("fence", BigInteger, nullable=False),
    Column("address", Text, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("acquired_at", Moment, nullable=False),
)

# One dedup run, under the number of its job. ``about`` holds what only answers need.
dedup_runs = Table(
    "dedup_runs",
    metadata,
    Column("job", BigInteger, primary_key=True, autoincrement=False),
    Column("collection", BigInteger, nullable=False, index=True),
    Column("mode", Text, nullable=False),
    Column("reference", Ordered, nullable=False),
    Column("radius", Integer, nullable=False),
    Column("verify", Text, nullable=False),
    Column("threshold", Float(53), nullable=False),
    Column("keep", Text, nullable=False),
    Column("encoder", Text, nullable=False),
    Column("watermark", BigInteger, nullable=False),
    Column("items", BigInteger, nullable=False),
    Column("dropped", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("tag", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("summary", Json, nullable=False),
)

# Dropped items and the kept ones that justify it.
dedup_decisions = Table(
    "dedup_decisions",
    metadata,
    Column("job", BigInteger, primary_key=True, autoincrement=False),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("key", Ordered, nullable=False, index=True),
    Column("witness_id", BigInteger, nullable=False),
    Column("witness", Ordered, nullable=False),
    Column("stage", Text, nullable=False),
    Column("distance", Integer, nullable=False),
    Column("score", Float(53)),
    Column("source", Ordered, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("witness_hash", LargeBinary, nullable=False),
    Column("applied", Boolean, nullable=False, server_default=false()),
)

# Kept items that nearly were duplicates of another kept one.
dedup_misses = Table(
    "dedup_misses",
    metadata,
    Column("job", BigInteger, primary_key=True, autoincrement=False),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("key", Ordered, nullable=False),
    Column("other", Ordered, nullable=False),
    Column("distance", Integer, nullable=False),
    Column("score", Float(53), nullable=False),
)

# Pairs of keys that somebody looked at and called different, the smaller key first.
dedup_marks = Table(
    "dedup_marks",
    metadata,
    Column("collection", BigInteger, primary_key=True, autoincrement=False),
    Column("one", Ordered, primary_key=True),
    Column("other", Ordered, primary_key=True),
    Column("created_at", Moment, nullable=False),
)

# What applying a run took away, as it was: undoing the run puts it back. The blobs of these rows stay.
dedup_removed = Table(
    "dedup_removed",
    metadata,
    Column("job", BigInteger, primary_key=True, autoincrement=False),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("collection", BigInteger, nullable=False),
    Column("key", Ordered, nullable=False),
    Column("content_hash", LargeBinary, nullable=False),
    Column("code", LargeBinary, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("reference", Text),
    Column("features", LargeBinary),
)

# Where the server of each part of the collections was last started; written by that server itself.
shards = Table(
    "shards",
    metadata,
    Column("of", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("address", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("process", BigInteger, nullable=False),
    Column("started_at", Moment, nullable=False),
)
