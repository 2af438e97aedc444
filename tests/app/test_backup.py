from __future__ import annotations

import json
import threading
from collections.abc import Iterator
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
from hashsvc.domain.kinds import ContentMode, FieldType
from hashsvc.domain.queries import CodeQuery
from hashsvc.errors import Corrupt, FailedPrecondition, NotFound
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


def test_a_damaged_backup_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    with open_store(str(tmp_path / "store")) as store:
        store.create_collection("raw", bits=64, content=ContentMode.NONE)
        store.upsert("raw", items(50))
        backup(store, folder)
        with pytest.raises(FailedPrecondition):
            backup(store, folder)
    rows = folder / "catalog" / "items.jsonl"
    whole = rows.read_bytes()
    rows.write_bytes(whole.replace(b"k7", b"k8", 1))
    with pytest.raises(Corrupt):
        restore(folder, str(tmp_path / "a"), Settings())
    rows.unlink()
    with pytest.raises(Corrupt):
        restore(folder, str(tmp_path / "b"), Settings())
    rows.write_bytes(whole)
    manifest = folder / "backup.json"
    outer = json.loads(manifest.read_text())
    outer["body"]["catalog"]["digests"]["raw"] = "0" * 64
    manifest.write_text(json.dumps(outer))
    with pytest.raises(Corrupt):
        restore(folder, str(tmp_path / "c"), Settings())
    with pytest.raises(NotFound):
        restore(tmp_path / "nowhere", str(tmp_path / "d"), Settings())


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
        purge(store, grace_s=0.0)
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
