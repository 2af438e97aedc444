"""A full disk is one clear error."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from hashsvc.errors import ResourceExhausted


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """Turn a full disk into ResourceExhausted; other OS errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise ResourceExhausted(f"no room on the disk for {what}: free some and try again") from error
        raise
