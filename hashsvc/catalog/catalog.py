"""The door of this room: one catalog, one attribute for each kind of row, and one for the leases on jobs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hashsvc.catalog import requests
from hashsvc.catalog.collections import Collections
from hashsvc.catalog.database import Database
from hashsvc.catalog.dedup import Dedup
from hashsvc.catalog.dedupapply import Ledger
from hashsvc.catalog.dump import dump, load
from hashsvc.catalog.encoders import Encoders
from hashsvc.catalog.grouping import Writers
from hashsvc.catalog.items import Items
from hashsvc.catalog.jobs import Jobs
from hashsvc.catalog.leases import Leases
from hashsvc.catalog.migration import check_version
from hashsvc.catalog.owners import Owners
from hashsvc.catalog.shards import Shards

KEEP_REQUESTS = timedelta(days=7)


class Catalog:
    """What a store knows. Safe to use from several threads; open one in each process."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.collections = Collections(database)
        self.encoders = Encoders(database)
        self.items = Items(database, Writers(database))
        self.jobs = Jobs(database)
        self.leases = Leases(database)
        self.dedup = Dedup(database)
        self.ledger = Ledger(database)
        self.owners = Owners(database)
        self.shards = Shards(database)

    def forget_requests(self, older: timedelta = KEEP_REQUESTS) -> int:
        """Drop stored acknowledgements older than this; how many. A request_id that is repeated later counts as new."""
        with self.database.writing() as connection:
            return requests.forget(connection, datetime.now(UTC) - older)

    def dump(self, folder: Path) -> dict[str, Any]:
        """Write every table into a folder; see :func:`hashsvc.catalog.dump.dump`."""
        return dump(self.database, folder)

    def load(self, folder: Path, known: dict[str, Any]) -> None:
        """Fill this empty catalog from a folder; see :func:`hashsvc.catalog.dump.load`."""
        load(self.database, folder, known)

    def purge(self) -> None:
        """Overwrite what was deleted: after this its bytes are in no file of the database.

        Takes time in proportion to the catalog, and on PostgreSQL keeps readers of a table waiting while it is
        rewritten. Acknowledgements and tombstones hold nothing of an item.
        """
        self.database.purge()

    def close(self) -> None:
        """Let go of everything owned and of every connection."""
        self.owners.close()
        self.database.close()


def open_catalog(url: str) -> Catalog:
    """Open the catalog at ``sqlite:////absolute/path`` or ``postgresql+psycopg://...``.

    Raises:
        FailedPrecondition: it is absent, or its schema is older or newer than this version of hashsvc.
        Unavailable: the database does not answer.
    """
    database = Database(url)
    try:
        check_version(database)
    except BaseException:
        database.close()
        raise
    return Catalog(database)
