"""``hashsvc ingest``, ``hashsvc jobs retry``: nothing is made before the sources were looked at; counts add up."""

from __future__ import annotations

from pathlib import Path

import pytest

from hashsvc.cli.jobs import duration
from tests.cli.conftest import Run, random_codes, write_codes

CODES = [code.tobytes() for code in random_codes(60)]


def write(*, bad: int = 0) -> None:
    write_codes(Path("codes.jsonl"), CODES, bad=bad)


def test_a_dry_run_says_what_would_be_done_and_makes_nothing(hashsvc: Run) -> None:
    write(bad=1)
    assert hashsvc("migrate", "--store", "s").status == 0
    seen = hashsvc("ingest", "codes", "codes.jsonl", "--bits", 64, "--dry-run", "--store", "s", "--json").document
    assert (seen["units"], len(seen["rows"]), seen["rows"][0]["key"]) == (1, 10, "k0")
    assert seen["rows"][0]["content"] == CODES[0].hex()
    assert hashsvc("collections", "list", "--store", "s", "--json").document == {"collections": []}
    assert hashsvc("jobs", "list", "--store", "s", "--json").document == {"jobs": []}
    assert "dry run" in hashsvc("ingest", "codes", "codes.jsonl", "--bits", 64, "--dry-run", "--store", "s").out
    assert "no store" in hashsvc("ingest", "c", "codes.jsonl", "--bits", 64, "--dry-run", "--store", "none").error


@pytest.mark.parametrize("source", ["missing.jsonl", "data.txt", "other.jsonl"])
def test_a_first_ingest_that_fails_leaves_no_collection(hashsvc: Run, source: str) -> None:
    Path("data.txt").write_text("neither folder nor table")
    Path("other.jsonl").write_text('{"key": "a", "colour": "red"}\n')
    asked = ("ingest", "codes", source, "--bits", 64, "--field", "year:string", "--store", "s")
    assert source in hashsvc(*asked).error
    assert hashsvc("collections", "list", "--store", "s", "--json").document == {"collections": []}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--field", "year:string"), "--field year:integer, not year:string"),
        (("--field", "lang:string"), "--field year:integer, not lang:string"),
        (("--bits", "128"), "--bits 64, not 128"),
        (("--index", "flat"), "--index auto, not flat"),
        (("--keep", "bytes"), "--keep none, not bytes"),
    ],
)
def test_a_collection_that_differs_from_what_is_asked_is_left_alone(
    hashsvc: Run, codes_store: Path, flags: tuple[str, str], said: str
) -> None:
    write()
    assert said in hashsvc("ingest", "codes", "codes.jsonl", *flags, "--store", codes_store).error


def test_several_processes_store_what_one_stores(hashsvc: Run) -> None:
    write(bad=1)
    for name, who in (("one", ()), ("two", ("--processes", 2))):
        done = hashsvc("ingest", name, "codes.jsonl", "--bits", 64, *who, "--store", "s", "--json")
        assert done.document["counts"] == {"read": 61, "stored": 60, "unchanged": 0, "dead": 1}
    found = [
        hashsvc("search", name, "--key", "k3", "-k", 20, "--store", "s", "--json").document["answers"][0]["matches"]
        for name in ("one", "two")
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--runner", "inline", "--processes", 2), "inline runner is one process"),
        (("--processes", 2, "--cpus", 1), "cpus are what Ray sets aside for each actor"),
        (("--runner", "processes", "--ray-address", "here:1"), "needs no Ray cluster"),
        (("--runner", "threads"), "threads"),
        (("--processes", 0), "--processes"),
    ],
)
def test_hands_that_do_not_go_together(hashsvc: Run, codes_store: Path, flags: tuple[str, ...], said: str) -> None:
    write()
    assert said in hashsvc("ingest", "codes", "codes.jsonl", *flags, "--store", codes_store).error


def test_who_works_is_not_chosen_for_a_server(hashsvc: Run) -> None:
    write()
    assert "streamed" in hashsvc("ingest", "c", "codes.jsonl", "--processes", 2, "--server", "127.0.0.1:1").error


def test_mended_rows_are_retried_in_their_job(hashsvc: Run) -> None:
    write(bad=2)
    done = hashsvc("ingest", "codes", "codes.jsonl", "--bits", 64, "--store", "s")
    assert "hashsvc jobs retry 1" in done.out
    assert "rows/s" in done.err
    lines = Path("codes.jsonl").read_text().splitlines()
    lines[60] = lines[60].replace("xyz", "00" * 8)
    Path("codes.jsonl").write_text("\n".join(lines) + "\n")
    again = hashsvc("jobs", "retry", 1, "--store", "s", "--json").document
    assert (again["job"], again["counts"]) == (1, {"read": 62, "stored": 61, "unchanged": 0, "dead": 1})
    assert [letter["row"] for letter in again["dead_letters"]] == [61]
    assert hashsvc("items", "get", "codes", "bad0", "--store", "s").status == 0
    lines[61] = lines[61].replace("xyz", "00" * 8)
    Path("codes.jsonl").write_text("\n".join(lines) + "\n")
    assert hashsvc("jobs", "retry", 1, "--store", "s", "--json").document["counts"]["dead"] == 0
    assert "no dead letters" in hashsvc("jobs", "retry", 1, "--store", "s").error
    assert "no job 9" in hashsvc("jobs", "retry", 9, "--store", "s").error


def test_time_left_is_said_as_people_say_it() -> None:
    assert [duration(seconds) for seconds in (0.4, 45, 200, 7500)] == ["0 s", "45 s", "3 min", "2 h 5 min"]
