"""SQL is the truth: collections, encoder versions, items with their codes, jobs and owners, on SQLite or PostgreSQL."""

from __future__ import annotations

from hashsvc.catalog.catalog import Catalog, open_catalog
from hashsvc.catalog.commit import UNIT_TAKEN, Changes, Commit, Novelty, UnitKeys, UnitProgress
from hashsvc.catalog.dump import blobs_of, check_dump, check_empty
from hashsvc.catalog.jobrows import LEASE_LOST
from hashsvc.catalog.migration import is_made, migrate

__all__ = [
    "LEASE_LOST",
    "UNIT_TAKEN",
    "Catalog",
    "Changes",
    "Commit",
    "Novelty",
    "UnitKeys",
    "UnitProgress",
    "blobs_of",
    "check_dump",
    "check_empty",
    "is_made",
    "migrate",
    "open_catalog",
]
