"""What passes a filter is asked of SQL once, until the collection changes; and no answer holds what passes no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hashsvc.app import Store
from hashsvc.app.passing import COST, PassingCache
from hashsvc.domain.filters import Comparison, Node, Operator
from hashsvc.domain.items import Item
from hashsvc.domain.queries import CodeQuery
from hashsvc.search import Passing
from hashsvc.search import passing as passing_file

BELOW = Comparison("n", Operator.LT, (100,))


class Sql:
    """Answers with as many ids as the filter's value says, and counts."""

    def __init__(self) -> None:
        self.asked: list[Node] = []

    def read(self, filter: Node) -> Passing:
        self.asked.append(filter)
        assert isinstance(filter, Comparison)
        return Passing(filter, np.arange(int(filter.values[0])), 0)  # type: ignore[arg-type]


def test_the_same_filter_is_asked_once_until_something_changes() -> None:
    sql = Sql()
    cache = PassingCache(sql.read, 10 * COST)
    assert cache.get(BELOW) is cache.get(BELOW)
    cache.clear()
    assert len(cache.get(BELOW).ids) == 100
    assert sql.asked == [BELOW, BELOW]


@pytest.mark.parametrize("value", [1.0, True])
def test_values_that_python_holds_for_equal_are_different_filters(value: float) -> None:
    sql = Sql()
    cache = PassingCache(sql.read, 10 * COST)
    for one in (1, value):
        cache.get(Comparison("n", Operator.EQ, (one,)))
    assert len(sql.asked) == 2


def test_no_more_ids_are_kept_than_asked_for() -> None:
    sql = Sql()
    cache = PassingCache(sql.read, 3 * COST)
    small = [Comparison("n", Operator.EQ, (count,)) for count in (1, 2, 3)]
    for one in (Comparison("n", Operator.EQ, (3 * COST,)), *small, small[2], small[1]):
        cache.get(one)
    assert len(sql.asked) == 4
    cache.get(small[0])
    assert len(sql.asked) == 5


def test_an_answer_read_while_something_changed_is_not_kept() -> None:
    sql = Sql()

    def read(filter: Node) -> Passing:
        found = sql.read(filter)
        cache.clear()
        return found

    cache = PassingCache(read, 10 * COST)
    cache.get(BELOW)
    cache.get(BELOW)
    assert len(sql.asked) == 2


@pytest.mark.parametrize("few", [0, 4096])
def test_a_filtered_search_sees_every_write(
    few: int, raw: Store, codes: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing_file, "FEW", few)
    query = [CodeQuery(codes[3].tobytes())]

    def nearest() -> str:
        return raw.search("raw", query, k=1, filter=BELOW)[0].matches[0].key

    assert nearest() == nearest() == "k3"
    raw.upsert("raw", [Item("k3", code=codes[3].tobytes(), metadata={"n": 100})])
    other = nearest()
    assert other != "k3"
    raw.upsert("raw", [Item("k3", code=codes[3].tobytes(), metadata={"n": 99})])
    assert nearest() == "k3"
    raw.delete_items("raw", keys=["k3"])
    assert nearest() == other


def test_what_passes_no_more_is_left_out_though_sql_was_asked_before(raw: Store, codes: np.ndarray) -> None:
    searcher = raw._live.searcher("raw")
    before = searcher.passing(BELOW)
    raw.upsert("raw", [Item("k3", code=codes[3].tobytes(), metadata={"n": 100})])
    late = replace(searcher, passing=lambda _: before)
    query = CodeQuery(codes[3].tobytes())
    [answer] = late.search([query], k=5, filter=BELOW)
    assert len(answer.matches) == 4
    assert not answer.complete
    assert "k3" not in {match.key for match in answer.matches}
    pieces = list(late.within_pieces(query, radius=64, size=10, filter=BELOW))
    assert "k3" not in {match.key for piece in pieces for match in piece.matches}
