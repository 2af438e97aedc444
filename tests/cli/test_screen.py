from __future__ import annotations

import json

import pytest

from hashsvc.cli import screen


def test_json_prints_the_document_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    screen.show({"a": 1}, "for a person", json=True)
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"a": 1}
    assert captured.err == ""


def test_a_table_shows_markup_and_long_keys_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    screen.show({}, screen.table(("key", "items", "share"), [("[bold]/" + "x" * 200, 12345, 0.25)]), json=False)
    printed = capsys.readouterr().out
    assert "[bold]/" in printed
    assert printed.count("x") >= 200
    assert "12,345" in printed


def test_progress_elsewhere_than_on_a_terminal_is_plain_lines_on_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "SECONDS_BETWEEN_LINES", 0.0)
    with screen.progress("ingest") as advance:
        advance(500, 2_000, "")
        advance(2_000, 2_000, "1 dead letter")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["ingest: 500 of 2,000", "ingest: 2,000 of 2,000, 1 dead letter"]


def test_the_last_line_is_said_even_when_it_came_quickly(capsys: pytest.CaptureFixture[str]) -> None:
    with screen.progress("ingest") as advance:
        for done in range(1, 101):
            advance(done, 0, "")
    assert capsys.readouterr().err.splitlines() == ["ingest: 100"]


def test_a_failure_passes_through_progress(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with screen.progress("train") as advance:
            advance(3, 9, "loss 0.5")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert capsys.readouterr().out == ""
