"""``hashsvc train --device``: where a training happens is said on the command line, or by the worker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.encoders.material import texts


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "texts.jsonl"
    rows = [json.dumps({"key": f"k{n}", "content": text.decode()}) for n, text in enumerate(texts()[0][:60])]
    path.write_text("\n".join(rows))
    return path


def test_the_cpu_by_name_is_the_cpu_by_default(hashsvc: Run, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training = ["train", "topics", source, "--kind", "text", "--bits", 16, "--model", "itq", "--json"]
    unsaid = hashsvc(*training, "--store", "one").document
    # What the command line says counts, not the setting.
    monkeypatch.setenv("HASHSVC_DEVICE", "cuda:99")
    said = hashsvc(*training, "--store", "two", "--device", "cpu").document
    assert said["spec"]["fingerprint"] == unsaid["spec"]["fingerprint"]
    assert "no device 'cuda:99' here" in hashsvc(*training, "--store", "three").error


def test_a_server_is_not_told_where_to_train(hashsvc: Run, source: Path) -> None:
    asked = hashsvc("train", "topics", source, "--kind", "text", "--server", "localhost:1", "--device", "cpu")
    assert "HASHSVC_DEVICE" in asked.error
