"""Links: what a table or an array names lies beside it, or is not read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hashsvc.domain.items import Item
from hashsvc.domain.jobs import DeadLetter
from hashsvc.domain.kinds import Kind
from hashsvc.errors import InvalidArgument
from hashsvc.readers import open_source, read_all


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A picture, and lines, in a folder of their own."""
    folder = tmp_path / "outside"
    folder.mkdir()
    Image.new("L", (4, 4)).save(folder / "secret.png")
    (folder / "secret.txt").write_text("one\ntwo\n")
    return folder


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    folder = tmp_path / "inside"
    folder.mkdir()
    return folder


def test_a_row_does_not_reach_out_of_its_folder_through_a_link(inside: Path, outside: Path) -> None:
    (inside / "plain.png").write_bytes((outside / "secret.png").read_bytes())
    (inside / "link.png").symlink_to(outside / "secret.png")
    (inside / "folder").symlink_to(outside)
    paths = ("plain.png", "link.png", "folder/secret.png")
    (inside / "rows.jsonl").write_text("".join(json.dumps({"key": path, "image": path}) + "\n" for path in paths))
    read, *dead = read_all([open_source(str(inside / "rows.jsonl"), kind=Kind.IMAGE)])
    assert isinstance(read, Item)
    assert [(row.row, "under the table's folder" in row.reason) for row in dead if isinstance(row, DeadLetter)] == [
        (1, True),
        (2, True),
    ]


def test_keys_of_an_array_are_not_read_through_a_link_out_of_its_folder(inside: Path, outside: Path) -> None:
    np.save(inside / "v.npy", np.ones((2, 3), np.float32))
    (inside / "v.keys.txt").symlink_to(outside / "secret.txt")
    with pytest.raises(InvalidArgument, match=r"v\.keys\.txt is a link out of its folder"):
        list(read_all([open_source(str(inside / "v.npy"), kind=Kind.VECTOR)]))


def test_a_table_that_is_a_link_finds_what_lies_beside_its_target(inside: Path, outside: Path) -> None:
    (outside / "rows.jsonl").write_text(json.dumps({"key": "a", "image": "secret.png"}) + "\n")
    for name in ("rows.jsonl", "secret.png"):
        (inside / name).symlink_to(outside / name)
    [item] = read_all([open_source(str(inside / "rows.jsonl"), kind=Kind.IMAGE)])
    assert isinstance(item, Item)
    assert item.content == (outside / "secret.png").read_bytes()
