"""Files that are there after a power cut: written, flushed to the disk, and only then named."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hashsvc.errors import ResourceExhausted

CHUNK = 1 << 20


def write_durably(path: Path, data: bytes | memoryview) -> str:
    """Write a new file and flush it to the disk; returns the sha256 (hex) of what was given."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(data).hexdigest()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; their names are on the disk when this returns."""
    missing = [above for above in (folder, *folder.parents) if not above.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        fsync_folder(made.parent)


def fsync_folder(folder: Path) -> None:
    """Flush a folder's entries (names, renames) to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """sha256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn a full disk into ResourceExhausted; other OS errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise ResourceExhausted(f"no room on the disk for {what}: free some and try again") from error
        raise
