"""A store is opened once by an owner, by workers and replicas beside it, with its kernel if asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hashsvc
from hashsvc.app import Store, open_store
from hashsvc.app.layout import Layout
from hashsvc.domain.items import Item
from hashsvc.domain.queries import CodeQuery
from hashsvc.errors import FailedPrecondition, InvalidArgument, Owned


def test_a_second_owner_is_refused_and_told_where_the_first_is(tmp_path: Path) -> None:
    with open_store(str(tmp_path), address="127.0.0.1:4242"), pytest.raises(Owned, match=r"127\.0\.0\.1:4242"):
        open_store(str(tmp_path))


def test_an_opened_store_has_the_kernel_of_its_code_lengths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warmed: list[tuple[str, list[int]]] = []
    monkeypatch.setattr("hashsvc.app.collections.warm", lambda cache, bits: warmed.append((cache, list(bits))))
    with open_store(str(tmp_path)) as store:
        store.create_collection("small", bits=64)
        store.create_collection("large", bits=128)
        assert warmed == []
    with hashsvc.open(str(tmp_path), warm=False):
        assert warmed == []
    with hashsvc.open(str(tmp_path)) as store:
        assert warmed == [("", [64, 128])]
        store.create_collection("larger", bits=256)
        assert warmed[1:] == [("", [256])]
        store.upsert("small", [Item("one", code=bytes(8))])
        store.warm_kernel(least=1)
        assert warmed[2:] == [("", [64])]


def test_a_worker_stands_beside_the_owner_and_its_writes_are_seen(raw: Store, codes: np.ndarray) -> None:
    with open_store(str(raw.layout.folder), role="worker") as worker:
        worker.upsert("raw", [Item("theirs", code=codes[0].tobytes())])
        with pytest.raises(FailedPrecondition, match="holds no index"):
            worker.search("raw", [CodeQuery(codes[0].tobytes())])
    [answer] = raw.search("raw", [CodeQuery(codes[0].tobytes())], k=2)
    assert set(answer.keys) == {"k0", "theirs"}


def test_layouts(tmp_path: Path) -> None:
    assert Layout.of(str(tmp_path)).database == f"sqlite:///{tmp_path}/catalog.sqlite3"
    remote = Layout.of("postgresql://host/name", str(tmp_path))
    assert (remote.database, remote.embedded) == ("postgresql+psycopg://host/name", False)
    for location, folder in (("mysql://x/y", "/f"), ("postgresql://x/y", "")):
        with pytest.raises(InvalidArgument):
            Layout.of(location, folder)
