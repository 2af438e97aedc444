"""Tar shards and Arrow streams."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from hashsvc.domain.items import Item
from hashsvc.domain.jobs import DeadLetter
from hashsvc.domain.kinds import Kind
from hashsvc.errors import InvalidArgument
from hashsvc.readers import Columns, Source, open_source
from hashsvc.readers.tar import _content, _members


def write_tar(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def samples(first: int, count: int) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for i in range(first, first + count):
        files[f"part/{i:04}.JPG"] = f"picture {i}".encode()
        files[f"part/{i:04}.cls"] = str(i % 10).encode()
        files[f"part/{i:04}.json"] = json.dumps({"caption": "c" * 120 + str(i)}).encode()
    return files


def read(source: Source, rows: int = 7) -> list[Item | DeadLetter]:
    specs = [json.loads(json.dumps(spec)) for spec in source.units(rows)]
    return [row for spec in specs[::-1] for row in list(source.read(spec))[::-1]][::-1]


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_samples_are_read_in_ranges(tmp_path: Path, rows: int) -> None:
    write_tar(tmp_path / "a.tar", samples(0, 40))
    source = open_source(str(tmp_path / "a.tar"), kind=Kind.IMAGE)
    source.check()
    found = read(source, rows)
    assert [row.key for row in found] == [f"part/{i:04}" for i in range(40)]
    assert all(isinstance(row, Item) and row.content == f"picture {i}".encode() for i, row in enumerate(found))
    assert isinstance(found[3], Item)
    assert dict(found[3].metadata) == {"cls": 3, "caption": "c" * 120 + "3"}


def test_long_names_keep_their_headers(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", {f"{'long' * 40}/{i}.txt": b"t" for i in range(5)})
    found = read(open_source(str(tmp_path / "a.tar"), kind=Kind.TEXT), 2)
    assert [row.key for row in found] == [f"{'long' * 40}/{i}" for i in range(5)]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_of_header_gives_what_tarfile_gives(tmp_path: Path, form: int) -> None:
    names = ["plain.txt", "ümläut.md", f"{'deep/' * 25}far.txt", "./dotted.text", f"{'n' * 90}.txt", "empty.txt"]
    with tarfile.open(tmp_path / "a.tar", "w", format=form) as tar:
        folder = tarfile.TarInfo("deep/")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = 400 * number if name != "empty.txt" else 0, 1.5 if form == tarfile.PAX_FORMAT else 1
            tar.addfile(info, io.BytesIO(b"x" * info.size))
        link = tarfile.TarInfo("link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "plain.txt"
        tar.addfile(link)
    with tarfile.open(tmp_path / "a.tar") as tar:
        expected = [(member.name, member.size) for member in tar if member.isfile()]
    with (tmp_path / "a.tar").open("rb") as raw:
        found = list(_members(raw, 0))
        assert [(member.name, member.size) for member in found] == expected
        assert [_content(raw, member) for member in found] == [b"x" * size for _, size in expected]


def test_holes_are_filled(tmp_path: Path) -> None:
    with (tmp_path / "a.txt").open("wb") as out:
        out.seek(1 << 20)
        out.write(b"end")
    subprocess.run(["tar", "--sparse", "-cf", "a.tar", "a.txt"], cwd=tmp_path, check=True)
    assert (tmp_path / "a.tar").stat().st_size < 1 << 19
    with (tmp_path / "a.tar").open("rb") as raw:
        assert [_content(raw, member) for member in _members(raw, 0)] == [(tmp_path / "a.txt").read_bytes()]


def test_shards_of_a_folder_keep_their_samples_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_tar(tmp_path / f"{name}.tar", {"0.txt": name.encode(), "1.npy": b"\x93"})
    source = open_source(str(tmp_path), kind=Kind.TEXT, columns=Columns(metadata=[]))
    keys = [row.key for row in read(source) if isinstance(row, Item)]
    assert keys == ["a.tar/0", "b.tar/0"]


def test_a_bad_sample_costs_itself_and_a_cut_shard_its_rest(tmp_path: Path) -> None:
    files = samples(0, 30)
    files["part/0004.json"] = b"{no"
    write_tar(tmp_path / "a.tar", files)
    path = tmp_path / "a.tar"
    found = read(open_source(str(path), kind=Kind.IMAGE))
    assert [row.row for row in found if isinstance(row, DeadLetter)] == [4]
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2 + 100])
    cut = read(open_source(str(path), kind=Kind.IMAGE))
    dead = [row for row in cut if isinstance(row, DeadLetter)]
    assert dead[0].row == 4
    assert "damaged or cut off" in dead[-1].reason
    assert 8 < len(cut) < 20


def test_a_shard_is_read_on_wherever_a_block_of_it_was_the_last(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    write_tar(path, samples(0, 12))
    whole = path.read_bytes()
    expected = read(open_source(str(path), kind=Kind.IMAGE))
    for end in range(20, 60):
        path.write_bytes(whole[: 512 * end])
        cut = read(open_source(str(path), kind=Kind.IMAGE), 5)
        dead = [row for row in cut if isinstance(row, DeadLetter)]
        assert [letter.rest for letter in dead] == [True], end
        assert cut[:-1] == expected[: dead[0].row], "half a sample is not given as if it were whole"
        path.write_bytes(whole)
        source = open_source(str(path), kind=Kind.IMAGE)
        assert [row for spec in source.again(dead, 4) for row in source.read(spec)] == expected[dead[0].row :]


def test_no_tar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(InvalidArgument, match="no readable tar shard"):
        open_source(str(tmp_path / "a.tar"), kind=Kind.TEXT).check()


def write_arrow(path: Path, count: int) -> None:
    table = pa.table(
        {
            "text": [f"text {i}" for i in range(count)],
            "label": list(range(count)),
            "vector": [np.full(3, i, np.float32) for i in range(count)],
        }
    )
    with pa.ipc.new_stream(str(path), table.schema) as out:
        for batch in table.to_batches(max_chunksize=16):
            out.write_batch(batch)


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_data_sets_on_disk(tmp_path: Path, rows: int) -> None:
    (tmp_path / "set").mkdir()
    for part in range(2):
        write_arrow(tmp_path / "set" / f"data-0000{part}-of-00002.arrow", 50)
    (tmp_path / "set" / "state.json").write_text("{}")
    (tmp_path / "set" / "dataset_info.json").write_text("{}")
    source = open_source(str(tmp_path / "set"), kind=Kind.TEXT, columns=Columns(metadata=["label"]))
    source.check()
    found = read(source, rows)
    assert [row.key for row in found[48:52]] == [
        f"data-0000{part}-of-00002.arrow#{row}" for part, row in ((0, 48), (0, 49), (1, 0), (1, 1))
    ]
    assert all(isinstance(row, Item) and row.content == f"text {row.metadata['label']}".encode() for row in found)
    vectors = read(open_source(str(tmp_path / "set"), kind=Kind.VECTOR, columns=Columns(metadata=[])), rows)
    assert isinstance(vectors[9], Item)
    assert vectors[9].content == np.full(3, 9, "<f4").tobytes()


def test_a_damaged_stream_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.arrow").write_bytes(b"nothing of the kind")
    with pytest.raises(InvalidArgument, match="no readable Arrow stream"):
        open_source(str(tmp_path / "x.arrow"), kind=Kind.TEXT).check()
