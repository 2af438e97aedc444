"""Machines that share a database and a URL, but no folder: what one makes, the others find, checked."""

from __future__ import annotations

import shutil
from pathlib import Path

import fsspec
import pytest

from hashsvc.app import Store, open_store
from hashsvc.app.purging import purge
from hashsvc.app.roles import Role
from hashsvc.domain.items import Item
from hashsvc.domain.kinds import Kind
from hashsvc.domain.queries import ContentQuery, KeyQuery, Query
from hashsvc.errors import Corrupt, Unavailable
from hashsvc.settings import Settings

pytestmark = pytest.mark.postgresql
QUERIES: list[Query] = [ContentQuery(Kind.TEXT, b"amber birch cedar"), KeyQuery("d7")]


class Machines:
    """Machines with folders of their own.

    Args:
        url: of the database they share.
        folder: holds their folders, and the one they all reach.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self.folder = folder
        self.shared = folder / "shared"

    def settings(self, machine: str) -> Settings:
        return Settings(store=self._url, folder=str(self.folder / machine), shared=f"file://{self.shared}")

    def open(self, machine: str, role: Role = "owner") -> Store:
        return open_store(self._url, settings=self.settings(machine), role=role)


@pytest.fixture
def machines(postgresql_url: str, tmp_path: Path, documents: Path) -> Machines:
    """One machine has trained an encoder and ingested the documents, and published a snapshot."""
    found = Machines(postgresql_url, tmp_path)
    with found.open("first") as store:
        store.train("toy", [str(documents)], kind=Kind.TEXT, bits=32, model="itq")
        store.create_collection("texts", encoder="toy")
        store.ingest("texts", [str(documents)])
        store.publish()
    return found


def test_a_worker_elsewhere_fetches_the_encoder_and_its_bytes_are_found(machines: Machines) -> None:
    with machines.open("second", "worker") as worker:
        worker.upsert("texts", [Item("new", b"fjord grove heath")])
    assert not (machines.folder / "second" / "blobs").exists()
    with machines.open("first") as owner:
        assert owner.content("texts", "new") == b"fjord grove heath"
        assert owner.search("texts", [ContentQuery(Kind.TEXT, b"fjord grove heath")], k=1)[0].matches[0].key == "new"


def test_a_replica_elsewhere_starts_from_the_shared_snapshot(machines: Machines) -> None:
    with machines.open("first") as owner:
        wanted = owner.search("texts", QUERIES, k=20)
        newest = sorted(machines.folder.glob("first/snapshots/*/*"))[-1]
    with machines.open("second", "replica") as replica:
        assert replica.search("texts", QUERIES, k=20) == wanted
    fetched = list(machines.folder.glob("second/snapshots/*/*"))
    assert [path.name for path in fetched] == [newest.name]


def test_an_owner_that_moves_takes_the_snapshot_along(machines: Machines) -> None:
    shutil.rmtree(machines.folder / "first")
    with machines.open("second") as owner:
        assert [len(found.matches) for found in owner.search("texts", QUERIES, k=3)] == [3, 3]
        assert len(list(machines.folder.glob("second/snapshots/*/*"))) == 1


def test_a_damaged_snapshot_is_made_again_from_sql(machines: Machines, caplog: pytest.LogCaptureFixture) -> None:
    for path in machines.shared.glob("snapshots/*/files/*"):
        path.write_bytes(b"else")
    with machines.open("second", "replica") as replica:
        assert len(replica.search("texts", [KeyQuery("d7")], k=300)[0].matches) == 199
    assert "no snapshot was fetched" in caplog.text
    assert list(machines.folder.glob("second/snapshots/*/*")) == []


def test_a_damaged_encoder_is_refused(machines: Machines) -> None:
    for path in machines.shared.glob("encoders/files/*"):
        path.write_bytes(b"else")
    with machines.open("second", "worker") as worker, pytest.raises(Corrupt, match="send its folder again"):
        worker.upsert("texts", [Item("new", b"fjord grove heath")])


def test_purging_leaves_nothing_behind_in_what_is_shared(machines: Machines) -> None:
    with machines.open("first") as owner:
        owner.upsert("texts", [Item("secret", b"karst ledge secret")])
        owner.publish()
        held = {path.read_bytes() for path in machines.shared.rglob("*") if path.is_file()}
        assert any(b"karst ledge secret" in content for content in held)
        owner.delete_items("texts", keys=["secret"])
        purge(owner)
        left = {path.read_bytes() for path in machines.shared.rglob("*") if path.is_file()}
        assert not any(b"karst ledge secret" in content for content in left)
        assert len(list(machines.shared.glob("snapshots/*/folders/*"))) == 1


def test_what_is_shared_does_not_answer(machines: Machines, caplog: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(machines.shared / "snapshots")
    (machines.shared / "snapshots").write_bytes(b"in the way")
    with machines.open("first") as owner:
        owner.upsert("texts", [Item("new", b"fjord grove heath")])
        assert owner.publish() == 1
        assert len(owner.search("texts", [KeyQuery("new")], k=300)[0].matches) == 200
    assert "was not sent" in caplog.text


def test_purging_says_what_it_cannot_know_without_locks(postgresql_url: str, tmp_path: Path) -> None:
    settings = Settings(store=postgresql_url, folder=str(tmp_path), shared=f"memory://{tmp_path.name}")
    with open_store(postgresql_url, settings=settings) as store:
        name = store.blobs.put(b"a writer may be about to refer to this")
        assert fsspec.filesystem("memory").exists(f"/{tmp_path.name}/blobs/{name[:2]}/{name}")
        with pytest.raises(Unavailable, match=r"1 blobs .* purge again"):
            purge(store)
        assert store.blobs.get(name)
