"""What is there after a power cut: bytes and names that were flushed to the disk before anybody was told of them."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

# A folder above ours may be nobody's to flush: not readable, or on a file system that keeps nothing.
NOT_OURS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EINVAL}


def write_durably(path: Path, data: bytes | memoryview) -> str:
    """Write a new file and flush it to the disk; returns the sha256 (hex) of what was given."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(data).hexdigest()


def sha256_of(path: Path) -> str:
    """sha256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fsync_folder(folder: Path) -> None:
    """Flush a folder's entries (names, renames) to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path, *, sync: Callable[[Path], None] = fsync_folder, known: set[Path] | None = None) -> None:
    """Make a folder and those above it; their names are on the disk when this returns.

    A folder found in place is flushed as well: whoever made it may have been killed before that.

    Args:
        folder: may be there already.
        sync: flushes a folder's entries.
        known: folders whose names are on the disk; those of this call are added.
    """
    folder = folder.absolute()
    known = set() if known is None else known
    if folder in known and folder.is_dir():
        return
    missing = [above for above in (folder, *folder.parents) if not above.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    named: list[Path] = []
    for above in (folder, *folder.parents):
        if above.is_mount() or (above in known and above not in missing):
            break
        try:
            sync(above.parent)
        except OSError as error:
            if above in missing or error.errno not in NOT_OURS:
                raise
        named.append(above)
    known.update(named)
