"""The keys of a running job, and the file of a unit: of rows with one key the first in the plan is stored."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"
phase = "pre"

ORDERED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table and the column."""
    op.create_table(
        "job_keys",
        sa.Column("job", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("key", ORDERED, nullable=False),
        sa.Column("unit", sa.Integer, nullable=False),
        sa.Column("row", sa.BigInteger, nullable=False),
        sa.Column("stored", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("job", "key", name="pk_job_keys"),
        sqlite_with_rowid=False,
    )
    op.add_column("units", sa.Column("file", sa.Text, nullable=False, server_default=""))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("units", "file")
    op.drop_table("job_keys")
