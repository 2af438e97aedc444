"""Many blobs at once are what they are one by one, and durable: every file and every folder that got one is synced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hashsvc.content import Blobs


@pytest.mark.parametrize("url", ["local", "memory"])
def test_many_at_once_are_what_they_are_one_by_one(tmp_path: Path, url: str) -> None:
    blobs = Blobs(str(tmp_path / "b") if url == "local" else f"memory://{tmp_path.name}")
    contents = [b"blob %d" % number for number in range(300)] + [b"blob 7"]
    first = blobs.put(contents[3])
    names = blobs.put_all(contents)
    assert names[3] == first
    assert [blobs.get(name) for name in names] == contents
    assert blobs.put_all(contents) == names
    assert len(list(blobs.names())) == 300
    assert blobs.put_all([]) == []


def test_every_file_and_folder_is_synced(tmp_path: Path) -> None:
    synced = []

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").resolve())
        os.fsync(descriptor)

    names = Blobs(str(tmp_path / "b"), fsync=fsync).put_all([b"blob %d" % number for number in range(100)])
    files = [path for path in synced if path.name.startswith(".")]
    assert len(files) == len(set(files)) == 100
    after = synced[-len({name[:2] for name in names}) :]
    assert {path.name for path in after} == {name[:2] for name in names}, "folders last, once each"
