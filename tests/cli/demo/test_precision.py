from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashsvc.cli.demo.precision import precision


def test_without_ties_it_counts() -> None:
    assert precision([0, 1, 2, 3], [True, False, True, True], k=3) == pytest.approx(2 / 3)


def test_items_that_tie_at_the_edge_share_the_places() -> None:
    assert precision([0, 5, 5, 5], [True, True, False, False], k=2) == pytest.approx((1 + 1 / 3) / 2)


def test_fewer_items_than_places() -> None:
    assert precision([0, 1], [True, False], k=10) == pytest.approx(0.5)
    assert precision([], [], k=10) == 0


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=5), st.integers(1, 5))
def test_it_is_the_mean_over_every_order_inside_a_distance(pairs: list[tuple[int, bool]], k: int) -> None:
    pairs.sort(key=lambda pair: pair[0])
    k = min(k, len(pairs))
    orders = [order for order in itertools.permutations(pairs) if [d for d, _ in order] == [d for d, _ in pairs]]
    expected = sum(sum(hit for _, hit in order[:k]) / k for order in orders) / len(orders)
    assert precision([d for d, _ in pairs], [hit for _, hit in pairs], k=k) == pytest.approx(expected)
