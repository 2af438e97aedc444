"""Files of a content folder on any fsspec file system; on the local one they are durable once written."""

from __future__ import annotations

import errno
import fcntl
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fsspec

from hashsvc.durable import make_folder
from hashsvc.errors import NotFound, ResourceExhausted, Unavailable

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
LOCK = ".lock"
TEMPORARY = "."
WAIT_S = 30.0
PAUSE_S = 0.01


class Files:
    """Files under one root, by their path below it. Safe to use from several threads and processes.

    Args:
        url: a local folder or any fsspec URL.
        fsync: makes an open local file durable; a seam for the power-loss tests.
    """

    def __init__(self, url: str, fsync: Callable[[int], None]) -> None:
        filesystem, root = fsspec.core.url_to_fs(url)
        self._fs: Any = filesystem
        self._root = str(root).rstrip("/")
        self.local = "file" in _protocols(filesystem)
        self._fsync = fsync
        self._named: set[Path] = set()  # folders whose names are on the disk

    def path(self, name: str) -> str:
        """Where a file lies."""
        return f"{self._root}/{name}"

    def exists(self, name: str) -> bool:
        """Whether a file is there."""
        return bool(self._fs.exists(self.path(name)))

    def read(self, name: str, start: int | None = None, stop: int | None = None) -> bytes:
        """Bytes of a file, or those of a range; FileNotFoundError."""
        if start is not None and start == stop:
            return b""  # a range that no object store can name
        if self.local and start is not None and stop is not None:
            with Path(self.path(name)).open("rb") as file:
                return os.pread(file.fileno(), stop - start, start)
        content: bytes = self._fs.cat_file(self.path(name), start=start, end=stop)
        return content

    def write(self, name: str, parts: Sequence[bytes]) -> None:
        """Write a file whole or not at all; on a local file system it is durable when this returns."""
        self.fill(name, parts)
        if self.local:
            self.sync_folder(Path(self.path(name)).parent)

    def fill(self, name: str, parts: Sequence[bytes]) -> None:
        """As :meth:`write`, but the name of a local file may be lost until its folder is synced."""
        if self.local:
            self._fill_local(Path(self.path(name)), parts)
        else:
            self._fs.makedirs(self.path(name).rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(self.path(name), b"".join(parts))

    def delete(self, name: str) -> bool:
        """Delete a file; whether it was there."""
        try:
            self._fs.rm_file(self.path(name))
        except FileNotFoundError:
            return False
        return True

    def sizes(self, folder: str = "") -> Iterator[tuple[str, int]]:
        """Name and size of every file below a folder of the root."""
        top = self.path(folder).rstrip("/")
        if not self._fs.exists(top):
            return
        for path, info in self._fs.find(top, detail=True).items():
            yield str(path).removeprefix(self._root).lstrip("/"), int(info.get("size") or 0)

    def age(self, name: str) -> float:
        """Seconds since a file was written; endless where the file system does not say."""
        try:
            return time.time() - float(self._fs.modified(self.path(name)).timestamp())
        except NotImplementedError:
            return float("inf")

    def settle(self, name: str) -> None:
        """Make a local file that was found in place durable: its writer may have been killed before that."""
        path = Path(self.path(name))
        descriptor = os.open(path, os.O_RDONLY)
        try:
            self._fsync(descriptor)
        finally:
            os.close(descriptor)
        self.make_folder(path.parent)
        self.sync_folder(path.parent)

    def make_folder(self, folder: Path) -> None:
        """Make a local folder; its name and those of the ones above it are durable when this returns."""
        make_folder(folder, sync=self.sync_folder, known=self._named)

    @contextmanager
    def pinned(self) -> Iterator[None]:
        """Nobody is :meth:`alone` while the block runs; any number of threads and processes may be in such blocks."""
        descriptor = self._lock_file()
        try:
            if descriptor is not None:
                fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody is in a :meth:`pinned` block of a local folder while this one runs.

        Raises:
            Unavailable: somebody stayed in one too long.
        """
        descriptor = self._lock_file()
        try:
            if descriptor is not None:
                _take(descriptor)
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _lock_file(self) -> int | None:
        """The opened file whose lock says who is at work here; None where a file system has no locks."""
        if not self.local:
            return None
        with translated("*"):
            Path(self._root).mkdir(parents=True, exist_ok=True)
            return os.open(self.path(LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a local folder durable."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._fsync(descriptor)
        finally:
            os.close(descriptor)

    def _fill_local(self, path: Path, parts: Sequence[bytes]) -> None:
        self.make_folder(path.parent)
        temporary = path.with_name(f"{TEMPORARY}{path.name}.{uuid.uuid4().hex}")
        try:
            with temporary.open("wb") as file:
                file.writelines(parts)
                file.flush()
                self._fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def _take(descriptor: int) -> None:
    """Lock a file for this block alone; writers that hold it are waited for."""
    until = time.monotonic() + WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise Unavailable(
                    "a write, a job or a backup of this store is under way: try again when it has ended",
                    retry_after=60.0,
                ) from None
            time.sleep(PAUSE_S)
        else:
            return


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn what a file system raises into our kinds; ``name`` is the blob they are about."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"no blob {name}", reason="BLOB_MISSING") from error
    except OSError as error:
        if error.errno in FULL:
            raise ResourceExhausted(
                f"no room for blob {name} ({error.strerror}): make room and retry", reason="DISK_FULL", retry_after=1.0
            ) from error
        raise Unavailable(f"the blob folder does not answer ({error}): retry", retry_after=1.0) from error
