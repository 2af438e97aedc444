"""A sweep takes nothing that a write found in place and has not committed yet, however long that write takes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hashsvc.content import Blobs
from hashsvc.content.files import Files
from hashsvc.errors import Unavailable

MANY = [b"blob %d" % number for number in range(64)]
HOLD = """
import sys
from hashsvc.content import Blobs
with Blobs(sys.argv[1]).pinned():
    print("pinned", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("contents", [MANY, MANY[:3]], ids=["a pack", "files of their own"])
def test_a_writer_forced_in_before_the_delete_loses_nothing(
    contents: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = Blobs(str(tmp_path))
    names = blobs.put_all(contents)
    writers: list[threading.Thread] = []
    committed: list[str] = []

    def write() -> None:
        writer = Blobs(str(tmp_path))
        with writer.pinned():
            committed.extend(writer.put_all(contents))

    def delete(self: Files, name: str) -> bool:
        if not writers:
            writers.append(threading.Thread(target=write))
            writers[0].start()
            writers[0].join(timeout=0.5)  # a writer that does not wait is done by now
        return plain(self, name)

    plain = Files.delete
    monkeypatch.setattr(Files, "delete", delete)
    assert blobs.sweep(names[:1]) == len(contents) - 1
    writers[0].join()
    assert committed == names
    assert [Blobs(str(tmp_path)).get(name) for name in names] == contents


def test_references_are_drawn_when_every_write_is_committed(tmp_path: Path) -> None:
    blobs, table, started = Blobs(str(tmp_path)), list[str](), threading.Event()
    old = blobs.put_all(MANY)

    def write() -> None:
        with blobs.pinned():
            started.set()
            names = blobs.put_all(MANY)
            sweeping.wait(timeout=0.5)  # more time between put and commit than a sweep needs
            table.extend(names)

    def references() -> Iterator[str]:
        sweeping.set()
        yield from list(table)

    sweeping = threading.Event()
    writer = threading.Thread(target=write)
    writer.start()
    started.wait()
    assert blobs.sweep(references()) == 0
    writer.join()
    assert [blobs.get(name) for name in table] == MANY
    assert table == old


def test_a_write_of_another_process_is_waited_for_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hashsvc.content.files.WAIT_S", 0.05)
    blobs = Blobs(str(tmp_path))
    name = blobs.put(b"needed soon")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"pinned\n"
        with pytest.raises(Unavailable, match="under way"):
            blobs.sweep([])
        with blobs.pinned(), blobs.pinned():
            assert blobs.get(name) == b"needed soon", "writers do not keep each other out"
        other.kill()
    assert blobs.sweep([]) == 1, "the lock of a killed writer falls with it"


def test_what_a_killed_writer_left_unfinished_goes_at_once(tmp_path: Path) -> None:
    blobs = Blobs(str(tmp_path))
    kept = blobs.put_all(MANY)
    single = blobs.put(b"single")
    left = [tmp_path / "packs" / ".half.pack.0123", tmp_path / single[:2] / ".half.4567"]
    for path in left:
        path.write_bytes(b"a secret")
        os.utime(path, (2**33, 2**33))  # of a machine whose clock is ahead
    assert blobs.sweep([*kept, single]) == 0
    assert not [path for path in left if path.exists()]
    assert sorted(blobs.names()) == sorted([*kept, single])


def test_without_locks_a_grace_counts_and_a_put_renews_it() -> None:
    blobs = Blobs("memory://sweep-grace")
    names = blobs.put_all(MANY)
    assert blobs.sweep([]) == 0
    assert blobs.sweep(names[:2], older_s=0.0) == len(MANY) - 2
    assert set(blobs.names()) == set(names[:2])
