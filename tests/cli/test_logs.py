"""Logs as JSON lines."""

from __future__ import annotations

import json
import logging

import pytest

from hashsvc.cli.logs import JsonLines, speak_as
from hashsvc.errors import InvalidArgument


def test_a_record_is_one_line_with_what_it_was_given() -> None:
    try:
        raise ValueError("why")
    except ValueError as error:
        about = {"request_id": "r1", "field": None}
        record = logging.getLogger("hashsvc.x").makeRecord(
            "hashsvc.x", logging.ERROR, "f", 1, "%s\nfailed", ("it",), (type(error), error, None), extra=about
        )
    [line] = JsonLines().format(record).splitlines()
    told = json.loads(line)
    assert (told["level"], told["logger"], told["message"], told["request_id"]) == (
        "ERROR",
        "hashsvc.x",
        "it\nfailed",
        "r1",
    )
    assert "ValueError: why" in told["exception"]
    assert "field" not in told
    assert told["time"].endswith("+00:00")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="HASHSVC_LOG_FORMAT must be text or json, not 'xml'"):
        speak_as("xml")
