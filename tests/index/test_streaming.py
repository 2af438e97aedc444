"""Large radius answers in chunks, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from hashsvc.domain.kinds import IndexKind
from hashsvc.index import LiveIndex, streaming
from hashsvc.index.part import Part
from hashsvc.index.planner import Planner
from hashsvc.index.reference import ReferencePass
from hashsvc.index.rows import Rows
from tests.index.filling import NONE, filled, pairs


@pytest.mark.parametrize("kind", [IndexKind.AUTO, IndexKind.TABLES, IndexKind.HNSW])
@pytest.mark.parametrize("page", [7, 64, 1 << 16])
def test_within_comes_in_chunks(kind: IndexKind, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "PAGE", page)
    view, oracle, queries = filled(kind, 64)
    allowed = np.array(sorted(oracle.items)[::3], np.int64)
    for radius in (0, 3, 40, 64):
        for only in (None, allowed):
            chunks = list(view.within_chunks(queries[0], radius, only, chunk=50))
            every = oracle.pairs(queries[0], None if only is None else set(only.tolist()))
            assert [pair for chunk in chunks for pair in pairs(chunk)] == [pair for pair in every if pair[0] <= radius]
            assert all(0 < len(chunk.ids) <= min(50, page) for chunk in chunks)


def test_a_large_answer_takes_a_scan_for_each_band_of_distances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "PAGE", 1_000)
    bits = np.arange(64) < np.repeat(np.arange(65), 100)[:, None]
    codes = np.packbits(np.random.default_rng(4).permuted(bits, axis=1), axis=1)
    live, zero, scans = LiveIndex(64, IndexKind.SCAN), np.zeros(8, np.uint8), []
    live.apply(np.arange(6_500)[::-1], codes, NONE, 1)
    view = live.view()
    assert isinstance(view.exactly, Planner)
    scan = view.exactly.scan
    scattered = scan.scattered

    def counted(parts: Sequence[Part], query: np.ndarray, radius: int, beyond: int) -> Iterator[Rows]:
        scans.append((beyond, radius))
        return scattered(parts, query, radius, beyond)

    monkeypatch.setattr(scan, "scattered", counted)
    monkeypatch.setattr(scan, "nearest_under", lambda *_: pytest.fail("a page was put in order while it was scanned"))
    found = [pair for chunk in view.within_chunks(zero, 64) for pair in pairs(chunk)]
    assert found == sorted(zip(np.bitwise_count(codes).sum(1).tolist(), range(6_499, -1, -1), strict=True))
    assert scans == [(-1, 64), (-1, 9), (9, 19), (19, 29), (29, 39), (39, 49), (49, 59), (59, 64)]
    monkeypatch.setattr(streaming, "PAGE", 30)
    scans.clear()
    assert [pair for chunk in view.within_chunks(zero, 64) for pair in pairs(chunk)] == found
    assert scans == [(-1, 64), *((distance - 1, distance) for distance in range(65) for _ in range(4))]


def test_pages_without_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "PAGE", 64)
    view, oracle, queries = filled(IndexKind.AUTO, 64)
    found = list(streaming.pages(ReferencePass(), view._parts(None), view._words(queries[:1]), 40))
    ids = [number for page in found for number in page.ids.tolist()]
    assert ids == [number for distance, number in oracle.pairs(queries[0]) if distance <= 40]
    assert max(len(page.ids) for page in found) == 64
