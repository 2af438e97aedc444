"""After a purge the bytes of deleted rows are in no file of the database."""

from __future__ import annotations

import random
import re
from pathlib import Path

from hashsvc.catalog import Catalog, migrate, open_catalog
from hashsvc.domain.collections import Collection
from hashsvc.domain.kinds import FieldType
from tests.catalog.samples import collection, row

KEYS = [f"secret-{number:05d}" for number in range(3_000)]


def churn(catalog: Catalog, held: Collection, chance: random.Random) -> set[str]:
    """Write rows of many sizes, so that pages are split, and delete half of them; the keys that are left."""
    for start in range(0, len(KEYS), 1_000):
        part = KEYS[start : start + 1_000]
        rows = [row(key, metadata={"title": f"<{key}>", "free": "w" * chance.randrange(300)}) for key in part]
        catalog.items.write(held, rows)
    gone = chance.sample(KEYS, len(KEYS) // 2)
    for start in range(0, len(gone), 500):
        catalog.items.write(held, [], gone[start : start + 500])
    return set(KEYS) - set(gone)


def test_rows_that_moved_between_pages_leave_nothing_in_the_sqlite_files(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/catalog.sqlite3"
    migrate(url)
    catalog = open_catalog(url)
    held = catalog.collections.create(collection(fields={"title": FieldType.STRING}))
    left = churn(catalog, held, random.Random(1))
    catalog.purge()
    found = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert {key.decode() for key in re.findall(rb"secret-\d{5}", found)} == left
    assert set(catalog.items.keys(held)) == left
    catalog.close()
