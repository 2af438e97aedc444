"""The device kind on torch's CPU device, in chunks so small that every boundary is met."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hashsvc.domain.kinds import IndexKind
from hashsvc.errors import InvalidArgument, ResourceExhausted
from hashsvc.index import LiveIndex, View, joinplan, selfjoin, sharing
from hashsvc.index.device import comparing, joining, resident
from hashsvc.index.device.comparing import Comparing, DeviceCosts
from hashsvc.index.device.keys import Finds, finds_of
from hashsvc.index.device.nearest import Sizes, nearest_keys
from hashsvc.index.device.products import Codes, near
from hashsvc.index.device.resident import Resident
from hashsvc.index.device.rows import asked_of, bitmap_on, rows_of, rows_of_blocks
from hashsvc.index.device.within import keys_within
from hashsvc.index.devicepass import MOST_K, DevicePass
from hashsvc.index.layout import bitmap_of, to_blocks, to_words
from hashsvc.index.reference import ReferencePass, distances_of
from hashsvc.index.rows import START
from tests.encoders.elsewhere import elsewhere
from tests.index.filling import filled, pairs
from tests.index.oracle import Oracle, clustered
from tests.index.test_selfjoin import every_pair, listed

CPU = torch.device("cpu")
TINY = Sizes(first=5, growth=2, room=24, queries=3)


def resident_in(view: View) -> Resident:
    assert isinstance(view.way, DevicePass)
    return view.way.resident


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from([8, 40, 64, 72, 128, 200, 256, 512, 1024]),
    st.sampled_from([1, 2, 5, 7, 63, 64, 65, 200]),
    st.sampled_from([1, 2, 9, 64, 300]),
    st.sampled_from([(1, 2, 4), (5, 2, 8), (5, 3, 1_000), (64, 4, 16)]),
    st.floats(0, 1),
    st.integers(0, 2**32),
)
def test_chunks_of_any_size_find_the_same(
    bits: int, rows: int, k: int, sizes: tuple[int, int, int], share: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    codes = clustered(rng, rows + 4, bits)
    words = to_blocks_and_back(codes)
    items, queries = words[:-4], words[-4:]
    live = np.flatnonzero(rng.random(rows) < share)
    allowed = None if share > 0.8 else bitmap_on(bitmap_of(live, rows), CPU)
    live = np.arange(rows) if allowed is None else live
    first, growth, room = sizes
    held = Codes(rows_of(items, CPU), rows, allowed)
    asked = asked_of(queries, CPU)
    found = finds_of(nearest_keys(near, held, asked, k, Sizes(first, growth, room)))
    radius = int(rng.integers(bits + 1))
    spans = [finds_of(keys) for keys in keys_within(near, held, asked, radius, room)]
    assert all(1 <= len(span.queries) <= room for span in spans)
    for number, query in enumerate(queries):
        distances = distances_of(items, query)
        every = sorted((int(distances[place]), int(place)) for place in live)
        mine = found.queries == number
        assert list(zip(found.distances[mine], found.positions[mine], strict=True)) == every[:k]
        inside = [
            (int(distance), int(place))
            for span in spans
            for asker, distance, place in zip(*span, strict=True)
            if asker == number
        ]
        assert sorted(inside) == [pair for pair in every if pair[0] <= radius]


def to_blocks_and_back(codes: np.ndarray) -> np.ndarray:
    """Words of codes, and on the way the law that both orders of memory hold the same rows."""
    words = to_words(codes)
    rows = rows_of_blocks(to_blocks(words), CPU)
    assert torch.equal(rows[: len(words)], rows_of(words, CPU))
    return words


def test_ties_beyond_any_room_are_cut_by_id() -> None:
    rng = np.random.default_rng(3)
    codes = np.packbits(np.eye(64, dtype=np.uint8), axis=1)
    view, oracle = index_of(np.concatenate([codes, codes[:20]]), rng, TINY)
    query = np.zeros((1, 8), np.uint8)
    for k in (1, 3, 11, 70):
        assert pairs(view.search(query, k)) == oracle.pairs(query[0])[:k]
    assert pairs(view.within(query, 1)) == oracle.pairs(query[0])


def index_of(codes: np.ndarray, rng: np.random.Generator, sizes: Sizes) -> tuple[View, Oracle]:
    live, oracle = LiveIndex(8 * codes.shape[1], IndexKind.DEVICE, tail_rows=64), Oracle()
    write = (rng.permutation(3 * len(codes))[: len(codes)].astype(np.int64), codes, np.zeros(0, np.int64))
    live.apply(*write, watermark=1)
    oracle.apply(*write)
    live.merge(everything=True)
    resident_in(live.view())._sizes = sizes
    return live.view(), oracle


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([8, 16, 64, 136]), st.integers(0, 2**32), st.sampled_from([1, 4, 40, 400]))
def test_codes_whose_first_item_may_not_answer_still_do(bits: int, seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 256, (12, bits // 8), dtype=np.uint8)
    view, oracle = index_of(base[rng.integers(0, 12, 200)], rng, TINY)
    allowed = np.array(sorted(oracle.items), np.int64)
    allowed = allowed[rng.random(len(allowed)) < 0.2]
    for number, query in enumerate(base):
        expected = oracle.pairs(query, set(allowed.tolist()))
        assert pairs(view.search(base, k, allowed), number) == expected[:k]
        assert pairs(view.within(base, 3, allowed), number) == [pair for pair in expected if pair[0] <= 3]


def test_a_search_asks_the_device_unless_something_else_costs_less(monkeypatch: pytest.MonkeyPatch) -> None:
    view, _, queries = filled(IndexKind.DEVICE, 64)
    assert [step.chosen for step in view.explain(64)] == ["device"] * len(view.held) + ["scan"]
    assert view.explain(64)[0].reason == "comparing every code on cpu costs least"
    asked: list[int] = []
    searched = Resident.nearest

    def counted(self: Resident, parts: list[object], words: np.ndarray, k: int) -> object:
        asked.append(len(words))
        return searched(self, parts, words, k)  # type: ignore[arg-type]

    monkeypatch.setattr(Resident, "nearest", counted)
    truth = view.search(queries, 5, exact=True)
    page = view.search(queries[:1], 5, after=(0, 0))
    many = view.search(queries, MOST_K + 1)
    assert not asked
    assert view.search(queries, 5).ids.tolist() == truth.ids.tolist()
    assert asked == [len(queries)]
    assert len(page.ids) == 5
    assert len(many.ids) == len(queries) * view.items
    resident_in(view).comparing = Comparing(near, DeviceCosts(1e12, 0.0))
    assert view.search(queries, 5).ids.tolist() == truth.ids.tolist()
    assert asked == [len(queries)]
    assert {step.chosen for step in view.explain(64)} <= {"scan", "gather"}
    assert view.explain(64)[0].microseconds["device"] == 1e9


def test_without_a_kernel_the_device_compares_whatever_it_costs() -> None:
    view, oracle, queries = filled(IndexKind.DEVICE, 64)
    way = DevicePass(resident_in(view), ReferencePass())
    assert way.step("segment 0", view.held[0].part, 1, 3).chosen == "device"
    plain = replace(view, way=way)
    assert pairs(plain.search(queries, 9)) == oracle.pairs(queries[0])[:9]


def test_a_device_without_memory_leaves_the_search_to_the_processor(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("8 GiB wanted")

    view, oracle, queries = filled(IndexKind.DEVICE, 64)
    monkeypatch.setattr(resident, "rows_of_blocks", full)
    monkeypatch.setattr(resident, "REST", 0.0)
    assert pairs(view.search(queries, 9)) == oracle.pairs(queries[0])[:9]
    assert pairs(view.within(queries, 9)) == [pair for pair in oracle.pairs(queries[0]) if pair[0] <= 9]
    assert (
        caplog.messages
        == ["searching on the processor: the index does not fit into the memory of cpu: 8 GiB wanted"] * 2
    )


def test_a_device_without_memory_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    brought: list[int] = []

    def full(*_: object) -> None:
        brought.append(1)
        raise torch.OutOfMemoryError("8 GiB wanted")

    view, oracle, queries = filled(IndexKind.DEVICE, 64)
    now = [0.0]
    monkeypatch.setattr(resident_in(view), "_again", 0.0)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(resident, "rows_of_blocks", full)
    for seconds, times in ((0.0, 1), (1.0, 1), (resident.REST - 1, 1), (resident.REST, 2)):
        now[0] = seconds
        assert pairs(view.search(queries, 9)) == oracle.pairs(queries[0])[:9]
        assert all(step.chosen != "device" for step in view.explain(len(queries)))
        assert len(pairs(view.within(queries, 9)))
        assert len(brought) == times


def test_codes_leave_the_device_with_their_segment() -> None:
    rng = np.random.default_rng(1)
    live = LiveIndex(64, IndexKind.DEVICE, tail_rows=64)
    held = live._resident
    assert held is not None
    for watermark in range(1, 4):
        codes = clustered(rng, 100, 64)
        live.apply(np.arange(100) + 100 * watermark, codes, np.zeros(0, np.int64), watermark)
        live.view().search(codes[:2], 3)
    assert len(held._settled) == len(live.view().held) == 3
    live.merge(everything=True)
    live.view().search(codes[:2], 3)
    gc.collect()
    assert len(held._settled) == 1


@pytest.mark.parametrize("name", ["cuda:99", "cuda:999", "cuda:01", "tpu", "", "meta"])
def test_an_unknown_device_is_named(name: str) -> None:
    with pytest.raises(InvalidArgument, match=f"no device '{name}' here to search on: set HASHSVC_DEVICE") as raised:
        LiveIndex(64, IndexKind.DEVICE, device=name)
    assert raised.value.field == "device"


def test_other_kinds_ask_for_no_device_and_load_no_torch() -> None:
    LiveIndex(64, IndexKind.AUTO, device="tpu")
    code = (
        "import sys, numpy as np; from hashsvc.index import LiveIndex; from hashsvc.index.selfjoin import self_join\n"
        "live = LiveIndex(64); live.apply(np.arange(9), np.zeros((9, 8), np.uint8), np.arange(0), 1)\n"
        "live.view().search(np.zeros((1, 8), np.uint8), 1); list(self_join(np.zeros((9, 8), np.uint8), 1))\n"
        "assert not {'torch', 'triton'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_costs_are_measured_once_for_each_length_of_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing._Known, "comparing", {})
    made = [comparing.comparing_on(CPU, words) for words in (1, 2, 1)]
    assert made[0] is made[2]
    assert made[0] is not made[1]
    assert all(one.compare is near and one.costs.call > 0 for one in made)
    assert DeviceCosts(5.0, 0.5).of(10, 100) == 505.0


@pytest.mark.parametrize("bits", [8, 64, 200])
def test_a_device_joins_every_pair_once(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfjoin, "SOON", 0.0)
    monkeypatch.setattr(joining, "comparing_on", lambda device, words: Comparing(near, DeviceCosts(0.0, 0.0)))
    monkeypatch.setattr(joining, "Sizes", lambda: replace(TINY, queries=17))
    monkeypatch.setattr(sharing, "CHUNK", 10)
    codes = clustered(np.random.default_rng(bits), 150, bits)
    for radius in (1, 3, bits // 2, bits):
        chunks = list(selfjoin.self_join(codes, radius, device="cpu"))
        assert max(len(chunk[0]) for chunk in chunks) <= 10
        assert {column.dtype for chunk in chunks for column in chunk[:2]} == {np.dtype(np.int64)}
        assert {chunk[2].dtype for chunk in chunks} == {np.dtype(np.uint16)}
        assert listed(chunks) == every_pair(codes, codes, radius, same=True)
        found = listed(selfjoin.join(codes[:70], codes[50:], radius, device="cpu"))
        assert found == every_pair(codes[:70], codes[50:], radius, same=False)


def test_a_join_takes_the_device_where_that_costs_less(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes = clustered(np.random.default_rng(2), 300, 64)
    distinct = sharing.Distinct.of(codes).words
    plan = joinplan.best_plan(distinct, distinct, 64, 3)
    tables = joinplan.expected(plan, distinct, distinct)
    asked: list[int] = []

    def none(self: joining.DeviceJoin, radius: int, most: int) -> Iterator[Finds]:
        asked.append(radius)
        return iter(())

    monkeypatch.setattr(selfjoin, "SOON", 0.0)
    monkeypatch.setattr(joining.DeviceJoin, "pairs", none)
    for share in (0.9, 1.1):
        costs = DeviceCosts(0.0, share * tables / (Sizes().queries * len(distinct) / 2))
        monkeypatch.setattr(joining, "comparing_on", lambda device, words, costs=costs: Comparing(near, costs))
        found = listed(selfjoin.self_join(codes, 3, device="cpu"))
        assert (found == every_pair(codes, codes, 3, same=True)) is (share > 1)
    assert asked == [3]


def test_a_join_that_a_device_has_no_memory_for_is_made_by_the_processor(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("8 GiB wanted")

    monkeypatch.setattr(selfjoin, "SOON", 0.0)
    monkeypatch.setattr(joining, "comparing_on", lambda device, words: Comparing(near, DeviceCosts(0.0, 0.0)))
    monkeypatch.setattr(joining, "rows_of", full)
    codes = clustered(np.random.default_rng(2), 300, 64)
    assert listed(selfjoin.self_join(codes, 3, device="cpu")) == every_pair(codes, codes, 3, same=True)
    assert caplog.messages == ["joining on the processor: the codes do not fit into the memory of cpu: 8 GiB wanted"]


def test_a_device_that_runs_out_of_memory_among_the_pairs_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> tuple[torch.Tensor, int]:
        raise torch.OutOfMemoryError("8 GiB wanted")

    monkeypatch.setattr(selfjoin, "SOON", 0.0)
    monkeypatch.setattr(joining, "comparing_on", lambda device, words: Comparing(full, DeviceCosts(0.0, 0.0)))
    codes = clustered(np.random.default_rng(2), 300, 64)
    with pytest.raises(ResourceExhausted, match=r"free on cpu: .* set HASHSVC_DEVICE to cpu: 8 GiB wanted"):
        list(selfjoin.self_join(codes, 3, device="cpu"))


@pytest.mark.parametrize("compiled", [True, False])
def test_a_join_of_few_codes_makes_no_device_ready(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not compiled:
        monkeypatch.setattr(selfjoin, "joining_functions", lambda words: None)
    codes = clustered(np.random.default_rng(2), 300, 64)
    assert listed(selfjoin.self_join(codes, 3, device="cuda:99")) == every_pair(codes, codes, 3, same=True)
    monkeypatch.setattr(selfjoin, "SOON", 0.0)
    with pytest.raises(InvalidArgument, match="no device 'cuda:99' here"):
        list(selfjoin.self_join(codes, 3, device="cuda:99"))


def test_the_fused_kernel_finds_the_same() -> None:
    """Triton's interpreter runs the kernel on the CPU, in a process of its own: it is chosen by the environment."""
    pytest.importorskip("triton")
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    subprocess.run([sys.executable, "-m", "tests.index.fused"], check=True, env=environment, timeout=240)


