"""``evaluate`` and ``verify`` over a small store of texts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from hashsvc.cli.program import run
from tests.cli.conftest import Run

WORDS = {
    "sea": ["fjord", "inlet", "jetty", "tide", "harbour", "anchor", "reef", "gull"],
    "wood": ["birch", "cedar", "grove", "bark", "moss", "fern", "acorn", "twig"],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Collection ``texts``: 120 texts of two topics under an encoder of 32 bits."""
    folder = tmp_path_factory.mktemp("quality")
    rng = np.random.default_rng(5)
    rows = [
        {"key": f"{topic}{n}", "text": " ".join(rng.choice(words, 6)), "topic": topic}
        for n in range(60)
        for topic, words in WORDS.items()
    ]
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    store = folder / "store"
    source, here = str(folder / "texts.jsonl"), ["--store", str(store)]
    assert run(["train", "toy", source, "--kind", "text", "--bits", "32", "--model", "itq", *here]) == 0
    assert run(["ingest", "texts", source, "--encoder", "toy", *here]) == 0
    assert run(["search", "texts", "fjord", *here]) == 0
    return store


def test_evaluate_by_label_beside_the_floors(hashsvc: Run, store: Path) -> None:
    arguments = ("evaluate", "texts", "--label", "topic", "--queries", 40, "-k", 10, "--store", store)
    found = hashsvc(*arguments, "--html", "report.html", "--json").document
    assert (found["items"], found["queries"], found["related_by"]) == (80, 40, "label")
    own = found["ranked"][0]
    assert (own["method"], own["bits"]) == ("itq", 32)
    assert own["p_at_10"] > 0.9
    assert {"lsh", "lsa_sign"} <= {row["method"] for row in found["ranked"]}
    assert Path("report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_evaluate_without_labels_shows_a_person_a_table(hashsvc: Run, store: Path) -> None:
    shown = hashsvc("evaluate", "texts", "--store", store)
    assert shown.status == 0, shown.err
    assert "recall@10" in shown.out
    assert "distinct codes" in shown.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evaluate", "nope"], "nope"),
        (["evaluate", "texts", "--label", "colour"], "colour"),
        (["evaluate", "texts", "-k", "0"], "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_evaluated(hashsvc: Run, store: Path, arguments: list[str], said: str) -> None:
    ran = hashsvc(*arguments, "--store", store)
    assert ran.status == 2
    assert said in ran.err.splitlines()[-1]
    assert "Traceback" not in ran.err


def test_a_sound_store_verifies(hashsvc: Run, store: Path) -> None:
    found = hashsvc("verify", "--store", store, "--json").document
    assert found["findings"] == []
    assert (found["encoders"], found["items"], found["contents"], found["codes"]) == (1, 120, 120, 120)


def test_verify_names_what_is_damaged_and_changes_nothing(hashsvc: Run, store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(store, copy)
    [pack] = (copy / "blobs" / "packs").iterdir()
    damaged = bytearray(pack.read_bytes())
    damaged[0] ^= 1  # inside the first text
    pack.write_bytes(damaged)
    before = {path: path.read_bytes() for path in (copy / "blobs").rglob("*") if path.is_file()}
    ran = hashsvc("verify", "--store", copy, "--json")
    assert ran.status == 2
    assert len(json.loads(ran.out)["findings"]) == 1
    assert "findings: 1" in ran.err.splitlines()[-1]
    assert {path: path.read_bytes() for path in (copy / "blobs").rglob("*") if path.is_file()} == before


def test_verify_finds_a_damaged_encoder(hashsvc: Run, store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(store, copy)
    [weights] = (copy / "encoders").glob("*/model.safetensors")
    damaged = bytearray(weights.read_bytes())
    damaged[-5] ^= 0xFF
    weights.write_bytes(damaged)
    ran = hashsvc("verify", "--store", copy, "--json")
    assert ran.status == 2
    assert [finding["where"] for finding in json.loads(ran.out)["findings"]] == ["encoder toy@1"]
