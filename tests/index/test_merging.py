"""Merging: few segments, no tombstones, the same answers, and nobody waits for it."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from hashsvc.domain.kinds import IndexKind
from hashsvc.errors import FailedPrecondition
from hashsvc.index import LiveIndex
from hashsvc.index import live as index_live
from hashsvc.index.held import Held
from hashsvc.index.merging import chosen, fused
from tests.index.filling import NONE, filled, pairs
from tests.index.oracle import Oracle, clustered

EVERY = list(IndexKind)


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
