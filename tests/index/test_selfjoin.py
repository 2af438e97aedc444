"""Joins give every pair within the radius once, whatever the codes, the plan and the threads."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hashsvc.codes import hamming
from hashsvc.errors import InvalidArgument
from hashsvc.index import joinplan, selfjoin, sharing, tablejoin
from hashsvc.index.selfjoin import join, self_join
from tests.index.oracle import clustered

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]


def listed(chunks: Iterable[Pairs]) -> list[tuple[int, int, int]]:
    found = [pair for chunk in chunks for pair in zip(*(column.tolist() for column in chunk), strict=True)]
    assert len(found) == len(set(found))
    return sorted(found)


def every_pair(codes: np.ndarray, others: np.ndarray, radius: int, *, same: bool) -> list[tuple[int, int, int]]:
    distances = hamming(codes[:, None], others[None])
    near = distances <= radius
    if same:
        near = np.triu(near, 1)
    left, right = np.nonzero(near)
    return list(zip(left.tolist(), right.tolist(), distances[left, right].tolist(), strict=True))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("bits", [8, 40, 64, 72, 128, 256, 1024])
def test_every_pair_once(bits: int, threads: int) -> None:
    codes = clustered(np.random.default_rng(bits), 600, bits)
    for radius in {0, 1, 3, 8, 16, bits // 3, bits}:
        if radius <= bits:
            expected = every_pair(codes, codes, radius, same=True)
            assert listed(self_join(codes, radius, threads)) == expected
            expected = every_pair(codes[:200], codes[150:], radius, same=False)
            assert listed(join(codes[:200], codes[150:], radius, threads)) == expected


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from([8, 16, 64, 72, 136, 256, 520]),
    st.integers(0, 40),
    st.integers(1, 9),
    st.sampled_from([0, 1, 2, 7, 8, 9, 65, 300]),
    st.integers(0, 2**32),
)
def test_every_plan_finds_the_same(bits: int, radius: int, pieces: int, rows: int, seed: int) -> None:
    codes = clustered(np.random.default_rng(seed), rows, bits)
    radius, expected = min(radius, bits), every_pair(codes, codes, min(radius, bits), same=True)
    plan = joinplan.plan_of(pieces, bits, radius)
    if joinplan.masks_of(plan) > 5_000:
        plan = joinplan.everything()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selfjoin, "best_plan", lambda *_: plan)
        assert listed(self_join(codes, radius)) == expected


def test_chunks_are_small_and_alike_for_any_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "CHUNK", 100)
    monkeypatch.setattr(tablejoin, "LEAST_RANGE", 64)
    codes = clustered(np.random.default_rng(5), 1000, 64)
    alone = list(self_join(codes, 3))
    assert max(len(chunk[0]) for chunk in alone) <= 100
    assert listed(alone) == every_pair(codes, codes, 3, same=True)
    for one, other in zip(alone, self_join(codes, 3, threads=4), strict=True):
        assert [column.tolist() for column in one] == [column.tolist() for column in other]


def test_codes_that_many_items_share_are_multiplied_out_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "CHUNK", 1_000)
    words, shared, alone = np.arange(40, dtype=np.uint64)[:, None], 2_000, 3
    many = sharing.Distinct(words, np.arange(40 * shared), np.arange(0, 40 * shared + 1, shared))
    few = sharing.Distinct(words, np.arange(40 * alone), np.arange(0, 40 * alone + 1, alone))
    left, right = np.triu_indices(40, 1)
    for one, other, width in ((many, many, shared), (many, few, alone), (few, many, shared)):
        tracemalloc.start()
        chunks = list(itertools.islice(sharing.multiplied(one, other, left, right, left.astype(np.uint16)), 20))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert [len(chunk[0]) for chunk in chunks] == [1_000] * 20
        assert peak < 100 * (20 * 1_000 + len(left))
        lefts, rights, distances = (np.concatenate(column) for column in zip(*chunks, strict=True))
        height, pair = len(one.order) // 40, np.arange(20_000) // (len(one.order) // 40 * width)
        row, column = np.divmod(np.arange(20_000) % (height * width), width)
        assert np.array_equal(lefts, left[pair] * height + row)
        assert np.array_equal(rights, right[pair] * width + column)
        assert np.array_equal(distances, left[pair])


def test_a_join_can_be_left_early() -> None:
    codes = np.zeros((3000, 8), np.uint8)
    first = next(iter(self_join(codes, 0, threads=2)))
    assert len(first[0]) == sharing.CHUNK
    assert all(len(chunk[0]) for chunk in itertools.islice(self_join(codes, 3, threads=2), 3))


def test_no_kernel_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfjoin, "joining_functions", lambda words: None)
    monkeypatch.setattr(sharing, "CHUNK", 100)
    codes = clustered(np.random.default_rng(6), 300, 128)
    assert max(len(chunk[0]) for chunk in self_join(codes, 128)) == 100
    assert listed(self_join(codes, 9)) == every_pair(codes, codes, 9, same=True)
    assert listed(join(codes[:100], codes, 9)) == every_pair(codes[:100], codes, 9, same=False)


def test_many_codes_have_the_kernel_compiled_and_few_do_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    prepared: list[tuple[int, Path | None]] = []
    monkeypatch.setattr(selfjoin, "prepare", lambda words, cache: prepared.append((words, cache)))
    codes = np.zeros((selfjoin.MANY, 16), np.uint8)
    self_join(codes[1:], 1)
    assert prepared == []
    self_join(codes, 1)
    join(codes[1:], codes[:1], 1, cache=str(tmp_path))
    assert prepared == [(2, None), (2, tmp_path)]


@pytest.mark.parametrize(
    ("shape", "radius", "threads", "field"),
    [((3, 8), 65, 1, "radius"), ((3, 8), -1, 1, "radius"), ((3, 8), 1, 0, "threads"), ((3, 0), 1, 1, "codes")],
)
def test_wrong_arguments_are_named(shape: tuple[int, int], radius: int, threads: int, field: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        self_join(np.zeros(shape, np.uint8), radius, threads)
    assert raised.value.field == field


def test_codes_of_another_type_or_length_are_named() -> None:
    codes = np.zeros((3, 8), np.uint8)
    with pytest.raises(InvalidArgument, match="codes must be uint8"):
        self_join(codes.astype(np.int64), 1)
    with pytest.raises(InvalidArgument, match="codes must be uint8") as raised:
        join(codes, codes[:, :7], 1)
    assert raised.value.field == "others"
