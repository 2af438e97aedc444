"""Blobs: bytes under the sha256 of themselves. A few are files of their own, two letters a folder; many are a pack."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

from hashsvc.content.files import LOCK, TEMPORARY, Files, translated
from hashsvc.content.packs import Packs
from hashsvc.errors import Corrupt, InvalidArgument, NotFound

NAME = re.compile(r"[0-9a-f]{64}")
GRACE_S = 3600.0
PACK_LEAST = 16
PACK_BYTES = 64 << 20


class Blobs:
    """A folder of blobs. Safe to use from several threads and processes: a blob's name says what it holds.

    A sweep takes what nobody refers to. Who puts a blob, or refers to one that he found, does so within :meth:`pinned`
    until the reference is committed.

    Args:
        url: a local folder or any fsspec URL.
        fsync: makes an open local file durable; a seam for the power-loss tests.
    """

    def __init__(self, url: str, *, fsync: Callable[[int], None] = os.fsync) -> None:
        self._files = Files(url, fsync)
        self._packs = Packs(self._files)

    def pinned(self) -> AbstractContextManager[None]:
        """A block during which no process sweeps: from before the first look at a blob or its row to the commit.

        It waits for a sweep that is under way. Blocks may overlap and lie within each other. A file system without
        locks has a grace instead: a block there must not last longer than ``GRACE_S``.

        Raises:
            ResourceExhausted: the disk is full.
        """
        return self._files.pinned()

    def put(self, content: bytes) -> str:
        """Store bytes; durable on a local file system when this returns. The answer is their sha256 (hex).

        Raises:
            ResourceExhausted: the disk is full.
            Unavailable: the file system does not answer.
        """
        name = hashlib.sha256(content).hexdigest()
        path = _path(name)
        with translated(name):
            # Where a grace counts, not a lock, what is in place must become young: it is written again.
            if self._files.local and self._intact(path, content):
                self._files.settle(path)
            else:
                self._files.write(path, [content])
        return name

    def put_all(self, contents: Sequence[bytes]) -> list[str]:
        """Store many; as :meth:`put`, but ``PACK_LEAST`` and more become packs: one wait for the disk each."""
        digests = [hashlib.sha256(content).digest() for content in contents]
        fresh = dict(zip(digests, contents, strict=True))
        if len(fresh) < PACK_LEAST:
            return [self.put(content) for content in contents]
        with translated("*"):
            for part in _parts(fresh):
                self._packs.put(part)
        return [digest.hex() for digest in digests]

    def get(self, name: str) -> bytes:
        """The bytes of a blob.

        Raises:
            NotFound: no such blob.
            Corrupt: the bytes do not match their name.
        """
        path, digest = _path(name), bytes.fromhex(name)
        with translated(name):
            content = self._packs.get(digest) if self._packs.holds(digest) else None
            if content is None:
                content = self._alone(path)
            if content is None:
                content = self._packs.get(digest)
        damaged = content is not None and hashlib.sha256(content).digest() != digest
        if damaged or (content is None and self._packs.holds(digest)):
            raise Corrupt(f"blob {name} does not match its sha256 ({self._files.path(path)}): restore it from a backup")
        if content is None:
            raise NotFound(f"no blob {name}", reason="BLOB_MISSING")
        return content

    def delete(self, name: str) -> bool:
        """Delete a blob; whether it was there."""
        path, digest = _path(name), bytes.fromhex(name)
        with self._files.alone(), translated(name):
            found = self._files.delete(path)
            for pack, digests in list(self._packs.digests()):
                if digest in digests:
                    self._packs.rewrite(pack, lambda one: one != digest)
                    found = True
        return found

    def names(self) -> Iterator[str]:
        """Name of every blob, each once."""
        seen: set[bytes] = set()
        with translated("*"):
            for _, digests in self._packs.digests():
                for digest in digests:
                    if digest not in seen:
                        seen.add(digest)
                        yield digest.hex()
            for name in self._alone_names():
                if bytes.fromhex(name) not in seen:
                    yield name

    def sweep(self, referenced: Iterable[str], *, older_s: float = GRACE_S) -> int:
        """Delete every blob that is not referenced, and what killed writers left unfinished; how many blobs.

        A pack that holds such a blob is written anew without it.

        Args:
            referenced: names (hex) of the blobs that stay; drawn while no write is under way.
            older_s: where a file system has no locks, blobs younger than this stay.

        Raises:
            Unavailable: a write is under way and does not end; nothing was deleted.
        """
        removed: set[bytes] = set()
        with self._files.alone():
            kept = {bytes.fromhex(name) for name in referenced}
            grace = -math.inf if self._files.local else older_s
            with translated("*"):
                for pack, digests in list(self._packs.digests()):
                    loose = [digest for digest in digests if digest not in kept]
                    if loose and self._files.age(pack) >= grace:
                        self._packs.rewrite(pack, kept.__contains__)
                        removed.update(loose)
                for name in list(self._alone_names()):
                    digest = bytes.fromhex(name)
                    if digest not in kept and self._files.age(_path(name)) >= grace and self._files.delete(_path(name)):
                        removed.add(digest)
                self._clear(grace)
        return len(removed)

    def _clear(self, grace: float) -> None:
        """Delete what a writer left unfinished when it died."""
        for path, _ in list(self._files.sizes()):
            name = path.rpartition("/")[2]
            if name.startswith(TEMPORARY) and name != LOCK and self._files.age(path) >= grace:
                self._files.delete(path)

    def _alone(self, path: str) -> bytes | None:
        try:
            return self._files.read(path)
        except FileNotFoundError:
            return None

    def _alone_names(self) -> Iterator[str]:
        """Names of the blobs that are files of their own."""
        for path, _ in self._files.sizes():
            name = path.rpartition("/")[2]
            if NAME.fullmatch(name):
                yield name

    def _intact(self, path: str, content: bytes) -> bool:
        """Whether the blob is in place and undamaged: reading it costs less than writing it durably again."""
        return self._files.exists(path) and self._files.read(path) == content


def _path(name: str) -> str:
    if not NAME.fullmatch(name):
        raise InvalidArgument(f"{name!r} is no blob name: 64 hexadecimal digits", field="content_hash")
    return f"{name[:2]}/{name}"


def _parts(blobs: Mapping[bytes, bytes]) -> Iterator[dict[bytes, bytes]]:
    """The blobs in parts of about ``PACK_BYTES``."""
    part: dict[bytes, bytes] = {}
    size = 0
    for digest, content in blobs.items():
        if part and size + len(content) > PACK_BYTES:
            yield part
            part, size = {}, 0
        part[digest] = content
        size += len(content)
    if part:
        yield part
