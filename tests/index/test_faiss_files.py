"""FAISS's own files go out and come in; damage is noticed."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest

from hashsvc.domain.kinds import IndexKind
from hashsvc.errors import Corrupt, InvalidArgument
from hashsvc.index.faissfiles import export_faiss, import_faiss
from tests.index.filling import filled, pairs
from tests.index.oracle import clustered


def test_an_export_is_read_by_faiss_and_by_us(tmp_path: Path) -> None:
    view, oracle, queries = filled(IndexKind.AUTO, 64)
    path = tmp_path / "index.faiss"
    export_faiss(view, path)
    read = faiss.read_index_binary(str(path))
    assert read.ntotal == len(oracle.items)
    distances, _ = read.search(queries, 5)
    back = import_faiss(path, watermark=7).view()
    assert back.watermark == 7
    for number, query in enumerate(queries):
        assert distances[number].tolist() == [distance for distance, _ in oracle.pairs(query)[:5]]
        assert pairs(back.search(queries, 5), number) == oracle.pairs(query)[:5]


@pytest.mark.parametrize("made", ["Flat", "IVF", "HNSW"])
def test_files_of_others_are_read(tmp_path: Path, made: str) -> None:
    codes = clustered(np.random.default_rng(1), 400, 128)
    index = {
        "Flat": lambda: faiss.IndexBinaryFlat(128),
        "IVF": lambda: faiss.IndexBinaryIVF(faiss.IndexBinaryFlat(128), 128, 4),
        "HNSW": lambda: faiss.IndexBinaryHNSW(128, 8),
    }[made]()  # type: ignore[no-untyped-call]
    index.train(codes)
    index.add(codes)
    faiss.write_index_binary(index, str(tmp_path / "x"))
    view = import_faiss(tmp_path / "x").view()
    assert view.items == 400
    assert all(number in view.within(codes[number : number + 1], 0).ids for number in range(0, 400, 37))


def test_a_damaged_export_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "index.faiss"
    export_faiss(filled(IndexKind.AUTO, 64)[0], path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    with pytest.raises(Corrupt):
        import_faiss(path)


def test_no_faiss_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "index.faiss"
    path.write_bytes(b"no index at all")
    with pytest.raises(InvalidArgument, match=r"index\.faiss"):
        import_faiss(path)
    with pytest.raises(InvalidArgument, match="exists"):
        export_faiss(filled(IndexKind.AUTO, 64)[0], path)
