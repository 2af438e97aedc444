"""Random writes, merges and searches against brute force: many small cases by default, thousands with CASES set."""

from __future__ import annotations

import os

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hashsvc.domain.kinds import IndexKind
from hashsvc.index import LiveIndex
from hashsvc.index.planner import Planner
from hashsvc.index.rows import START
from tests.index.filling import pairs
from tests.index.oracle import Oracle

CASES = int(os.environ.get("HASHSVC_CASES", "150"))
EXACT = (IndexKind.REFERENCE, IndexKind.SCAN, IndexKind.TABLES, IndexKind.FLAT, IndexKind.AUTO, IndexKind.DEVICE)
ODD = st.sampled_from([0, 1, 2, 7, 8, 9, 63, 64, 65, 130])


@st.composite
def histories(draw: st.DrawFn) -> tuple[IndexKind, int, int, list[tuple[int, int, bool]]]:
    bits = draw(st.sampled_from([8, 16, 40, 64, 72, 128, 200, 256]))
    steps = draw(st.lists(st.tuples(ODD, ODD, st.booleans()), min_size=1, max_size=6))
    return draw(st.sampled_from(EXACT)), bits, draw(st.integers(0, 2**32)), steps


@settings(max_examples=CASES, deadline=None, derandomize=CASES < 1000, suppress_health_check=list(HealthCheck))
@given(histories(), st.sampled_from([1, 2, 9, 64, 1000]))
def test_any_history_answers_as_brute_force(
    history: tuple[IndexKind, int, int, list[tuple[int, int, bool]]], k: int
) -> None:
    kind, bits, seed, steps = history
    rng = np.random.default_rng(seed)
    live, oracle = LiveIndex(bits, kind, tail_rows=64), Oracle()
    centres = rng.integers(0, 256, (4, bits // 8), dtype=np.uint8)
    for watermark, (adds, removes, merge) in enumerate(steps, 1):
        ids = rng.choice(400, adds, replace=False).astype(np.int64)
        codes = centres[rng.integers(0, 4, adds)] ^ (rng.random((adds, bits // 8)) < 0.1).astype(np.uint8)
        known = np.array(sorted(oracle.items) or [0], np.int64)
        deleted = rng.choice(known, min(removes, len(known)), replace=False)
        live.apply(ids, codes, deleted, watermark)
        oracle.apply(ids, codes, deleted)
        if merge:
            live.merge(everything=bool(rng.integers(2)))
        check(live, oracle, centres, k, rng)


def check(live: LiveIndex, oracle: Oracle, centres: np.ndarray, k: int, rng: np.random.Generator) -> None:
    view, bits = live.view(), live.bits
    assert view.items == len(oracle.items)
    allowed = np.flatnonzero(rng.random(400) < rng.random()).astype(np.int64)
    queries = np.concatenate([centres[:1], rng.integers(0, 256, (1, bits // 8), dtype=np.uint8)])
    plain, some = view.search(queries, k), view.search(queries, k, allowed)
    by_bitmap = view.search(queries, k, view.bitmap(allowed))
    radius = int(rng.choice([0, 1, bits // 4, bits]))
    near, near_some = view.within(queries, radius), view.within(queries, radius, allowed)
    for number, query in enumerate(queries):
        every, few = oracle.pairs(query), oracle.pairs(query, set(allowed.tolist()))
        assert pairs(plain, number) == every[:k]
        assert pairs(some, number) == few[:k]
        assert pairs(by_bitmap, number) == few[:k]
        assert pairs(near, number) == [pair for pair in every if pair[0] <= radius]
        assert pairs(near_some, number) == [pair for pair in few if pair[0] <= radius]
    if every:
        at = int(rng.integers(len(every)))
        page = view.search(queries[1:], k, after=every[at])
        assert pairs(page) == every[at + 1 :][:k]


@settings(max_examples=CASES, deadline=None, derandomize=CASES < 1000, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([16, 64, 128, 320]), st.integers(0, 2**32), st.sampled_from(["scan", "gather", "tables"]))
def test_each_pass_of_the_planner_answers_alike(bits: int, seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    live, oracle = LiveIndex(bits, IndexKind.TABLES, tail_rows=64), Oracle()
    base = rng.integers(0, 256, (30, bits // 8), dtype=np.uint8)
    codes = base[rng.integers(0, 30, 300)] ^ (rng.random((300, bits // 8)) < 0.2).astype(np.uint8)
    ids = rng.permutation(1000)[:300].astype(np.int64)
    live.apply(ids, codes, ids[:20], 1)
    oracle.apply(ids, codes, ids[:20])
    view = live.view()
    assert isinstance(view.exactly, Planner)
    way = view.exactly.ways[name]
    parts, radius = [held.part for held in view.held], int(rng.integers(0, bits // 2))
    words = view._words(base[:3])
    nearest, inside = way.nearest(parts, words, 12, START), way.inside(parts, words, radius)
    for number in range(3):
        every = oracle.pairs(base[number])
        rows = nearest.queries == number
        assert list(zip(nearest.distances[rows], nearest.ids[rows], strict=True)) == every[:12]
        rows = inside.queries == number
        expected = [pair for pair in every if pair[0] <= radius]
        assert list(zip(inside.distances[rows], inside.ids[rows], strict=True)) == expected
