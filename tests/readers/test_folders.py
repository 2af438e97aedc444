"""Folders of texts and pictures, on the local disk and in memory."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from hashsvc.domain.items import Item
from hashsvc.domain.jobs import DeadLetter
from hashsvc.domain.kinds import Kind
from hashsvc.errors import InvalidArgument, NotFound
from hashsvc.readers import open_source, read_all


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    location = str(tmp_path) if request.param == "local" else f"memory://{tmp_path.name}"
    fs, root = fsspec.core.url_to_fs(location)
    for name in ("b.txt", "a/2.txt", "a/1.md", "a/noext", "c/.hidden.txt", ".git/x.txt", "pic.png", "c/p.JPG"):
        fs.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
        fs.pipe(f"{root}/{name}", name.encode())
    return location


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_texts_by_relative_path(folder: str, rows: int) -> None:
    source = open_source(folder, kind=Kind.TEXT)
    source.check()
    found = [row for spec in source.units(rows) for row in source.read(spec)]
    assert [row.key for row in found] == ["a/1.md", "a/2.txt", "a/noext", "b.txt"]
    assert [row.content.decode() for row in found if isinstance(row, Item) and row.content] == [r.key for r in found]


def test_pictures_by_suffix(folder: str) -> None:
    assert [row.key for row in read_all([open_source(folder, kind=Kind.IMAGE)])] == ["c/p.JPG", "pic.png"]


def test_patterns(folder: str) -> None:
    assert [row.key for row in read_all([open_source(f"{folder}/a/*.txt", kind=Kind.TEXT)])] == ["2.txt"]
    with pytest.raises(NotFound):
        open_source(f"{folder}/a/*.nothing", kind=Kind.TEXT)


def test_a_single_file_is_an_item(folder: str) -> None:
    assert [row.key for row in read_all([open_source(f"{folder}/b.txt", kind=Kind.TEXT)])] == ["b.txt"]


def test_files_that_are_too_large_or_gone_are_dead(folder: str) -> None:
    source = open_source(folder, kind=Kind.TEXT, max_bytes=6)
    [spec] = source.units()
    fs, root = fsspec.core.url_to_fs(folder)
    fs.rm(f"{root}/b.txt")
    rows = list(source.read(spec))
    assert [row.key for row in rows if isinstance(row, Item)] == ["a/1.md"]
    dead = [row for row in rows if isinstance(row, DeadLetter)]
    assert ["larger than 6 bytes" in letter.reason for letter in dead] == [True, True, False]
    assert "cannot be read" in dead[-1].reason
    fs.pipe(f"{root}/b.txt", b"back")
    wide = open_source(folder, kind=Kind.TEXT)
    again = [row for part in wide.again(dead) for row in wide.read(part)]
    assert [(row.key, row.content) for row in again if isinstance(row, Item)] == [
        ("a/2.txt", b"a/2.txt"),
        ("a/noext", b"a/noext"),
        ("b.txt", b"back"),
    ]


def test_folders_of_tables(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "1.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "x" / "2.jsonl").write_text('{"text": "b"}\n')
    assert [row.key for row in read_all([open_source(str(tmp_path), kind=Kind.TEXT)])] == ["1.jsonl#0", "x/2.jsonl#0"]
    (tmp_path / "3.csv").write_text("text\nc\n")
    with pytest.raises(InvalidArgument, match="mixes tables of several formats"):
        open_source(str(tmp_path), kind=Kind.TEXT)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="holds no text file"):
        open_source(str(tmp_path), kind=Kind.TEXT).check()
