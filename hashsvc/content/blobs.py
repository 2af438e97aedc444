"""Blobs: bytes under the sha256 of themselves, two letters a folder."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fsspec

from hashsvc.errors import Corrupt, InvalidArgument, NotFound, ResourceExhausted, Unavailable

NAME = re.compile(r"[0-9a-f]{64}")
GRACE_S = 3600.0
THREADS = 16
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Blobs:
    """A folder of blobs. Safe to use from several threads and processes: a blob's name says what it holds.

    Args:
        url: a local folder or any fsspec URL.
        fsync: makes an open local file durable; a seam for the power-loss tests.
    """

    def __init__(self, url: str, *, fsync: Callable[[int], None] = os.fsync) -> None:
        filesystem, root = fsspec.core.url_to_fs(url)
        self._files: Any = filesystem
        self._root = str(root).rstrip("/")
        self._local = "file" in _protocols(filesystem)
        self._fsync = fsync

    def put(self, content: bytes) -> str:
        """Store bytes; durable on a local file system when this returns. The answer is their sha256 (hex).

        Raises:
            ResourceExhausted: the disk is full.
            Unavailable: the file system does not answer.
        """
        name = hashlib.sha256(content).hexdigest()
        path = self._path(name)
        with _translated(name):
            if self._intact(path, content):
                self._renew(path)
            elif self._local:
                self._write_local(Path(path), content)
            else:
                self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
                self._files.pipe_file(path, content)
        return name

    def put_all(self, contents: Sequence[bytes], *, threads: int = THREADS) -> list[str]:
        """Store many; as :meth:`put`, but they wait for the disk together, and each folder is made durable once."""
        with ThreadPoolExecutor(threads) as pool:
            if not self._local:
                return list(pool.map(self.put, contents))
            with _translated("*"):
                names = [hashlib.sha256(content).hexdigest() for content in contents]
                paths = [Path(self._path(name)) for name in names]
                for folder in {path.parent for path in paths}:
                    self._make_folder(folder)
                fresh = [path for path in pool.map(self._fill, paths, contents) if path is not None]
                for _ in pool.map(self._sync_folder, {path.parent for path in fresh}):
                    pass
        return names

    def _fill(self, path: Path, content: bytes) -> Path | None:
        """Write one blob; None when it is in place. Its folder is not durable yet."""
        if path.exists() and self._intact(str(path), content):
            self._renew(str(path))
            return None
        self._write_file(path, content)
        return path

    def get(self, name: str) -> bytes:
        """The bytes of a blob.

        Raises:
            NotFound: no such blob.
            Corrupt: the bytes do not match their name.
        """
        path = self._path(name)
        with _translated(name):
            content: bytes = self._files.cat_file(path)
        if hashlib.sha256(content).hexdigest() != name:
            raise Corrupt(f"blob {name} does not match its sha256 ({path}): restore it from a backup")
        return content

    def delete(self, name: str) -> bool:
        """Delete a blob; whether it was there."""
        path = self._path(name)
        with _translated(name):
            try:
                self._files.rm_file(path)
            except FileNotFoundError:
                return False
        return True

    def names(self) -> Iterator[str]:
        """Name of every blob."""
        with _translated("*"):
            for path in self._files.find(self._root) if self._files.exists(self._root) else []:
                name = str(path).rpartition("/")[2]
                if NAME.fullmatch(name):
                    yield name

    def sweep(self, referenced: Iterable[str], *, older_s: float = GRACE_S) -> int:
        """Delete every blob that is not referenced; how many.

        Args:
            referenced: names (hex) of the blobs that stay.
            older_s: blobs younger than this stay: a write in flight puts its blobs before its commit.
        """
        kept = set(referenced)
        return sum(self.delete(name) for name in list(self.names()) if name not in kept and self._age(name) >= older_s)

    def _age(self, name: str) -> float:
        with _translated(name):
            try:
                return time.time() - float(self._files.modified(self._path(name)).timestamp())
            except NotImplementedError:
                return float("inf")

    def _intact(self, path: str, content: bytes) -> bool:
        """Whether the blob is in place and undamaged: reading it costs less than writing it durably again."""
        return bool(self._files.exists(path)) and self._files.cat_file(path) == content

    def _renew(self, path: str) -> None:
        """A blob found in place counts as new: a sweep must not take it before the commit that needs it."""
        if self._local:
            os.utime(path)

    def _path(self, name: str) -> str:
        if not NAME.fullmatch(name):
            raise InvalidArgument(f"{name!r} is no blob name: 64 hexadecimal digits", field="content_hash")
        return f"{self._root}/{name[:2]}/{name}"

    def _write_local(self, path: Path, content: bytes) -> None:
        self._make_folder(path.parent)
        self._write_file(path, content)
        self._sync_folder(path.parent)

    def _write_file(self, path: Path, content: bytes) -> None:
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                self._fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise

    def _make_folder(self, folder: Path) -> None:
        missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for made in missing:
            self._sync_folder(made.parent)

    def _sync_folder(self, folder: Path) -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._fsync(descriptor)
        finally:
            os.close(descriptor)


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


@contextmanager
def _translated(name: str) -> Iterator[None]:
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
