from __future__ import annotations

from typing import Any

import pytest

from hashsvc.domain.kinds import FieldType
from hashsvc.domain.metadata import check_metadata
from hashsvc.errors import InvalidArgument

DECLARED = {"year": FieldType.INTEGER, "score": FieldType.FLOAT, "tags": FieldType.STRINGS}


def test_values_keep_their_types_and_lists_become_tuples() -> None:
    given = {"year": 2020, "score": 1.5, "tags": ["a", "b"], "free": True}
    assert check_metadata(given, DECLARED) == {"year": 2020, "score": 1.5, "tags": ("a", "b"), "free": True}


def test_an_integer_in_a_float_field_becomes_a_float() -> None:
    score = check_metadata({"score": 2}, DECLARED)["score"]
    assert isinstance(score, float)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("year", "2020"),
        ("year", True),
        ("year", 2020.0),
        ("tags", "a"),
        ("free", None),
        ("free", {"a": 1}),
        ("free", [1, 2]),
        ("free", float("nan")),
        ("free", float("inf")),
        ("free", 2**63),
        ("free", "a\x00"),
        ("free", "\ud800"),
        ("free", ["\ud800"]),
    ],
)
def test_other_values_are_refused_by_field(name: str, value: Any) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_metadata({name: value}, DECLARED, "items[4].metadata")
    assert caught.value.field == f"items[4].metadata.{name}"


@pytest.mark.parametrize("name", ["", "x" * 65, "a\x00b"])
def test_field_names_have_limits(name: str) -> None:
    with pytest.raises(InvalidArgument, match="1 to 64 characters"):
        check_metadata({name: 1}, {})


def test_the_number_of_fields_has_a_limit() -> None:
    with pytest.raises(InvalidArgument, match="at most 64 metadata fields, not 65"):
        check_metadata({str(n): n for n in range(65)}, {})
