"""The live index: views never change, merging keeps answers, writers and searchers meet, plans say what they chose."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hashsvc.domain.kinds import IndexKind
from hashsvc.errors import FailedPrecondition, InvalidArgument
from hashsvc.index import Audit, ItemBitmap, LiveIndex, kinds, part, publish, streaming
from hashsvc.index import live as index_live
from hashsvc.index.audit import recall
from hashsvc.index.faisskinds import FaissStructure, faiss_module
from hashsvc.index.held import Held
from hashsvc.index.kernel import compiled
from hashsvc.index.layout import bitmap_of, bits_before, set_places
from hashsvc.index.merging import chosen, fused
from hashsvc.index.part import Part
from hashsvc.index.planner import Planner
from hashsvc.index.reference import ReferencePass
from hashsvc.index.rows import Rows
from tests.index.oracle import Oracle, clustered
from tests.index.test_kinds import NONE, filled, pairs

EVERY = list(IndexKind)


def big(kind: IndexKind, rows: int = 60_000, bits: int = 64) -> LiveIndex:
    live = LiveIndex(bits, kind)
    live.apply(np.arange(rows), clustered(np.random.default_rng(5), rows, bits), NONE, 1)
    return live


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


@pytest.mark.parametrize("kind", EVERY)
def test_merging_everything_leaves_one_segment_and_the_same_answers(kind: IndexKind) -> None:
    view, oracle, queries = filled(kind, 64)
    live = LiveIndex(64, kind, tail_rows=64)
    for number, one in enumerate(oracle.items):
        live.apply(np.array([one]), oracle.items[one][None], NONE, number)
    assert live.merge(everything=True) or len(live.view().held) == 1
    assert len(live.view().held) == 1
    assert not live.merge()
    for number, query in enumerate(queries):
        assert pairs(live.view().within(queries, 9), number) == pairs(view.within(queries, 9), number)
        assert pairs(live.view().search(queries, 9, exact=True), number) == oracle.pairs(query)[:9]


def test_segments_stay_few_when_nobody_merges() -> None:
    live, codes = LiveIndex(64, tail_rows=64), clustered(np.random.default_rng(0), 6400, 64)
    for start in range(0, 6400, 64):
        live.apply(np.arange(start, start + 64), codes[start : start + 64], NONE, start)
    assert len(live.view().held) <= 33
    assert live.view().items == 6400


def test_tombstones_are_merged_away() -> None:
    live, codes = LiveIndex(64, tail_rows=64), clustered(np.random.default_rng(5), 1000, 64)
    live.apply(np.arange(1000), codes, NONE, 1)
    live.apply(NONE, np.zeros((0, 8), np.uint8), np.arange(0, 1000, 2), 2)
    assert chosen(live.view().held, live.kind)
    assert live.merge()
    assert (live.view().held[0].dead, live.view().items) == (0, 500)
    live.apply(NONE, np.zeros((0, 8), np.uint8), np.arange(1000), 3)
    assert live.view().held == ()
    assert live.view().search(np.zeros((1, 8), np.uint8), 3).ids.tolist() == []


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


def test_a_writer_does_not_wait_for_a_merge(monkeypatch: pytest.MonkeyPatch) -> None:
    live, codes = LiveIndex(64, tail_rows=64), clustered(np.random.default_rng(2), 2_432, 64)
    for start in range(0, 1_920, 64):
        live.apply(np.arange(start, start + 64), codes[start : start + 64], NONE, start)
    begun, go_on = threading.Event(), threading.Event()

    def held_up(*arguments: Any) -> Any:
        begun.set()
        assert go_on.wait(60)
        fresh = fused(*arguments)
        monkeypatch.setattr(Held, "living", lambda _: pytest.fail("a swap went through a whole segment"))
        return fresh

    monkeypatch.setattr(index_live, "fused", held_up)
    merging = threading.Thread(target=live.merge)
    merging.start()
    assert begun.wait(60)

    def write() -> None:
        for start in range(1_920, 2_432, 64):
            live.apply(np.arange(start, start + 64), codes[start : start + 64], np.array([start - 1_900]), start)

    writing = threading.Thread(target=write)
    writing.start()
    writing.join(20)
    waited = writing.is_alive()
    assert len(live.view().held) > index_live.MOST_SEGMENTS
    go_on.set()
    for thread in (merging, writing):
        thread.join()
    assert not waited
    gone = np.arange(20, 500, 64)
    assert live.view().items == 2_432 - len(gone)
    every = live.view().within(codes[:1], 64).ids
    assert np.array_equal(np.sort(every), np.setdiff1d(np.arange(2_432), gone))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 1.0])
def test_places_of_few_and_of_many_bits(share: float) -> None:
    flags = np.random.default_rng(3).random(64 * 40) < share
    places = np.flatnonzero(flags)
    bitmap = bitmap_of(places, len(flags))
    assert np.array_equal(set_places(bitmap), places)
    asked = np.array([0, 1, 63, 64, 65, 1_000, 2_559, 2_560], np.uint32)
    assert bits_before(bitmap, asked).tolist() == [int(flags[:at].sum()) for at in asked.tolist()]


def merge_until(live: LiveIndex, stop: threading.Event) -> None:
    while not stop.is_set():
        if not live.merge():
            stop.wait(0.001)


def test_writers_mergers_and_searchers_meet() -> None:
    live, oracle = LiveIndex(64, tail_rows=64), Oracle()
    pool, lock, failures = clustered(np.random.default_rng(1), 500, 64), threading.Lock(), []
    states: dict[int, dict[int, np.ndarray]] = {0: {}}
    stop = threading.Event()

    def write(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(60):
            ids, deleted = rng.choice(900, 30, replace=False), rng.integers(0, 900, 12)
            codes = pool[rng.integers(0, 500, 30)]
            with lock:
                oracle.apply(ids, codes, deleted)
                states[len(states)] = dict(oracle.items)
                live.apply(ids, codes, deleted, len(states) - 1)

    def search(seed: int) -> None:
        rng = np.random.default_rng(seed)
        while not stop.is_set():
            view, query = live.view(), pool[rng.integers(500)]
            found = pairs(view.search(query[None], 7))
            truth = Oracle()
            truth.items = states[view.watermark]
            if found != truth.pairs(query)[:7]:
                failures.append((view.watermark, found))

    writers = [threading.Thread(target=write, args=(n,)) for n in range(2)]
    others = [
        threading.Thread(target=merge_until, args=(live, stop)),
        *(threading.Thread(target=search, args=(n,)) for n in range(3)),
    ]
    for thread in writers + others:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in others:
        thread.join()
    assert failures == []
    assert live.watermark == 120


@pytest.mark.parametrize("kind", [IndexKind.IVF, IndexKind.HNSW])
def test_approximate_kinds_recall_audit_and_never_break_a_filter(
    kind: IndexKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(kinds.APPROXIMATE_FROM, kind, 10_000)
    reported: list[float] = []
    live = LiveIndex(64, kind, audit=Audit(1.0, reported.append))
    codes = clustered(np.random.default_rng(5), 20_000, 64)
    live.apply(np.arange(20_000), codes, np.arange(0, 20_000, 7), 1)
    assert live.merge()
    assert not live.merge()
    view, queries = live.view(), codes[:40]
    found, truth = view.search(queries, 10), view.search(queries, 10, exact=True)
    assert (found.exact, truth.exact) == (False, True)
    assert reported == [recall(found, truth)]
    assert reported[0] > 0.8
    assert recall(view.search(queries, 10, effort=4000), truth) >= 0.99
    allowed = np.arange(1, 20_000, 9)
    some = view.search(queries, 10, allowed)
    assert set(some.ids.tolist()) <= set(allowed.tolist())
    assert np.array_equal(some.ids, view.search(queries, 10, allowed, exact=True).ids)


def test_faiss_starts_no_threads_of_its_own() -> None:
    faiss = faiss_module()
    view, query, threads = big(IndexKind.FLAT, 9_000).view(), np.zeros((1, 8), np.uint8), []

    def both() -> None:
        for ask in (view.within, view.search):
            faiss.omp_set_num_threads(4)
            ask(query, 3)
            threads.append(faiss.omp_get_max_threads())

    # What is set holds for the thread that sets it.
    asking = threading.Thread(target=both)
    asking.start()
    asking.join()
    assert view.held[0].segment.structure is not None
    assert threads == [1, 1]


def test_what_a_graph_would_slow_down_is_answered_exactly() -> None:
    live = big(IndexKind.HNSW, 12_000)
    live.merge()
    view = live.view()
    assert view.held[0].segment.structure is None
    assert view.search(np.zeros((1, 8), np.uint8), 10).exact


def test_a_filter_leaves_k_when_k_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kinds.APPROXIMATE_FROM, IndexKind.HNSW, 10_000)
    live = big(IndexKind.HNSW, 12_000)
    assert live.merge()
    view = live.view()
    for count in (1, 5, 10, 1000, 11_999):
        found = view.search(np.zeros((1, 8), np.uint8), 10, np.arange(count))
        assert len(found.ids) == min(10, count)


def test_plans_name_the_pass_and_the_reason() -> None:
    view = big(IndexKind.AUTO).view()
    assert {"scan", "tables"} <= set(view.explain()[0].microseconds)
    assert view.explain(radius=1)[0].chosen == "tables"
    assert view.explain(radius=60)[0].chosen == "scan"
    assert view.explain(1000, allowed=np.arange(10))[0].chosen == "gather"
    assert view.explain(64, allowed=np.arange(50_000))[0].chosen in {"scan", "tables"}
    assert "chose" in big(IndexKind.FLAT, 9_000).view().explain()[-1].reason


def told(live: LiveIndex, radius: int | None = None, allowed: np.ndarray | None = None) -> list[tuple[str, str]]:
    return [(step.part, step.chosen) for step in live.view().explain(radius=radius, allowed=allowed)]


def test_plans_name_what_answers_for_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.random.default_rng(8).integers(0, 256, (9_000, 8), dtype=np.uint8)

    def index(kind: IndexKind) -> LiveIndex:
        live = LiveIndex(64, kind)
        live.apply(np.arange(9_000), codes, NONE, 1)
        live.apply(np.arange(9_000, 9_010), codes[:10], NONE, 2)
        live.merge()
        return live

    assert told(index(IndexKind.TABLES)) == [("segment 0", "tables"), ("tail", "scan")]
    assert told(index(IndexKind.TABLES), allowed=np.arange(9_000, 9_003)) == [("tail", "scan")]
    assert told(index(IndexKind.FLAT)) == [("segment 0", "flat"), ("tail", "scan")]
    assert told(index(IndexKind.FLAT), 3) == [("segment 0", "flat"), ("tail", "scan")]
    assert told(index(IndexKind.HNSW)) == [("segment 0", "scan"), ("tail", "scan")]
    monkeypatch.setitem(kinds.APPROXIMATE_FROM, IndexKind.IVF, 1_000)
    live = index(IndexKind.IVF)
    assert told(live) == [("segment 0", "ivf"), ("tail", "scan")]
    assert "miss" in live.view().explain()[0].reason
    assert told(live, 3) == [("segment 0", "scan"), ("tail", "scan")]
    assert told(live, None, np.arange(10))[0][1] in {"gather", "scan"}
    assert told(live, None, np.arange(9_010)) == [("segment 0", "ivf"), ("tail", "scan")]
    monkeypatch.setitem(kinds.TABLES_FROM, IndexKind.TABLES, 10_000)
    step = index(IndexKind.TABLES).view().explain()[0]
    assert (step.chosen, step.codes, "small" in step.reason) == ("scan", 9_000, True)
    assert index(IndexKind.TABLES).memory().tables == 0


@pytest.mark.parametrize("kind", [IndexKind.AUTO, IndexKind.TABLES, IndexKind.IVF])
def test_plans_tell_an_index_without_a_kernel(kind: IndexKind, monkeypatch: pytest.MonkeyPatch) -> None:
    assert big(IndexKind.REFERENCE, 500).view().explain()[0].reason == "the collection chose this kind"
    monkeypatch.setattr(compiled._State, "ready", {})
    monkeypatch.setattr(compiled._State, "failure", "this process has not warmed the kernel")
    step = big(kind, 500).view().explain()[0]
    assert (step.chosen, step.reason) == (
        "reference",
        "plain numpy compares every code: this process has not warmed the kernel",
    )


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


@pytest.mark.parametrize("kind", [IndexKind.TABLES, IndexKind.FLAT, IndexKind.IVF])
def test_what_a_kind_searches_by_is_published_with_it(kind: IndexKind, tmp_path: Path) -> None:
    live = big(kind, 12_000)
    live.merge(everything=True)
    publish(live.view(), tmp_path)
    first = publish(live.view(), tmp_path)
    back = LiveIndex.from_snapshot(tmp_path, kind)
    segment = back.view().held[0].segment
    assert (segment.tables is not None, segment.structure is not None) == (kind is IndexKind.TABLES, kind != "tables")
    assert (first / "0-blocks.bin").stat().st_nlink == 2
    queries = clustered(np.random.default_rng(5), 9, 64)
    assert np.array_equal(back.view().search(queries, 10).ids, live.view().search(queries, 10).ids)
    publish(back.view(), tmp_path)
    assert LiveIndex.from_snapshot(tmp_path, IndexKind.AUTO).view().items == 12_000


def test_a_structure_that_is_published_is_linked_not_made_into_bytes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = big(IndexKind.FLAT, 9_000)
    publish(live.view(), tmp_path)

    def refuse(structure: FaissStructure) -> None:
        pytest.fail(f"the {structure.kind} structure was made into bytes")

    monkeypatch.setattr(FaissStructure, "to_bytes", refuse)
    second = publish(live.view(), tmp_path)
    assert (second / "0-faiss_flat.bin").stat().st_nlink == 2


def test_a_bitmap_made_before_a_merge_is_refused_after_it() -> None:
    live, codes = LiveIndex(64, tail_rows=64), clustered(np.random.default_rng(3), 256, 64)
    distinct = np.unique(codes, axis=0)[:128]
    live.apply(np.arange(0, 128, 2), distinct[:64], NONE, 1)
    live.apply(np.arange(1, 128, 2), distinct[64:], NONE, 2)
    before = live.view()
    bitmap = before.bitmap(np.arange(0, 128, 2))
    assert set(before.search(distinct[:1], 99, bitmap).ids.tolist()) == set(range(0, 128, 2))
    live.merge(everything=True)
    assert (live.view().ordinals, live.watermark) == (before.ordinals, 2)
    with pytest.raises(FailedPrecondition, match="another state"):
        live.view().search(distinct[:1], 99, bitmap)
