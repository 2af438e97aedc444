"""The ledger of dedup: runs, decisions, near misses, marks, and what applying a run took away."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
phase = "pre"

ORDERED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)
TABLES = ("dedup_removed", "dedup_marks", "dedup_misses", "dedup_decisions", "dedup_runs")


def upgrade() -> None:
    """Make the tables."""
    _runs()
    _decisions()
    op.create_table(
        "dedup_marks",
        sa.Column("collection", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("one", ORDERED, nullable=False),
        sa.Column("other", ORDERED, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("collection", "one", "other", name="pk_dedup_marks"),
    )
    _removed()


def downgrade() -> None:
    """Drop them."""
    for table in TABLES:
        op.drop_table(table)


def _runs() -> None:
    op.create_table(
        "dedup_runs",
        sa.Column("job", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("collection", sa.BigInteger, nullable=False),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("reference", ORDERED, nullable=False),
        sa.Column("radius", sa.Integer, nullable=False),
        sa.Column("verify", sa.Text, nullable=False),
        sa.Column("threshold", sa.Float(53), nullable=False),
        sa.Column("keep", sa.Text, nullable=False),
        sa.Column("encoder", sa.Text, nullable=False),
        sa.Column("watermark", sa.BigInteger, nullable=False),
        sa.Column("items", sa.BigInteger, nullable=False),
        sa.Column("dropped", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("tag", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("job", name="pk_dedup_runs"),
    )
    op.create_index("ix_dedup_runs_collection", "dedup_runs", ["collection"])


def _decisions() -> None:
    op.create_table(
        "dedup_decisions",
        sa.Column("job", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("key", ORDERED, nullable=False),
        sa.Column("witness_id", sa.BigInteger, nullable=False),
        sa.Column("witness", ORDERED, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("distance", sa.Integer, nullable=False),
        sa.Column("score", sa.Float(53)),
        sa.Column("source", ORDERED, nullable=False),
        sa.Column("content_hash", sa.LargeBinary, nullable=False),
        sa.Column("witness_hash", sa.LargeBinary, nullable=False),
        sa.Column("applied", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("job", "id", name="pk_dedup_decisions"),
    )
    op.create_index("ix_dedup_decisions_key", "dedup_decisions", ["key"])
    op.create_table(
        "dedup_misses",
        sa.Column("job", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("key", ORDERED, nullable=False),
        sa.Column("other", ORDERED, nullable=False),
        sa.Column("distance", sa.Integer, nullable=False),
        sa.Column("score", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("job", "id", name="pk_dedup_misses"),
    )


def _removed() -> None:
    op.create_table(
        "dedup_removed",
        sa.Column("job", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("collection", sa.BigInteger, nullable=False),
        sa.Column("key", ORDERED, nullable=False),
        sa.Column("content_hash", sa.LargeBinary, nullable=False),
        sa.Column("code", sa.LargeBinary, nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("reference", sa.Text),
        sa.Column("features", sa.LargeBinary),
        sa.PrimaryKeyConstraint("job", "id", name="pk_dedup_removed"),
    )
