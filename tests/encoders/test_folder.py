"""The encoder folder: damage is found, nothing is written by halves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hashsvc.domain.kinds import Kind
from hashsvc.encoders import load, save
from hashsvc.errors import Corrupt, FailedPrecondition
from tests.encoders.material import fitted


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(fitted("itq", Kind.VECTOR).encoder, tmp_path / "encoder")
    return tmp_path / "encoder"


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "golden.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "cut", "noise"])
def test_a_damaged_file_is_corrupt(folder: Path, name: str, damage: str) -> None:
    path = folder / name
    whole = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    if damage == "noise":
        path.write_bytes(b"\x07" * len(whole))
    with pytest.raises(Corrupt, match="copy it again"):
        load(folder)


def test_one_turned_number_breaks_the_fingerprint(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors["binarizer.thresholds"][0] += 1e-3
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(Corrupt, match="fingerprint"):
        load(folder)


def test_other_golden_codes_are_noticed(folder: Path) -> None:
    golden = load_file(folder / "golden.safetensors")
    golden["codes"] = torch.bitwise_not(golden["codes"])
    save_file(golden, folder / "golden.safetensors")
    with pytest.raises(Corrupt, match="golden codes"):
        load(folder)


def test_a_newer_format_asks_for_a_newer_version(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"format": 99}))
    with pytest.raises(FailedPrecondition, match="upgrade"):
        load(folder)


def test_no_folder_and_a_taken_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="no encoder folder"):
        load(tmp_path / "nowhere")
    (tmp_path / "taken").mkdir()
    with pytest.raises(FailedPrecondition, match="exists"):
        save(fitted("itq", Kind.VECTOR).encoder, tmp_path / "taken")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken"]
