from __future__ import annotations

import pytest

from hashsvc.domain.filters import Comparison, Filter, Node, Operator, check_filter, matches
from hashsvc.domain.metadata import Value
from hashsvc.errors import InvalidArgument

ITEM: dict[str, Value] = {"year": 2020, "score": 2.5, "title": "Größe", "tags": ("red", "blue"), "open": True}


def compare(field: str, operator: str, *values: Value) -> Comparison:
    return Comparison(field, Operator(operator), values)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (compare("year", "eq", 2020), True),
        (compare("year", "eq", 2020.0), True),
        (compare("year", "eq", "2020"), False),
        (compare("year", "lt", 2020), False),
        (compare("year", "le", 2020), True),
        (compare("year", "gt", 2019.5), True),
        (compare("score", "ge", 3), False),
        (compare("year", "in", 1, 2020), True),
        (compare("tags", "eq", "blue"), True),
        (compare("tags", "in", "green", "red"), True),
        (compare("tags", "prefix", "r"), False),
        (compare("tags", "gt", "a"), False),
        (compare("open", "eq", True), True),
        (compare("open", "eq", 1), False),
        (compare("open", "lt", True), False),
        (compare("title", "prefix", "Grö"), True),
        (compare("title", "gt", "Grz"), True),
        (compare("absent", "eq", 1), False),
        (compare("absent", "exists"), False),
        (compare("tags", "exists"), True),
    ],
)
def test_a_comparison_means_what_the_types_say(node: Node, expected: bool) -> None:
    assert matches(node, ITEM) is expected


def test_must_should_and_must_not() -> None:
    yes, no = compare("year", "exists"), compare("absent", "exists")
    assert matches(Filter(), ITEM)
    assert matches(Filter(must=(yes, yes), should=(no, yes), must_not=(no,)), ITEM)
    assert not matches(Filter(must=(yes, no)), ITEM)
    assert not matches(Filter(should=(no,)), ITEM)
    assert not matches(Filter(must_not=(yes,)), ITEM)
    assert matches(Filter(must=(Filter(must_not=(no,)),)), ITEM)


def deep(levels: int) -> Node:
    node: Node = compare("year", "exists")
    for _ in range(levels - 1):
        node = Filter(must=(node,))
    return node


@pytest.mark.parametrize(
    ("node", "field"),
    [
        (compare("", "exists"), "filter.field"),
        (compare("a", "in"), "filter.values"),
        (compare("a", "eq"), "filter"),
        (compare("a", "eq", 1, 2), "filter"),
        (compare("a", "exists", 1), "filter"),
        (compare("a", "prefix", 1), "filter.values"),
        (compare("a", "eq", ("x",)), "filter.values"),
        (compare("a", "eq", float("nan")), "filter.values"),
        (Filter(should=(compare("a", "exists"), compare("", "exists"))), "filter.should[1].field"),
        (Filter(must=tuple(compare("a", "exists") for _ in range(256))), "filter"),
        (deep(9), "filter" + ".must[0]" * 8),
    ],
)
def test_malformed_filters_are_refused_where_they_are_wrong(node: Node, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_filter(node)
    assert caught.value.field == field


def test_a_filter_within_its_limits_is_accepted() -> None:
    assert check_filter(deep(8)) == deep(8)
