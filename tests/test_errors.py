from __future__ import annotations

import pytest

from hashsvc import errors
from hashsvc.errors import HashsvcError, InvalidArgument, InvalidContent


def test_every_kind_has_a_reason_of_its_own() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HashsvcError)]
    reasons = [kind.reason for kind in kinds]
    assert len(set(reasons)) == len(kinds)


def test_the_drawing_at_the_top_names_every_kind() -> None:
    kinds = [name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, HashsvcError)]
    drawn = errors.__doc__ or ""
    assert [name for name in kinds if f" {name} " not in drawn and name not in drawn.split()] == []


@pytest.mark.parametrize(
    ("field", "expected"),
    [(None, "items[3]"), ("content", "items[3].content"), ("[2].x", "items[3][2].x")],
)
def test_an_outer_caller_completes_the_field_path(field: str | None, expected: str) -> None:
    assert InvalidContent("bad", field=field).at("items[3]").field == expected


def test_an_own_reason_wins_over_the_kind() -> None:
    assert InvalidArgument("no", reason="CODE_LENGTH").reason == "CODE_LENGTH"
    assert InvalidArgument("no").reason == "INVALID_ARGUMENT"
