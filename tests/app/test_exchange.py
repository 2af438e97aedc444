"""A collection written as FAISS's own file, and such a file stored as a collection."""

from __future__ import annotations

import json
from pathlib import Path

import faiss
import numpy as np
import pytest

from hashsvc.app import Store, open_store
from hashsvc.app.exchange import export_collection, import_collection
from hashsvc.domain.items import item_id
from hashsvc.domain.queries import KeyQuery
from hashsvc.errors import Corrupt, FailedPrecondition, InvalidArgument, NotFound


def test_what_was_exported_answers_in_faiss_as_here(raw: Store, codes: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "raw.faiss"
    assert export_collection(raw, "raw", path) == 200
    index = faiss.read_index_binary(str(path))
    _, found = index.search(codes[3:4], 1)
    keys = {row["id"]: row["key"] for row in map(json.loads, Path(f"{path}.keys.jsonl").read_text().splitlines())}
    assert keys == {item_id(f"k{n}"): f"k{n}" for n in range(200)}
    assert keys[int(found[0, 0])] == "k3"
    with pytest.raises(InvalidArgument, match="exists"):
        export_collection(raw, "raw", path)


def test_what_was_imported_answers_under_the_ids_of_the_file(raw: Store, codes: np.ndarray, tmp_path: Path) -> None:
    index = faiss.IndexBinaryIDMap2(faiss.IndexBinaryFlat(8 * codes.shape[1]))
    index.add_with_ids(codes, np.arange(1000, 1000 + len(codes)))
    faiss.write_index_binary(index, str(tmp_path / "other.faiss"))
    with open_store(str(tmp_path / "theirs")) as store:
        for _ in range(2):
            assert import_collection(store, "other", tmp_path / "other.faiss") == len(codes)
            assert store.collection("other").items == len(codes)
        ours = raw.search("raw", [KeyQuery("k5")], k=3)[0].matches
        theirs = store.search("other", [KeyQuery("1005")], k=3)[0].matches
        assert sorted(m.distance for m in theirs) == sorted(m.distance for m in ours)


def test_what_does_not_fit_is_refused_and_nothing_is_stored(raw: Store, tmp_path: Path) -> None:
    path = tmp_path / "raw.faiss"
    export_collection(raw, "raw", path)
    raw.create_collection("longer", bits=128)
    with pytest.raises(FailedPrecondition, match="128 bits"):
        import_collection(raw, "longer", path)
    with pytest.raises(NotFound):
        import_collection(raw, "new", tmp_path / "absent.faiss")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(Corrupt):
        import_collection(raw, "new", path)
    assert {c.name for c in raw.collections()} == {"raw", "longer"}
