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
from hashsvc.errors import InvalidArgument, NotFound
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


def letters(rows: list[Item | DeadLetter]) -> dict[str, str]:
    return {str(row.key): row.reason for row in rows if isinstance(row, DeadLetter)}


@pytest.mark.parametrize("pattern", ["", "/*.txt"])
def test_links_to_files_of_the_folder_are_read_and_others_are_dead(inside: Path, outside: Path, pattern: str) -> None:
    (inside / "plain.txt").write_text("plain")
    (inside / "own.txt").symlink_to("plain.txt")
    (inside / "link.txt").symlink_to(outside / "secret.txt")
    (inside / "lost.txt").symlink_to("nothing.txt")
    rows = list(read_all([open_source(f"{inside}{pattern}", kind=Kind.TEXT)]))
    assert [(row.key, row.content) for row in rows if isinstance(row, Item)] == [
        ("own.txt", b"plain"),
        ("plain.txt", b"plain"),
    ]
    dead = letters(rows)
    assert dead.keys() == {"link.txt", "lost.txt"}
    assert f"link out of {inside}" in dead["link.txt"]
    assert "cannot be read: No such file" in dead["lost.txt"]
    source = open_source(f"{inside}{pattern}", kind=Kind.TEXT)
    again = [
        row for spec in source.again(row for row in rows if isinstance(row, DeadLetter)) for row in source.read(spec)
    ]
    assert letters(again) == dead, "a retry follows no link that the first run did not"
    (inside / "link.txt").unlink()
    (inside / "link.txt").write_text("a copy")
    again = [
        row for spec in source.again(row for row in rows if isinstance(row, DeadLetter)) for row in source.read(spec)
    ]
    assert [row.key for row in again if isinstance(row, Item)] == ["link.txt"]


@pytest.mark.parametrize("kind", [Kind.TEXT, Kind.IMAGE])
def test_links_to_folders_are_not_followed(inside: Path, outside: Path, kind: Kind) -> None:
    (inside / "deep").mkdir()
    (inside / "deep" / "a.txt").write_text("a")
    (inside / "deep" / "round").symlink_to("..")
    (inside / "folder").symlink_to(outside)
    rows = list(read_all([open_source(str(inside), kind=kind)]))
    assert letters(rows).keys() == {"folder"}
    assert [row.key for row in rows if isinstance(row, Item)] == (["deep/a.txt"] if kind is Kind.TEXT else [])


def test_a_pattern_does_not_lead_out_through_a_linked_folder(inside: Path, outside: Path) -> None:
    (inside / "folder").symlink_to(outside)
    with pytest.raises(NotFound):
        open_source(f"{inside}/fold*/secret.txt", kind=Kind.TEXT)


def test_a_location_may_be_a_link(inside: Path, outside: Path) -> None:
    (inside / "folder").symlink_to(outside)
    (inside / "file.txt").symlink_to(outside / "secret.txt")
    for location, key in (("folder", "secret.txt"), ("file.txt", "file.txt"), ("folder/*.txt", "secret.txt")):
        assert [row.key for row in read_all([open_source(f"{inside}/{location}", kind=Kind.TEXT)])] == [key]


def test_tables_are_not_read_through_a_link_out_of_their_folder(inside: Path, outside: Path) -> None:
    (inside / "a.jsonl").write_text('{"text": "a"}\n')
    (inside / "b.jsonl").symlink_to("a.jsonl")
    source = open_source(str(inside), kind=Kind.TEXT)
    source.check()
    assert [row.key for row in read_all([source])] == ["a.jsonl#0", "b.jsonl#0"]
    (outside / "c.jsonl").write_text('{"text": "c"}\n')
    (inside / "c.jsonl").symlink_to(outside / "c.jsonl")
    with pytest.raises(InvalidArgument, match=r"c\.jsonl is a link out of"):
        open_source(str(inside), kind=Kind.TEXT).check()
    (inside / "c.jsonl").unlink()
    (inside / "folder").symlink_to(outside)
    with pytest.raises(InvalidArgument, match="folder is a link out of"):
        open_source(str(inside), kind=Kind.TEXT).check()
