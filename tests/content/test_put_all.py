"""Many blobs at once are what they are one by one: durable, found by any process, swept, and damage is noticed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from hashsvc.content import Blobs
from hashsvc.errors import Corrupt, NotFound

CONTENTS = [b"blob %d" % number for number in range(300)] + [b"blob 7", b""]


@pytest.fixture(params=["local", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "b") if request.param == "local" else f"memory://{tmp_path.name}"


def packs(folder: Path) -> list[Path]:
    return sorted((folder / "packs").iterdir())


def test_many_at_once_are_what_they_are_one_by_one(url: str) -> None:
    blobs = Blobs(url)
    first = blobs.put(CONTENTS[3])
    names = blobs.put_all(CONTENTS)
    assert names[3] == first
    assert names == [hashlib.sha256(content).hexdigest() for content in CONTENTS]
    assert [blobs.get(name) for name in names] == CONTENTS
    assert [Blobs(url).get(name) for name in names[::50]] == CONTENTS[::50]
    assert blobs.put_all(CONTENTS) == names
    assert sorted(blobs.names()) == sorted(set(names))
    assert blobs.put_all([]) == []


def test_the_same_blobs_again_make_no_second_file(tmp_path: Path) -> None:
    Blobs(str(tmp_path)).put_all(CONTENTS)
    [pack] = packs(tmp_path)
    Blobs(str(tmp_path)).put_all(CONTENTS)
    assert packs(tmp_path) == [pack]


def test_what_another_process_adds_or_sweeps_is_noticed(url: str) -> None:
    reader, writer = Blobs(url), Blobs(url)
    names = writer.put_all(CONTENTS)
    assert reader.get(names[0]) == CONTENTS[0]
    [late] = writer.put_all([b"late %d" % number for number in range(20)])[:1]
    assert reader.get(late) == b"late 0"
    assert writer.sweep([names[5], late], older_s=0.0) == len(set(names)) - 1 + 19
    assert [reader.get(names[5]), reader.get(late)] == [CONTENTS[5], b"late 0"]
    with pytest.raises(NotFound):
        reader.get(names[6])
    assert set(reader.names()) == {names[5], late}


def test_a_blob_is_deleted_out_of_its_pack(url: str) -> None:
    blobs = Blobs(url)
    names = blobs.put_all(CONTENTS)
    assert blobs.get(names[1]) == CONTENTS[1]
    assert blobs.delete(names[1])
    assert not blobs.delete(names[1])
    with pytest.raises(NotFound):
        blobs.get(names[1])
    assert blobs.get(names[2]) == CONTENTS[2]


def test_damage_is_found_and_mended_by_the_next_put(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path))
    names = blobs.put_all(CONTENTS)
    [pack] = packs(tmp_path)
    whole = pack.read_bytes()
    pack.write_bytes(whole.replace(b"blob 17", b"BLOB 17", 1))
    assert blobs.get(names[16]) == CONTENTS[16]
    with pytest.raises(Corrupt, match=names[17]):
        blobs.get(names[17])
    blobs.put_all(CONTENTS)
    assert blobs.get(names[17]) == CONTENTS[17]
    pack.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(NotFound):
        Blobs(str(tmp_path)).get(names[0])
    blobs.put_all(CONTENTS)
    assert Blobs(str(tmp_path)).get(names[0]) == CONTENTS[0]


def test_the_pack_and_every_new_folder_are_synced(tmp_path: Path) -> None:
    synced = []

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").resolve())
        os.fsync(descriptor)

    Blobs(str(tmp_path / "b"), fsync=fsync).put_all(CONTENTS)
    folder = tmp_path / "b" / "packs"
    assert {folder.parent, tmp_path} <= set(synced[:-2])
    assert synced[-2].parent == folder
    assert synced[-2].name.startswith(".")
    assert synced[-1] == folder, "its name last"


def test_large_blobs_are_spread_over_packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hashsvc.content.blobs.PACK_BYTES", 1000)
    contents = [os.urandom(300) for _ in range(20)]
    blobs = Blobs(str(tmp_path))
    names = blobs.put_all(contents)
    assert len(packs(tmp_path)) == 7
    assert [blobs.get(name) for name in names] == contents
