"""The shard map: which server holds which part of the collections."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"
phase = "pre"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "shards",
        sa.Column("of", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("process", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("of", "number", name="pk_shards"),
    )
    # Workers ask for the next open unit of a job: without it each would look past all that are done.
    op.create_index("ix_units_job_done_number", "units", ["job", "done", "number"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_units_job_done_number", "units")
    op.drop_table("shards")
