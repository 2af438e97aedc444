"""Snapshots: what was published comes back, whatever was damaged is refused, a full disk publishes nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from hashsvc.domain.kinds import IndexKind
from hashsvc.errors import Corrupt, NotFound, ResourceExhausted
from hashsvc.index import LiveIndex, kinds, load_snapshot, newest_snapshot, publish
from tests.index.filling import filled, pairs
from tests.index.oracle import clustered

NONE = np.zeros(0, np.int64)


@pytest.mark.parametrize("bits", [40, 64, 256])
def test_a_published_view_comes_back(tmp_path: Path, bits: int) -> None:
    view, oracle, queries = filled(IndexKind.AUTO, bits)
    publish(view, tmp_path, {"fingerprint": "f00"})
    live = LiveIndex.from_snapshot(tmp_path)
    assert (live.watermark, live.view().items) == (view.watermark, len(oracle.items))
    assert load_snapshot(newest_snapshot(tmp_path)).about == {"fingerprint": "f00"}
    for number, query in enumerate(queries):
        assert pairs(live.view().search(queries, 20), number) == oracle.pairs(query)[:20]
    changed = list(oracle.items)[:50]
    live.apply(NONE, np.zeros((0, bits // 8), np.uint8), np.array(changed), view.watermark + 1)
    assert live.view().items == len(oracle.items) - 50


def test_an_empty_index_is_published_and_read(tmp_path: Path) -> None:
    publish(LiveIndex(64).view(), tmp_path)
    assert LiveIndex.from_snapshot(tmp_path).view().search(np.zeros((1, 8), np.uint8), 3).ids.tolist() == []


def test_nothing_published_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        LiveIndex.from_snapshot(tmp_path / "absent")


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    live = LiveIndex(64)
    for watermark in range(1, 5):
        live.apply(np.array([watermark]), np.zeros((1, 8), np.uint8), NONE, watermark)
        publish(live.view(), tmp_path)
    assert [int(path.name[:20]) for path in sorted(tmp_path.iterdir())] == [3, 4]


def test_any_flipped_bit_is_refused_and_the_snapshot_before_serves(tmp_path: Path) -> None:
    view, _, _ = filled(IndexKind.AUTO, 64)
    rng = np.random.default_rng(3)
    publish(view, tmp_path)
    names = sorted(path.name for path in newest_snapshot(tmp_path).iterdir())
    for name in names:
        folder = publish(view, tmp_path)
        data = bytearray((folder / name).read_bytes())
        if not data:
            continue
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        (folder / name).unlink()
        (folder / name).write_bytes(data)
        with pytest.raises(Corrupt, match=r"checksum|cannot be read"):
            LiveIndex.from_snapshot(tmp_path)
        assert LiveIndex.from_snapshot(tmp_path).view().items == view.items


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    folder = publish(filled(IndexKind.AUTO, 64)[0], tmp_path)
    (folder / "0-ids.bin").unlink()
    with pytest.raises(Corrupt, match=r"0-ids\.bin"):
        LiveIndex.from_snapshot(tmp_path)


def test_a_full_disk_publishes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    view = filled(IndexKind.AUTO, 64)[0]
    publish(view, tmp_path)
    before = sorted(tmp_path.iterdir())

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceExhausted, match="no room on the disk"):
        publish(view, tmp_path)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("published", list(IndexKind))
def test_an_index_published_as_one_kind_and_loaded_as_another_answers_as_that_one(
    published: IndexKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds, "APPROXIMATE_FROM", {IndexKind.IVF: 1_000, IndexKind.HNSW: 1_000})
    monkeypatch.setattr(kinds, "TABLES_FROM", {IndexKind.TABLES: 1_000, IndexKind.AUTO: 1_000})
    rng = np.random.default_rng(1)
    codes, queries = clustered(rng, 5_000, 64), clustered(rng, 12, 64)
    made = {kind: LiveIndex(64, kind) for kind in (published, IndexKind.REFERENCE)}
    for one in made.values():
        one.apply(np.arange(5_000), codes, np.arange(0, 5_000, 9), 1)
        while one.merge():
            pass
    publish(made[published].view(), tmp_path)
    truth = made[IndexKind.REFERENCE].view()
    for kind in IndexKind:
        live = LiveIndex.from_snapshot(tmp_path, kind)
        for _ in range(3):
            view = live.view()
            segment = view.held[0].segment
            assert segment.structure is None or segment.structure.kind is kind
            assert segment.tables is None or kind in {IndexKind.TABLES, IndexKind.AUTO}
            found = view.search(queries, 10)
            near = view.within(queries, 20)
            assert near.ids.tolist() == truth.within(queries, 20).ids.tolist()
            if found.exact:
                assert found.ids.tolist() == truth.search(queries, 10).ids.tolist()
            if not live.merge():
                break
        assert found.exact is (kind not in kinds.BUILDERS)
