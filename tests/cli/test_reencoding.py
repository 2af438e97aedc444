"""Re-encode and switch from the command line, on its own and by a worker of a server."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run

WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath"]


def write_texts(file: Path) -> None:
    rows = [{"key": f"d{n}", "text": " ".join(WORDS[(n * m) % 8] for m in range(1, 6)) + f" {n}"} for n in range(60)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_collection_changes_its_encoder_and_back(hashsvc: Run) -> None:
    write_texts(Path("texts.jsonl"))
    for bits in (16, 32):
        hashsvc("train", "toy", "texts.jsonl", "--kind", "text", "--bits", bits, "--model", "itq", "--store", "s")
    assert hashsvc("ingest", "docs", "texts.jsonl", "--encoder", "toy@1", "--store", "s").status == 0
    refused = hashsvc("collections", "reencode", "docs", "--encoder", "toy@9", "--store", "s")
    assert "toy@9" in refused.error
    made = hashsvc("collections", "reencode", "docs", "--encoder", "toy@2", "--store", "s")
    assert "hashsvc collections switch docs docs.toy-2" in made.out
    assert "60 items of docs are in docs.toy-2" in made.out
    again = hashsvc("collections", "reencode", "docs", "--encoder", "toy@2", "--store", "s", "--json").document
    assert (again["collection"], again["stored"], again["unchanged"]) == ("docs.toy-2", 0, 60)
    for encoder, bits in (("toy@2", 32), ("toy@1", 16)):
        held = hashsvc("collections", "switch", "docs", "docs.toy-2", "--store", "s", "--json").document
        assert (held["name"], held["encoder"], held["bits"], held["items"]) == ("docs", encoder, bits, 60)
    found = hashsvc("search", "docs", "amber birch cedar", "-k", 3, "--store", "s", "--json").document
    assert len(found["answers"][0]["matches"]) == 3
