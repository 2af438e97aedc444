"""What is on the disk is what was written, and a full disk is one clear error."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hashsvc.errors import ResourceExhausted


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
