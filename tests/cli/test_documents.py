from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from hashsvc.cli.documents import as_document, as_line
from hashsvc.domain.items import Outcome, Written
from hashsvc.domain.kinds import Kind
from hashsvc.domain.neighbours import Answer, Match
from hashsvc.errors import InvalidArgument


def test_nouns_become_objects() -> None:
    answer = Answer((Match("a", 2**62, 3, {"tags": ("x", "y"), "year": 2020}),), 7, True, False, "e@1", 9)
    assert as_document(answer) == {
        "matches": [
            {"key": "a", "id": 2**62, "distance": 3, "metadata": {"tags": ["x", "y"], "year": 2020}, "score": None}
        ],
        "watermark": 7,
        "exact": True,
        "complete": False,
        "encoder": "e@1",
        "total": 9,
    }


def test_bytes_moments_enumerations_and_arrays() -> None:
    moment = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    document = as_document(
        {"code": b"\x00\xff", "at": moment, "kind": Kind.TEXT, "codes": np.array([[1, 2]], np.uint8), "n": np.int64(5)}
    )
    assert document == {"code": "00ff", "at": "2024-05-06T07:08:09+00:00", "kind": "text", "codes": [[1, 2]], "n": 5}
    assert type(document["kind"]) is str


def test_errors_inside_an_answer() -> None:
    written = Written((Outcome.REFUSED,), 3, {0: InvalidArgument("wrong", field="items[0].key")})
    assert as_document(written) == {
        "outcomes": ["refused"],
        "watermark": 3,
        "errors": {"0": {"reason": "INVALID_ARGUMENT", "field": "items[0].key", "message": "wrong"}},
        "witnesses": {},
    }


def test_one_line_of_strict_json() -> None:
    line = as_line({"text": "ü\n\u2028", "none": None})
    assert "\n" not in line
    assert json.loads(line) == {"text": "ü\n\u2028", "none": None}
    with pytest.raises(ValueError, match="JSON"):
        as_line({"x": float("nan")})
