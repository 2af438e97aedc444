"""How Alembic runs: on the transaction that ``hashsvc.catalog.migrate`` opened."""

from __future__ import annotations

from alembic import context

from hashsvc.catalog.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
