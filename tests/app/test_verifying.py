"""What verify finds: each kind of damage, made by hand in a sound store."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from hashsvc.app import Store, open_store
from hashsvc.app.verifying import verify
from hashsvc.catalog.tables import attributes, items, tombstones
from hashsvc.domain.items import Item, item_id
from hashsvc.domain.kinds import FieldType

WIDTH = 8


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Thirty items, of which a snapshot holds twenty; one is deleted."""
    place = tmp_path / "store"
    with open_store(str(place)) as store:
        store.create_collection("c", bits=8 * WIDTH, fields={"year": FieldType.INTEGER})
        for start in (0, 20):
            rows = [
                Item(f"k{i}", code=bytes([i]) * WIDTH, metadata={"year": i})
                for i in range(start, start + 20 - start // 2)
            ]
            store.upsert("c", rows)
            store.publish(least=1 if not start else 1_000)
        store.delete_items("c", keys=["k5"])
    return place


def findings(folder: Path) -> list[tuple[str, str]]:
    with open_store(str(folder), role="worker") as store:
        return [(finding.where, finding.what) for finding in verify(store).findings]


def test_a_sound_store_has_none(folder: Path) -> None:
    assert findings(folder) == []


def lost_attribute(store: Store) -> None:
    with store.catalog.database.writing() as connection:
        connection.execute(delete(attributes).where(attributes.c.item == item_id("k3")))


def changed_code(store: Store) -> None:
    with store.catalog.database.writing() as connection:
        connection.execute(update(items).where(items.c.id == item_id("k3")).values(code=b"\xff" * WIDTH))


def lost_tombstone(store: Store) -> None:
    with store.catalog.database.writing() as connection:
        connection.execute(delete(tombstones))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lost_attribute, {"filters do not find it by its metadata"}),
        (changed_code, {"its code does not match its content hash", "the index does not hold it under its code"}),
        (lost_tombstone, {"snapshot and sequence log lead to 30 items, the catalog counts 29"}),
    ],
)
def test_each_damage_is_named(folder: Path, damage: Callable[[Store], None], said: set[str]) -> None:
    with open_store(str(folder), role="worker") as store:
        damage(store)
    assert {what for _, what in findings(folder)} == said


def test_a_snapshot_ahead_of_the_catalog_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "catalog.sqlite3", tmp_path / "earlier")
    with open_store(str(folder)) as store:
        store.upsert("c", [Item("later", code=bytes(WIDTH))])
        store.publish()
    for name in ("catalog.sqlite3-wal", "catalog.sqlite3-shm"):
        (folder / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "earlier", folder / "catalog.sqlite3")
    assert findings(folder) == [("collection c, snapshot", "it is ahead of the catalog, which was set back")]