def test_nearest_beyond_the_first_page_is_none_of_the_device() -> None:
    view, oracle, queries = filled(IndexKind.DEVICE, 64)
    every = oracle.pairs(queries[0])
    assert pairs(view.search(queries[:1], 9, after=every[20])) == every[21:30]
    parts = [held.part for held in view.held]
    found = view.way.nearest(parts, view._words(queries), 3, START)
    assert len(found.ids) == 3 * len(queries)


def test_nothing_is_made_on_the_wrong_side() -> None:
    rng = np.random.default_rng(0)
    words = rng.integers(0, 1 << 63, (300, 2), dtype=np.uint64)

    def found(device: torch.device) -> list[Finds]:
        allowed = bitmap_on(bitmap_of(np.arange(0, 300, 2), 300), device)
        asked, keys = asked_of(words[:7], device), []
        for rows in (rows_of(words, device), rows_of_blocks(to_blocks(words), device)):
            codes = Codes(rows, 300, allowed)
            keys.append(nearest_keys(near, codes, asked, 5, Sizes(8, 2, 40)))
            keys += keys_within(near, codes, asked, 60, 50, beyond=3)
        return [finds_of(some) for some in keys]

    here = found(CPU)
    with elsewhere() as device:
        there = found(device)
    assert len(here) == len(there) > 20
    for one, other in zip(here, there, strict=True):
        assert [column.tolist() for column in one] == [column.tolist() for column in other]
