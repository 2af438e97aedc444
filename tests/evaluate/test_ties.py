"""Tie-averaged measures against brute force: every order that the ties allow, each equally likely."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hashsvc.evaluate.distances import real_levels
from hashsvc.evaluate.levels import average_precision, expected_hits, precision
from hashsvc.evaluate.shortlist import chances

pairs = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=6)


def orders(distances: list[int]) -> Iterator[list[int]]:
    """Every order of rows in which distances never fall."""
    for order in itertools.permutations(range(len(distances))):
        if all(distances[a] <= distances[b] for a, b in itertools.pairwise(order)):
            yield list(order)


def levels(distances: list[int], related: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    counts = np.bincount(distances, minlength=4)[None]
    return counts, np.bincount(distances, weights=np.array(related, float), minlength=4)[None]


@settings(max_examples=150, deadline=None)
@given(pairs, st.integers(1, 8))
def test_precision_is_the_mean_over_every_order(items: list[tuple[int, bool]], k: int) -> None:
    distances, related = [d for d, _ in items], [r for _, r in items]
    brute = [np.mean([related[row] for row in order[:k]]) for order in orders(distances)]
    assert precision(*levels(distances, related), k)[0] == pytest.approx(np.mean(brute), abs=1e-12)


@settings(max_examples=150, deadline=None)
@given(pairs, st.integers(1, 8))
def test_average_precision_is_the_mean_over_every_order(items: list[tuple[int, bool]], k: int) -> None:
    distances, related = [d for d, _ in items], [r for _, r in items]
    total = sum(related)

    def one(order: list[int]) -> float:
        flags = [related[row] for row in order[:k]]
        places = [sum(flags[: place + 1]) / (place + 1) for place, flag in enumerate(flags) if flag]
        return sum(places) / max(1, min(total, k))

    brute = np.mean([one(order) for order in orders(distances)])
    expected = average_precision(*levels(distances, related), k, np.array([total]))
    assert expected[0] == pytest.approx(brute, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(pairs, st.integers(1, 8))
def test_real_distances_fall_into_the_same_levels(items: list[tuple[int, bool]], k: int) -> None:
    distances, related = [d for d, _ in items], [r for _, r in items]
    counts, hits = real_levels(np.array([distances], np.float32), np.array([related], float), k)
    expected = expected_hits(*levels(distances, related), min(k, len(items)))
    assert expected_hits(counts, hits, min(k, len(items)))[0] == pytest.approx(expected[0])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6),
    st.integers(1, 7),
    st.integers(1, 4),
)
def test_reranked_chances_are_the_mean_over_every_short_list(items: list[tuple[int, bool]], short: int, k: int) -> None:
    distances, related = [d for d, _ in items], np.array([r for _, r in items], float)
    scores = np.random.default_rng(len(items) * 31 + short).permutation(len(items)).astype(float)
    brute = []
    for order in orders(distances):
        listed = sorted(order[:short], key=lambda row: scores[row])
        brute.append(related[listed[:k]].sum())
    rows, chance = chances(np.array(distances), scores, short, k)
    assert (chance * related[rows]).sum() == pytest.approx(np.mean(brute), abs=1e-9)


def test_a_query_without_related_items_scores_zero() -> None:
    counts, related = np.array([[3, 2]]), np.zeros((1, 2))
    assert average_precision(counts, related, 1000, np.array([0]))[0] == 0
    assert precision(counts, related, 100)[0] == 0
