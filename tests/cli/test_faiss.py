"""Codes handed to FAISS and taken back, by a person."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Run


def test_codes_go_to_faiss_and_come_back(hashsvc: Run, codes_store: Path) -> None:
    written = hashsvc("collections", "export", "codes", "codes.faiss", "--store", codes_store, "--json").document
    assert written == {"items": 100, "file": "codes.faiss"}
    hashsvc("collections", "import", "back", "codes.faiss", "--store", "other")
    assert hashsvc("items", "count", "back", "--store", "other", "--json").document == {"count": 100}
    assert "no file" in hashsvc("collections", "import", "back", "nope.faiss", "--store", "other").error
