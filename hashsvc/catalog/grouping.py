"""Group commit: many small writes share one durable commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashsvc.catalog.writing import Write, perform

if TYPE_CHECKING:
    from hashsvc.catalog.commit import Commit
    from hashsvc.catalog.database import Database


class Writers:
    """The writers of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def submit(self, write: Write) -> Commit:
        """Do a write and wait until it is durable; raises what :func:`perform` raises."""
        with self._database.writing() as connection:
            return perform(self._database, connection, write)
