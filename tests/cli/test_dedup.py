"""``hashsvc dedup`` from the command line: run, look, mark, apply, undo, export, evaluate; what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Run, random_codes, write_codes


@pytest.fixture
def store(hashsvc: Run, tmp_path: Path) -> Path:
    """A store whose collection ``codes`` holds 90 codes, thirty of them twice, ten within two bits of another."""
    codes = random_codes(50)
    near = codes[:10].copy()
    near[:, 0] ^= 3
    rows = [row.tobytes() for part in (codes, codes[:30], near) for row in part]
    write_codes(tmp_path / "codes.jsonl", rows)
    assert hashsvc("ingest", "codes", tmp_path / "codes.jsonl", "--bits", 64, "--store", tmp_path / "store").status == 0
    return tmp_path / "store"


def test_from_a_run_to_its_undoing(hashsvc: Run, store: Path, tmp_path: Path) -> None:
    run = hashsvc("dedup", "run", "codes", "--radius", 2, "--store", store, "--json").document
    assert (run["items"], run["dropped"], run["state"]) == (90, 40, "decided")
    number = run["job"]
    assert run["summary"]["stages"] == {"exact": 30, "normalised": 0, "near": 10}
    why = hashsvc("dedup", "why", "codes", "k80", "--store", store)
    assert "dropped for k0 (near; distance 2, radius 2; not verified; kept by rule first" in why.out
    assert "k0 was never dropped" in hashsvc("dedup", "why", "codes", "k0", "--store", store).out
    assert hashsvc("dedup", "runs", "--store", store, "--json").document["runs"][0]["job"] == number
    done = hashsvc("dedup", "apply", number, "--store", store, "--json").document
    assert (done["changed"], done["state"]) == (40, "applied")
    for name in ("rows.parquet", "rows.jsonl"):
        assert hashsvc("dedup", "export", number, tmp_path / name, "--store", store, "--json").document["rows"] == 90
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert lines == pq.read_table(tmp_path / "rows.parquet").to_pylist()
    assert {line["key"]: line["witness"] for line in lines if line["decision"] == "dropped"}["k80"] == "k0"
    truth = tmp_path / "pairs.csv"
    truth.write_text("".join(f"k{n},k{n + 50}\n" for n in range(30)) + "".join(f"k{n},k{n + 80}\n" for n in range(10)))
    score = hashsvc("dedup", "evaluate", number, "--pairs", truth, "--store", store, "--json").document
    assert (score["precision"], score["recall"], score["rand"]) == (1, 1, 1)
    clusters = tmp_path / "clusters.tsv"
    clusters.write_text("k0\tone\nk50\tone\n")
    assert hashsvc("dedup", "evaluate", number, "--clusters", clusters, "--store", store).out.count("k1 k51") == 1
    assert hashsvc("dedup", "undo", number, "--store", store, "--json").document["changed"] == 40
    assert hashsvc("items", "count", "codes", "--store", store, "--json").document["count"] == 90


def test_a_mark_is_remembered(hashsvc: Run, store: Path) -> None:
    assert "remembered: k0 and k50" in hashsvc("dedup", "mark", "codes", "k0", "k50", "--store", store).out
    run = hashsvc("dedup", "run", "codes", "--radius", 0, "--store", store, "--json").document
    assert run["dropped"] == 29
    assert "forgotten" in hashsvc("dedup", "mark", "codes", "k50", "k0", "--remove", "--store", store).out


def test_an_equal_of_a_dropped_item_is_told_from_an_equal_of_the_witness(hashsvc: Run, tmp_path: Path) -> None:
    [code] = random_codes(1)
    near = code.copy()
    near[0] ^= 3
    write_codes(tmp_path / "codes.jsonl", [near.tobytes(), code.tobytes(), code.tobytes()])
    at = ("--store", tmp_path / "store")
    assert hashsvc("ingest", "codes", tmp_path / "codes.jsonl", "--bits", 64, *at).status == 0
    assert hashsvc("dedup", "run", "codes", "--radius", 2, "--max-share", 1, *at).status == 0
    assert "dropped for k0 (near; distance 2" in hashsvc("dedup", "why", "codes", "k1", *at).out
    why = hashsvc("dedup", "why", "codes", "k2", *at).out
    assert "dropped for k0 (exact: an item before it has the same bytes; distance 2" in why


def test_what_a_person_sees(hashsvc: Run, store: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    ran = hashsvc("dedup", "run", "codes", "--radius", 2, "--store", store, "--html", page)
    assert "40 (30 exact, 0 normalised, 10 near)" in ran.out
    assert "hashsvc dedup apply" in ran.out
    text = page.read_text()
    assert "Duplicates in codes" in text
    assert "http" not in text.replace("http-equiv", "")
    dry = hashsvc("dedup", "run", "codes", "--radius", 2, "--dry-run", "--store", store)
    assert "dry" in dry.out


def test_refusals_are_one_line(hashsvc: Run, store: Path, tmp_path: Path) -> None:
    page = tmp_path / "stopped.html"
    stopped = hashsvc("dedup", "run", "codes", "--radius", 2, "--max-share", 0.1, "--html", page, "--store", store)
    number = hashsvc("jobs", "list", "--store", store, "--json").document["jobs"][0]["id"]
    assert f"run {number} stopped before anything was applied: 44% of the 90 items" in stopped.error
    assert f"hashsvc dedup apply {number} --accept" in stopped.error
    assert "44% of the 90 items" in page.read_text(), "a run that stopped is the one to look at"
    assert "--accept" in hashsvc("dedup", "apply", number, "--store", store).error
    assert "name one with --radius" in hashsvc("dedup", "run", "codes", "--store", store).error
    assert "content, none or a score" in hashsvc("dedup", "run", "codes", "--verify", "maybe", "--store", store).error
    assert "no dedup run 99" in hashsvc("dedup", "undo", 99, "--store", store).error
    assert "no item 'kx'" in hashsvc("dedup", "why", "codes", "kx", "--store", store).error
    assert "neither .parquet nor .jsonl" in hashsvc("dedup", "export", number, "rows.xls", "--store", store).error
    assert "no file" in hashsvc("dedup", "evaluate", number, "--pairs", "none.csv", "--store", store).error
    (tmp_path / "short.csv").write_text("one\n")
    short = hashsvc("dedup", "evaluate", number, "--pairs", tmp_path / "short.csv", "--store", store)
    assert "line 1: 2 columns are needed" in short.error
    (tmp_path / "empty.csv").write_text("")
    empty = hashsvc("dedup", "evaluate", number, "--pairs", tmp_path / "empty.csv", "--store", store)
    assert "empty.csv is empty" in empty.error
    assert "no item 'kx'" in hashsvc("dedup", "mark", "codes", "k1", "kx", "--store", store).error
    assert (
        "the least comes first" in hashsvc("dedup", "pairs", number, "--from", 0.9, "--to", 0.1, "--store", store).error
    )
    assert "no pairs with such a score" in hashsvc("dedup", "pairs", number, "--store", store).out
    nowhere = hashsvc("dedup", "export", number, tmp_path / "no" / "rows.parquet", "--store", store)
    assert "rows.parquet cannot be written: No such file or directory" in nowhere.error
    dry = hashsvc("dedup", "run", "codes", "--radius", 2, "--dry-run", "--store", store, "--json").document["job"]
    for verb in (("apply", dry), ("export", dry, tmp_path / "rows.jsonl")):
        assert "run again without --dry-run" in hashsvc("dedup", *verb, "--store", store).error
    assert not list(tmp_path.glob("*rows*"))
    assert "two different keys" in hashsvc("dedup", "mark", "codes", "k1", "k1", "--store", store).error
