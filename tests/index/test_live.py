"""The live index: views never change, a write touches what it names only, wrong requests are refused."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from hashsvc.domain.kinds import IndexKind
from hashsvc.errors import FailedPrecondition, InvalidArgument
from hashsvc.index import ItemBitmap, LiveIndex, part
from hashsvc.index.kernel import compiled
from hashsvc.index.layout import bitmap_of, bits_before, set_places
from tests.index.filling import NONE, big, filled, pairs
from tests.index.oracle import clustered

EVERY = list(IndexKind)


def test_a_view_stays_as_it_was() -> None:
    live = LiveIndex(64, tail_rows=64)
    codes = clustered(np.random.default_rng(0), 300, 64)
    seen = []
    for start in range(0, 300, 20):
        live.apply(
            np.arange(start, start + 20), codes[start : start + 20], np.arange(start - 15, start - 10), start + 1
        )
        seen.append((live.view(), pairs(live.view().search(codes[:1], 500))))
    live.merge(everything=True)
    assert all(pairs(view.search(codes[:1], 500)) == before for view, before in seen)
    assert [view.watermark for view, _ in seen] == list(range(1, 300, 20))


@pytest.mark.parametrize("rows", [300, 2_000])
def test_a_deletion_looks_at_the_codes_it_touches_only(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(rows)
    codes = rng.integers(0, 256, (90, 8), dtype=np.uint8)[rng.integers(0, 90, rows) * rng.integers(0, 2, rows)]
    live, gone = LiveIndex(64, tail_rows=64), rng.permutation(rows)
    live.apply(np.arange(rows), codes, NONE, 1)
    segment = live.view().held[0].segment
    whole = part.answering_codes
    monkeypatch.setattr(part, "answering_codes", lambda *_: pytest.fail("a write went through every extra"))
    for watermark, start in enumerate(range(0, rows - 7, 7), 2):
        again = gone[max(start - 5, 0) : start + 7]
        live.apply(NONE, np.zeros((0, 8), np.uint8), np.concatenate([again, again[:3]]), watermark)
        held = live.view().held[0]
        alive = np.isin(segment.ids, gone[start + 7 :]), np.isin(segment.extra_ids, gone[start + 7 :])
        assert np.array_equal(set_places(held.items), np.flatnonzero(alive[0]))
        assert np.array_equal(set_places(held.extras), np.flatnonzero(alive[1]))
        assert np.array_equal(held.part.codes, whole(segment, held.items, held.extras))
        assert held.live == held.part.total == live.view().items == rows - start - 7


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 1.0])
def test_places_of_few_and_of_many_bits(share: float) -> None:
    flags = np.random.default_rng(3).random(64 * 40) < share
    places = np.flatnonzero(flags)
    bitmap = bitmap_of(places, len(flags))
    assert np.array_equal(set_places(bitmap), places)
    asked = np.array([0, 1, 63, 64, 65, 1_000, 2_559, 2_560], np.uint32)
    assert bits_before(bitmap, asked).tolist() == [int(flags[:at].sum()) for at in asked.tolist()]


@pytest.mark.parametrize("kind", EVERY)
def test_no_queries_have_no_neighbours(kind: IndexKind) -> None:
    view, queries = big(kind, 9_000).view(), np.zeros((0, 8), np.uint8)
    for found in (view.search(queries, 3), view.search(queries, 3, np.arange(9)), view.within(queries, 9)):
        assert (len(found), len(found.ids), found.exact) == (0, 0, True)


def test_memory_is_told_by_purpose() -> None:
    memory = big(IndexKind.TABLES).memory()
    assert memory.items == 60_000
    assert memory.scan_per_item <= 14
    assert memory.tables_per_item <= 24 + 4 * 4 * 65_537 / 60_000
    assert memory.total == memory.codes + memory.ids + memory.lists + memory.bitmaps + memory.tables


def test_pages_go_on_through_ties() -> None:
    live = LiveIndex(16, IndexKind.AUTO)
    live.apply(np.arange(500), np.zeros((500, 2), np.uint8), NONE, 1)
    view, seen, after = live.view(), [], None
    while page := pairs(view.search(np.zeros((1, 2), np.uint8), 7, after=after)):
        seen += page
        after = page[-1]
    assert seen == [(0, number) for number in range(500)]


def test_wrong_requests_are_refused() -> None:
    live = LiveIndex(64)
    view, query = live.view(), np.zeros((1, 8), np.uint8)
    with pytest.raises(InvalidArgument, match="k must"):
        view.search(query, 0)
    with pytest.raises(InvalidArgument, match="radius"):
        view.within(query, 65)
    with pytest.raises(InvalidArgument, match="radius"):
        view.within_chunks(query[0], 65)
    with pytest.raises(InvalidArgument, match="chunk"):
        view.within_chunks(query[0], 3, chunk=0)
    with pytest.raises(InvalidArgument, match="codes must"):
        view.search(np.zeros((1, 9), np.uint8), 1)
    with pytest.raises(InvalidArgument, match="effort"):
        view.search(query, 1, effort=0)
    with pytest.raises(InvalidArgument, match="ids are"):
        live.apply(np.array([-1]), query, NONE, 1)
    with pytest.raises(InvalidArgument, match="1 ids but 2"):
        live.apply(np.array([1]), np.zeros((2, 8), np.uint8), NONE, 1)
    bitmap = view.bitmap(NONE)
    live.apply(np.array([1]), query, NONE, 3)
    with pytest.raises(FailedPrecondition, match="watermark 0"):
        live.view().search(query, 1, bitmap)
    with pytest.raises(InvalidArgument, match="behind"):
        live.apply(NONE, np.zeros((0, 8), np.uint8), NONE, 2)
    with pytest.raises(InvalidArgument, match="item bitmap"):
        live.view().search(query, 1, ItemBitmap(np.zeros(3, np.uint8), 3, live.view().state))


def test_without_a_kernel_numpy_answers_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled._State, "ready", {})
    view, oracle, queries = filled(IndexKind.AUTO, 64)
    assert view.explain()[0].chosen == "reference"
    for number, query in enumerate(queries):
        assert pairs(view.search(queries, 12), number) == oracle.pairs(query)[:12]


def test_importing_the_room_loads_neither_faiss_nor_numba() -> None:
    code = "import hashsvc.index, sys; assert not {'faiss', 'numba', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
