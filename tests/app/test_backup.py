from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hashsvc.app import Store, open_store
from hashsvc.app.backup import backup, restore
from hashsvc.app.purging import purge
from hashsvc.app.verifying import verify
from hashsvc.catalog import migrate
from hashsvc.domain.filters import Comparison, Operator
from hashsvc.domain.items import Item
from hashsvc.domain.kinds import ContentMode, FieldType, Kind
from hashsvc.domain.queries import CodeQuery, ContentQuery
from hashsvc.errors import Corrupt, FailedPrecondition, NotFound, Owned
from hashsvc.settings import Settings
from tests.postgresql import Cluster, name_of

WIDTH = 8


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[tuple[str, Settings]]]:
    """Two empty places for a store."""
    if request.param == "sqlite":
        yield [(str(tmp_path / name), Settings()) for name in ("one", "two")]
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    urls = [cluster.create() for _ in range(2)]
    found = []
    for url in urls:
        migrate(url)
        found.append((url.replace("+psycopg", "", 1), Settings(folder=str(tmp_path / name_of(url)))))
    yield found
    for url in urls:
        cluster.drop(url)


def opened(place: tuple[str, Settings], **more: Any) -> Store:
    return open_store(place[0], settings=place[1], **more)


def items(count: int, first: int = 0) -> list[Item]:
    return [
        Item(f"k{i}", code=i.to_bytes(WIDTH, "big"), metadata={"n": i, "x": i / 7, "tags": ("a", f"t{i % 3}")})
        for i in range(first, first + count)
    ]


