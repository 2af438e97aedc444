"""A catalog set back to an earlier day: snapshots of the days that never were answer nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from hashsvc.app import Store, open_store
from hashsvc.domain.items import Item
from hashsvc.domain.queries import CodeQuery

WIDTH = 8


def items(name: str, count: int) -> list[Item]:
    chance = np.random.default_rng(sum(name.encode()))
    return [Item(f"{name}{i}", code=chance.bytes(WIDTH)) for i in range(count)]


def written(store: Store, name: str, count: int) -> None:
    store.upsert("c", items(name, count))
    store.delete_items("c", keys=[f"{name}0"])


def answered(store: Store) -> set[str]:
    return set(store.within("c", CodeQuery(bytes(WIDTH)), radius=8 * WIDTH).keys)


def held(store: Store) -> set[str]:
    return {item.key for item in store.list_items("c", page_size=10_000).items}


@pytest.fixture
def set_back(tmp_path: Path) -> Path:
    """A store whose catalog is of 51 writes, beside snapshots of 102 and 153 writes."""
    folder = tmp_path / "store"
    with open_store(str(folder)) as store:
        store.create_collection("c", bits=8 * WIDTH)
        written(store, "a", 50)
    shutil.copy(folder / "catalog.sqlite3", tmp_path / "earlier")
    for name in ("b", "c"):
        with open_store(str(folder)) as store:
            written(store, name, 50)
            store.publish()
    for path in folder.glob("catalog.sqlite3*"):
        if "lock" not in path.name:
            path.unlink()
    shutil.copy(tmp_path / "earlier", folder / "catalog.sqlite3")
    return folder


def test_snapshots_ahead_of_the_catalog_are_set_aside(set_back: Path) -> None:
    with open_store(str(set_back)) as store:
        assert answered(store) == held(store)
        written(store, "d", 20)
        assert store.publish()
        assert answered(store) == held(store)
    with open_store(str(set_back)) as store:
        written(store, "e", 200)
        assert answered(store) == held(store)


def test_a_catalog_that_overtook_them_unopened_has_another_past(set_back: Path) -> None:
    with open_store(str(set_back), role="worker") as worker:
        written(worker, "d", 200)
    with open_store(str(set_back)) as store:
        assert answered(store) == held(store)


def test_a_snapshot_of_the_same_past_is_used(tmp_path: Path) -> None:
    with open_store(str(tmp_path)) as store:
        store.create_collection("c", bits=8 * WIDTH)
        written(store, "a", 50)
        store.upsert("c", items("a", 1))
        store.publish()
        written(store, "b", 50)
        store.delete_items("c", keys=["a1"])
    [snapshot] = [path for path in (tmp_path / "snapshots").glob("*/*") if path.name[:1].isdigit()]
    with open_store(str(tmp_path)) as store:
        assert answered(store) == held(store)
    assert snapshot.exists()


def test_a_first_start_that_was_killed_is_made_up_for(tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite3").touch()
    with open_store(str(tmp_path)) as store:
        store.create_collection("c", bits=8 * WIDTH)
        written(store, "a", 2)
        assert held(store) == {"a1"}
