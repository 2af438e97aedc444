"""The first schema: collections, encoders, items, the sequence log, requests, jobs and owners.

A migration is marked with its phase: ``pre`` may run while the older version still serves (it only adds), ``post`` runs
when every process is of the newer version.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
phase = "pre"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ORDERED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)
TABLES = (
    "owners",
    "dead_letters",
    "units",
    "jobs",
    "requests",
    "attributes",
    "tombstones",
    "displaced",
    "items",
    "encoders",
    "collections",
)


def upgrade() -> None:
    """Make every table."""
    _sets()
    _items()
    _log()
    _jobs()
    _units()
    _owners()


def downgrade() -> None:
    """Drop every table."""
    for table in TABLES:
        op.drop_table(table)


def _sets() -> None:
    op.create_table(
        "collections",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("name", ORDERED, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("bits", sa.Integer(), nullable=False),
        sa.Column("encoder", sa.Text()),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("index_kind", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("watermark", sa.BigInteger(), nullable=False),
        sa.Column("items", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_collections"),
        sa.UniqueConstraint("name", name="uq_collections_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "encoders",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("name", ORDERED, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("bits", sa.Integer(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("margin", sa.Float(53), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_encoders"),
        sa.UniqueConstraint("name", "version", name="uq_encoders_name_version"),
        sa.UniqueConstraint("name", "fingerprint", name="uq_encoders_name_fingerprint"),
        sqlite_autoincrement=True,
    )


def _items() -> None:
    op.create_table(
        "items",
        sa.Column("collection", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("key", ORDERED, nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("code", sa.LargeBinary(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text()),
        sa.Column("features", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("collection", "id", name="pk_items"),
    )
    op.create_index("ix_items_collection_sequence", "items", ["collection", "sequence"], unique=True)
    op.create_table(
        "displaced",
        sa.Column("collection", sa.BigInteger(), nullable=False),
        sa.Column("key", ORDERED, nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("collection", "key", name="pk_displaced"),
    )
    op.create_table(
        "attributes",
        sa.Column("collection", sa.BigInteger(), nullable=False),
        sa.Column("field", ORDERED, nullable=False),
        sa.Column("value", ORDERED, nullable=False),
        sa.Column("item", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("collection", "field", "value", "item", name="pk_attributes"),
        sqlite_with_rowid=False,
    )


def _log() -> None:
    op.create_table(
        "tombstones",
        sa.Column("collection", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("collection", "id", name="pk_tombstones"),
    )
    op.create_index("ix_tombstones_collection_sequence", "tombstones", ["collection", "sequence"], unique=True)
    op.create_table(
        "requests",
        sa.Column("collection", sa.BigInteger(), nullable=False),
        sa.Column("request_id", ORDERED, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("acknowledgement", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("collection", "request_id", name="pk_requests"),
    )
    op.create_index("ix_requests_created_at", "requests", ["created_at"])


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("collection", ORDERED, nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("request_id", ORDERED),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        *_counts(),
        sa.Column("units", sa.Integer(), nullable=False),
        sa.Column("units_done", sa.Integer(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("request_id", name="uq_jobs_request_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_state", "jobs", ["state"])


def _units() -> None:
    op.create_table(
        "units",
        sa.Column("job", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("done", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.Float(53), nullable=False),
        *_counts(),
        sa.PrimaryKeyConstraint("job", "number", name="pk_units"),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("job", sa.BigInteger(), nullable=False),
        sa.Column("unit", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("row", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letters"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_dead_letters_job", "dead_letters", ["job"])


def _counts() -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in ("read", "stored", "unchanged", "dead")]


def _owners() -> None:
    op.create_table(
        "owners",
        sa.Column("name", ORDERED, nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("acquired_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_owners"),
    )
