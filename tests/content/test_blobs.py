from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from hashsvc.content import Blobs
from hashsvc.errors import Corrupt, InvalidArgument, NotFound


@pytest.fixture(params=["local", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return Blobs(str(tmp_path / "blobs") if request.param == "local" else f"memory://{tmp_path.name}")


def test_bytes_come_back_by_their_sha256(blobs: Blobs) -> None:
    for content in (b"", b"some bytes", os.urandom(100_000)):
        name = blobs.put(content)
        assert name == hashlib.sha256(content).hexdigest() == blobs.put(content)
        assert blobs.get(name) == content
    assert len(list(blobs.names())) == 3


def test_what_is_not_there_is_not_found(blobs: Blobs) -> None:
    name = hashlib.sha256(b"x").hexdigest()
    assert list(blobs.names()) == []
    with pytest.raises(NotFound):
        blobs.get(name)
    assert not blobs.delete(name)
    blobs.put(b"x")
    assert blobs.delete(name)
    with pytest.raises(NotFound):
        blobs.get(name)
    with pytest.raises(InvalidArgument):
        blobs.get("../../etc/passwd")


def test_a_sweep_takes_what_nobody_needs(blobs: Blobs) -> None:
    names = [blobs.put(bytes([i])) for i in range(10)]
    assert blobs.sweep(names) == 0
    assert blobs.sweep(names[:3], older_s=0.0) == 7
    assert set(blobs.names()) == set(names[:3])


def test_damage_is_found_and_mended_by_the_next_put(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path))
    name = blobs.put(b"some bytes")
    path = tmp_path / name[:2] / name
    path.write_bytes(b"SOME BYTES")
    with pytest.raises(Corrupt):
        blobs.get(name)
    for damaged in (b"SOME BYTES", b"some", b""):
        path.write_bytes(damaged)
        blobs.put(b"some bytes")
        assert blobs.get(name) == b"some bytes"


def test_a_file_and_every_new_folder_above_it_are_synced(tmp_path: Path) -> None:
    synced: list[str] = []

    def record(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))

    blobs = Blobs(str(tmp_path / "a" / "b"), fsync=record)
    name = blobs.put(b"x")
    folder = tmp_path / "a" / "b" / name[:2]
    assert {str(tmp_path), str(tmp_path / "a"), str(tmp_path / "a" / "b"), str(folder)} <= set(synced)
    assert synced[-1] == str(folder)
    assert synced[-2].startswith(str(folder / f".{name}"))


@pytest.mark.parametrize("many", [False, True])
def test_what_a_killed_writer_left_in_place_is_synced_by_the_next(tmp_path: Path, many: bool) -> None:
    contents = [b"blob %d" % number for number in range(30 if many else 1)]
    Blobs(str(tmp_path / "a"), fsync=lambda _: None).put_all(contents)
    [path] = [path for path in (tmp_path / "a").rglob("*") if path.is_file()]
    synced: list[Path] = []
    other = Blobs(str(tmp_path / "a"), fsync=lambda one: synced.append(Path(f"/proc/self/fd/{one}").readlink()))
    other.put_all(contents)
    assert {path, path.parent, tmp_path / "a", tmp_path} <= set(synced), "its bytes, its name, and the folders' names"
    before = len(synced)
    other.put_all(contents)
    assert set(synced[before:]) == {path, path.parent}, "folders need it once"
