"""What machines share of a catalog that was set back: snapshots of the days that never were do not come back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hashsvc.app import Store, open_store
from hashsvc.app.backup import backup, restore
from hashsvc.app.roles import Role
from hashsvc.content import Depot
from hashsvc.domain.items import Item
from hashsvc.domain.queries import CodeQuery
from hashsvc.settings import Settings

WIDTH = 8


class Machines:
    """Machines that share a URL; each has a folder, and a copy of the catalog is brought to the next one by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings(shared=f"file://{folder / 'shared'}")

    def open(self, machine: str, role: Role = "owner") -> Store:
        return open_store(str(self.folder / machine), settings=self.settings, role=role)

    def move(self, machine: str, other: str) -> None:
        (self.folder / other).mkdir()
        shutil.copy(self.folder / machine / "catalog.sqlite3", self.folder / other)

    @property
    def depot(self) -> Depot:
        return Depot(f"{self.settings.shared}/snapshots/1")

    def watermarks(self) -> list[int]:
        return [int(name.partition("-")[0]) for name in self.depot.names()]

    def here(self, machine: str) -> list[str]:
        return sorted(path.name for path in (self.folder / machine).glob("snapshots/1/*"))


@pytest.fixture
def machines(tmp_path: Path) -> Machines:
    """The first has published 10, 20 and 30 writes; the catalog of ``earlier`` has 10."""
    made = Machines(tmp_path)
    with made.open("first") as store:
        store.create_collection("c", bits=8 * WIDTH)
        written(store, "a", 10)
        store.publish()
    made.move("first", "earlier")
    for name in ("b", "c"):
        with made.open("first") as store:
            written(store, name, 10)
            store.publish()
    assert made.watermarks() == [20, 30]
    return made


def written(store: Store, name: str, count: int) -> None:
    store.upsert("c", [Item(f"{name}{i}", code=f"{name}{i}".rjust(WIDTH).encode()) for i in range(count)])


def found(store: Store) -> int:
    """How many items the index holds."""
    return len(store.within("c", CodeQuery(bytes(WIDTH)), radius=8 * WIDTH).matches)


def fetches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the folders that are fetched from now on."""
    fetched: list[str] = []
    plain: Callable[[Depot, str, Path], None] = Depot.fetch

    def fetch(depot: Depot, name: str, target: Path) -> None:
        plain(depot, name, target)
        fetched.append(name)

    monkeypatch.setattr(Depot, "fetch", fetch)
    return fetched


def test_a_restored_store_is_not_followed_by_the_one_before_it(machines: Machines) -> None:
    with machines.open("earlier") as store:
        backup(store, machines.folder / "backup")
    restore(machines.folder / "backup", str(machines.folder / "new"), machines.settings)
    assert machines.watermarks() == []
    for first in range(3):
        with machines.open("new") as store:
            written(store, f"d{first}", 2)
            store.publish()
    assert machines.watermarks() == [14, 16]


def test_a_snapshot_of_another_history_is_fetched_once(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = fetches(monkeypatch)
    with machines.open("earlier") as store:
        assert found(store) == 10
        assert machines.watermarks() == []
        written(store, "d", 2)
        store.publish()
    assert machines.watermarks() == [12]
    with machines.open("earlier") as store:
        assert found(store) == 12
    assert [name[:20] for name in fetched] == [f"{30:020d}"]


def test_what_is_published_counts_not_what_has_the_highest_watermark(machines: Machines) -> None:
    with machines.open("earlier") as store:
        written(store, "d", 2)
        stray = machines.folder / "stray"
        stray.mkdir()
        for watermark in (40, 50):
            machines.depot.send(f"{watermark:020d}-{1:020d}", stray)
        store.publish()
    assert machines.watermarks() == [12]


def test_a_replica_lets_go_of_another_history(machines: Machines) -> None:
    machines.move("first", "replica")
    with machines.open("replica", "replica") as replica:
        assert found(replica) == 30
    with machines.open("earlier") as store:
        written(store, "d", 2)
        store.publish()
    for path in (machines.folder / "replica").glob("catalog.sqlite3*"):
        path.unlink()
    shutil.copy(machines.folder / "earlier" / "catalog.sqlite3", machines.folder / "replica")
    for _ in range(2):
        with machines.open("replica", "replica") as replica:
            assert found(replica) == 12
    assert [name[:20] for name in machines.here("replica") if name[:1].isdigit()] == [f"{12:020d}"]


@pytest.mark.parametrize("damage", ["changed", "lost"])
def test_the_owner_replaces_damaged_snapshots(machines: Machines, damage: str) -> None:
    shutil.rmtree(machines.folder / "first" / "snapshots")
    for path in (machines.folder / "shared").glob("snapshots/*/files/*"):
        path.write_bytes(bytes(path.stat().st_size)) if damage == "changed" else path.unlink()
    with machines.open("first") as store:
        assert found(store) == 30
        assert machines.watermarks() == []
        written(store, "d", 1)
        store.publish()
    machines.move("first", "second")
    with machines.open("second", "replica") as replica:
        assert found(replica) == 31
    assert [name[:20] for name in machines.here("second")] == [f"{31:020d}"]


def test_a_stray_file_stops_nothing(machines: Machines) -> None:
    for name in ("stray (1).json", "zzz.json", "99.json"):
        (machines.folder / "shared" / "snapshots" / "1" / "folders" / name).write_text("{}")
    with machines.open("first") as store:
        written(store, "d", 1)
        assert store.publish() == 1
    assert [int(name.partition("-")[0]) for name in machines.depot.names() if "-" in name] == [30, 31]
