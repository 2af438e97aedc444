"""No sweep comes between a write's first look at what is held and its commit, whatever the write finds there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from hashsvc.app import Store
from hashsvc.catalog.items import Items as Catalogued
from hashsvc.content import Blobs
from hashsvc.domain.items import Item, Row
from hashsvc.errors import Unavailable

TEXT = b"amber birch cedar"


@pytest.fixture
def swept(texts: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What became of a sweep that was tried at each first look at what is held, and right before each commit."""
    monkeypatch.setattr("hashsvc.content.files.WAIT_S", 0.01)
    tried: list[str] = []

    def sweep(place: str) -> None:
        try:
            Blobs(str(texts.layout.blobs)).sweep([])  # as another process does it
        except Unavailable:
            tried.append(f"{place}: refused")
        else:
            tried.append(f"{place}: swept")

    held, write = Catalogued.held, Catalogued.write

    def look(self: Catalogued, *given: Any) -> Any:
        found = held(self, *given)
        sweep("look")
        return found

    def store(self: Catalogued, collection: Any, rows: Sequence[Row], *given: Any, **more: Any) -> Any:
        sweep("commit")
        return write(self, collection, rows, *given, **more)

    monkeypatch.setattr(Catalogued, "held", look)
    monkeypatch.setattr(Catalogued, "write", store)
    return tried


def test_new_and_changed_items(texts: Store, swept: list[str]) -> None:
    texts.upsert("texts", [Item("a", TEXT)])
    texts.upsert("texts", [Item("a", TEXT, metadata={"changed": 1})])  # its blob is put by nobody
    texts.upsert("texts", [Item("a", TEXT, metadata={"changed": 1})], request_id="r")
    assert swept == ["look: refused", "commit: refused"] * 3
    assert texts.blobs.get(hashlib.sha256(TEXT).hexdigest()) == TEXT


def test_items_of_a_stream(texts: Store, swept: list[str]) -> None:
    for written in texts.upsert_stream("texts", [Item("a", TEXT), Item("b", TEXT)]):
        assert written.watermark
        Blobs(str(texts.layout.blobs)).sweep(texts.catalog.items.content_hashes())  # between batches it may
    assert swept == ["look: refused", "commit: refused"]
    assert texts.blobs.get(hashlib.sha256(TEXT).hexdigest()) == TEXT


def test_a_job(texts: Store, swept: list[str], documents: Path) -> None:
    assert texts.ingest("texts", [str(documents)]).counts.stored == 200
    assert set(swept) == {"look: refused", "commit: refused"}
    assert all(texts.blobs.get(name) for name in texts.catalog.items.content_hashes())
