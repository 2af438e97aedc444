from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashsvc.cli.filters import parse_filters
from hashsvc.domain.filters import Comparison, Filter, Node, Operator, matches
from hashsvc.errors import InvalidArgument


@pytest.mark.parametrize(
    ("expression", "node"),
    [
        ("year>=2020", Comparison("year", Operator.GE, (2020,))),
        ("year = 2020", Comparison("year", Operator.EQ, (2020,))),
        ('year = "2020"', Comparison("year", Operator.EQ, ("2020",))),
        ("score < -1.5e3", Comparison("score", Operator.LT, (-1500.0,))),
        ("draft = true", Comparison("draft", Operator.EQ, (True,))),
        ("day > 2020-01-31", Comparison("day", Operator.GT, ("2020-01-31",))),
        ("title ^= 'The \"old\"'", Comparison("title", Operator.PREFIX, ('The "old"',))),
        (r'title = "a \"b\" \\ c"', Comparison("title", Operator.EQ, ('a "b" \\ c',))),
        ("lang in (en, de, 3)", Comparison("lang", Operator.IN, ("en", "de", 3))),
        ("exists tag", Comparison("tag", Operator.EXISTS)),
        ('"in" = 1', Comparison("in", Operator.EQ, (1,))),
        ("a != b", Filter(must_not=(Comparison("a", Operator.EQ, ("b",)),))),
        ("NOT a = 1", Filter(must_not=(Comparison("a", Operator.EQ, (1,)),))),
    ],
)
def test_one_comparison(expression: str, node: Node) -> None:
    assert parse_filters([expression]) == node


def test_and_binds_tighter_than_or() -> None:
    a, b, c = (Comparison(name, Operator.EQ, (1,)) for name in "abc")
    assert parse_filters(["a=1 or b=1 and c=1"]) == Filter(should=(a, Filter(must=(b, c))))
    assert parse_filters(["(a=1 or b=1) and c=1"]) == Filter(must=(Filter(should=(a, b)), c))


def test_several_expressions_must_all_hold() -> None:
    node = parse_filters(["year >= 2020", "lang = en or lang = de"])
    assert node is not None
    assert matches(node, {"year": 2021, "lang": "de"})
    assert not matches(node, {"year": 2019, "lang": "de"})
    assert not matches(node, {"year": 2021, "lang": "fr"})


def test_no_expression_is_no_filter() -> None:
    assert parse_filters([]) is None


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("", "no field name"),
        ("year", "no comparison"),
        ("year >=", "no value"),
        ("year >= 2020 lang = en", "left over"),
        ("(a = 1", "')' was expected"),
        ("a in 3", "'(' was expected"),
        ("and = 1", "no field name"),
        ('a = "open', "not understood"),
        ("a ! b", "not understood"),
        ("a = 99999999999999999999", "64 bits"),
        ("a = 1e999", "finite"),
        ("x ^= 3", "takes a string"),
        ("(" * 400 + "a = 1" + ")" * 400, "levels"),
    ],
)
def test_a_wrong_filter_says_where(expression: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=r"filter|value|number|integer|prefix") as caught:
        parse_filters([expression])
    assert said in caught.value.message
    assert caught.value.field is not None
    assert caught.value.field.startswith("--where")


@given(st.text(alphabet="ab=<>!^()\"'\\, 0.eornt", max_size=30))
def test_any_text_is_a_filter_or_one_clear_error(text: str) -> None:
    try:
        node = parse_filters([text])
    except InvalidArgument:
        return
    assert node is not None
    assert matches(node, {"a": 1}) in {True, False}