def test_a_store_comes_back_from_its_backup(places: list[tuple[str, Settings]], tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    with opened(places[0]) as store:
        store.create_collection("raw", bits=64, content=ContentMode.NONE, fields={"n": FieldType.INTEGER})
        store.upsert("raw", items(300), request_id="r1")
        store.delete_items("raw", keys=["k5", "k6"])
        with opened(places[0], role="worker") as beside:
            over = threading.Event()
            writer = threading.Thread(target=lambda: [store.upsert("raw", items(5, 1_000 + 5 * i)) for i in range(20)])
            writer.start()
            done = backup(beside, folder)
            writer.join()
            over.set()
        within = store.catalog.items.digest(store.collection("raw"))
    again = restore(folder, places[1][0], places[1][1])
    assert again.digests == done.digests
    assert again.items == done.items
    with opened(places[1]) as other:
        assert verify(other).findings == ()
        assert verify(other).digests == done.digests
        listed = other.count_items("raw", filter=Comparison("n", Operator.LT, (100,)))
        assert listed == 98
        assert other.search("raw", [CodeQuery((7).to_bytes(WIDTH, "big"))], k=1)[0].keys == ("k7",)
        assert other.upsert("raw", items(300), request_id="r1").watermark == 300
        other.upsert("raw", items(100, 1_000))
        assert other.catalog.items.digest(other.collection("raw")) == within
        other.create_collection("next", bits=64, content=ContentMode.NONE)
    with pytest.raises(FailedPrecondition):
        restore(folder, places[1][0], places[1][1])


@pytest.fixture(scope="module")
def saved(trained: Path, documents: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A store with an encoder and 40 texts, and a backup of it."""
    top = tmp_path_factory.mktemp("saved")
    shutil.copytree(trained, top / "store")
    with open_store(str(top / "store")) as store:
        store.create_collection("texts", encoder="toy")
        store.upsert("texts", [Item(f"d{n}", f"text {n} of some words".encode()) for n in range(40)])
        store.publish()
        done = backup(store, top / "backup")
        assert (done.items, done.blobs, done.encoders) == (40, 40, 1)
        with pytest.raises(FailedPrecondition, match="already"):
            backup(store, top / "backup")
    return top / "store", top / "backup"


def test_texts_come_back_with_their_bytes_and_their_encoder(saved: tuple[Path, Path], tmp_path: Path) -> None:
    done = restore(saved[1], str(tmp_path / "new"), Settings())
    assert (done.items, done.blobs, done.encoders) == (40, 40, 1)
    with open_store(str(tmp_path / "new")) as store:
        assert verify(store).findings == ()
        assert store.content("texts", "d7") == b"text 7 of some words"
        query = ContentQuery(Kind.TEXT, b"text 7 of some words")
        assert store.search("texts", [query], k=1)[0].matches[0].distance == 0


def test_every_file_and_folder_of_a_backup_is_synced(
    saved: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[Path] = set()
    plain = os.fsync

    def fsync(descriptor: int) -> None:
        synced.add(Path(f"/proc/self/fd/{descriptor}").readlink())
        plain(descriptor)

    folder = tmp_path / "above" / "backup"
    with open_store(str(saved[0]), role="worker") as store:
        monkeypatch.setattr("os.fsync", fsync)
        backup(store, folder)
    # The room of blobs took its own fsync when it was imported, and has its own tests.
    wanted = {path for path in folder.rglob("*") if "blobs" not in path.relative_to(folder).parts}
    assert {tmp_path, folder.parent, folder, *wanted} <= synced


def _flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _only(folder: Path, pattern: str) -> Path:
    [path] = folder.glob(pattern)
    return path


def _set_digest(folder: Path) -> None:
    outer = json.loads((folder / "backup.json").read_text())
    outer["body"]["catalog"]["digests"]["texts"] = "0" * 64
    (folder / "backup.json").write_text(json.dumps(outer))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "rows changed": lambda folder: _flip(folder / "catalog" / "items.jsonl", 9),
    "rows gone": lambda folder: (folder / "catalog" / "items.jsonl").unlink(),
    "blobs gone": lambda folder: shutil.rmtree(folder / "blobs"),
    "a bit of a pack's index": lambda folder: _flip(_only(folder, "blobs/packs/*.pack"), -1),
    "a bit of a blob": lambda folder: _flip(_only(folder, "blobs/packs/*.pack"), 3),
    "half a pack": lambda folder: _cut(_only(folder, "blobs/packs/*.pack")),
    "an empty list of blobs": lambda folder: (folder / "catalog" / "blobs.txt").write_bytes(b""),
    "no list of blobs": lambda folder: (folder / "catalog" / "blobs.txt").unlink(),
    "empty weights": lambda folder: _only(folder, "encoders/*/model.safetensors").write_bytes(b""),
    "a bit of the weights": lambda folder: _flip(_only(folder, "encoders/*/model.safetensors"), -1),
    "no encoder": lambda folder: shutil.rmtree(folder / "encoders"),
    "another digest": _set_digest,
    "half a manifest": lambda folder: _cut(folder / "backup.json"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_backup_is_refused_and_nothing_is_made(damage: str, saved: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    shutil.copytree(saved[1], folder)
    DAMAGE[damage](folder)
    with pytest.raises(Corrupt, match="another backup"):
        restore(folder, str(tmp_path / "new"), Settings())
    assert not (tmp_path / "new").exists()


def test_a_folder_without_a_backup_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        restore(tmp_path / "nowhere", str(tmp_path / "new"), Settings())
    assert not (tmp_path / "new").exists()


def test_a_backup_of_another_schema_says_what_to_do(saved: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    shutil.copytree(saved[1], folder)
    for schema, advice in (("0001", "hashsvc migrate"), ("9999", "upgrade hashsvc")):
        outer = json.loads((folder / "backup.json").read_text())
        outer["body"]["catalog"]["schema"] = schema
        outer["sha256"] = hashlib.sha256(json.dumps(outer["body"], sort_keys=True).encode()).hexdigest()
        (folder / "backup.json").write_text(json.dumps(outer))
        with pytest.raises(FailedPrecondition, match=advice):
            restore(folder, str(tmp_path / "new"), Settings())


def test_a_store_that_lost_an_encoder_or_a_blob_is_not_backed_up(saved: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(saved[0], tmp_path / "store")
    with open_store(str(tmp_path / "store")) as store:
        [encoder] = store.layout.encoders.iterdir()
        encoder.rename(tmp_path / "elsewhere")
        with pytest.raises(FailedPrecondition, match=r"encoder folder .* is missing"):
            backup(store, tmp_path / "first")
        (tmp_path / "elsewhere").rename(encoder)
        _flip(encoder / "model.safetensors", -1)
        with pytest.raises(Corrupt, match="encoder"):
            backup(store, tmp_path / "second")
        _flip(encoder / "model.safetensors", -1)
        shutil.rmtree(store.layout.blobs)
        with pytest.raises(Corrupt, match="is lost"):
            backup(store, tmp_path / "third")
    for name in ("first", "second", "third"):
        with pytest.raises(NotFound):
            restore(tmp_path / name, str(tmp_path / "new"), Settings())


def test_a_refused_restore_changes_nothing(
    places: list[tuple[str, Settings]], saved: tuple[Path, Path], tmp_path: Path
) -> None:
    with opened(places[0]) as store:
        store.create_collection("raw", bits=64, content=ContentMode.NONE)
        store.upsert("raw", items(50))
        store.publish()
        before = _held(store, tmp_path / "before")
        with pytest.raises(Owned):
            restore(saved[1], *places[0])
    with pytest.raises(FailedPrecondition, match="already"):
        restore(saved[1], *places[0])
    with opened(places[0]) as store:
        assert _held(store, tmp_path / "after") == before
        assert store.search("raw", [CodeQuery((7).to_bytes(WIDTH, "big"))], k=1)[0].keys == ("k7",)


@pytest.mark.postgresql
def test_a_database_without_tables_is_restored_into(cluster: Cluster, saved: tuple[Path, Path], tmp_path: Path) -> None:
    url = cluster.create()
    place = (url.replace("+psycopg", "", 1), Settings(folder=str(tmp_path / "new")))
    assert restore(saved[1], *place).items == 40
    with opened(place) as store:
        assert store.content("texts", "d7") == b"text 7 of some words"
    cluster.drop(url)


def _held(store: Store, folder: Path) -> dict[str, bytes]:
    """All that a store holds: its files, and its tables as they are dumped."""
    store.catalog.dump(folder)
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.iterdir()}
    found |= {str(path): path.read_bytes() for path in files(store) if "catalog.sqlite3" not in path.name}
    return found


def test_what_was_purged_is_nowhere(places: list[tuple[str, Settings]], tmp_path: Path, request: Any) -> None:
    secret, public = b"SecretCd", b"PublicCd"
    word = "confidential-word-in-metadata"
    with opened(places[0]) as store:
        store.create_collection("raw", bits=64, content=ContentMode.NONE, fields={"title": FieldType.STRING})
        store.upsert("raw", [Item("keep", code=public, metadata={"title": "nothing"})])
        store.upsert("raw", [Item("gone-key", code=secret, metadata={"title": word, "free": word})], request_id="r")
        name = store.blobs.put(b"bytes of " + word.encode())
        store.publish()
        held = [path for path in files(store) if secret in path.read_bytes()]
        assert held
        store.delete_items("raw", keys=["gone-key"], request_id="r2")
        purge(store)
        assert store.search("raw", [CodeQuery(public)], k=1)[0].keys == ("keep",)
        with pytest.raises(NotFound):
            store.blobs.get(name)
        for path in files(store):
            data = path.read_bytes()
            assert secret not in data, path
            assert word.encode() not in data, path
            assert b"gone-key" not in data, path
        assert any(public in path.read_bytes() for path in files(store))
        dumped = tmp_path / "dump"
        store.catalog.dump(dumped)
        text = b"".join(path.read_bytes() for path in dumped.iterdir())
        for trace in (word.encode(), b"gone-key", b"U2VjcmV0Q2Q"):
            assert trace not in text


def files(store: Store) -> list[Path]:
    """Every file of the store's folder, the SQLite database among them."""
    return [path for path in store.layout.folder.rglob("*") if path.is_file()]
