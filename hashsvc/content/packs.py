"""Packs: many blobs in one file, written once and never changed.

A pack is the blobs one behind the other, then its index: 32 bytes of sha256 and 8 bytes of end offset a blob. Its name
is the sha256 of the index and the number of blobs, so that the same blobs in the same order make the same file: a unit
that is run again writes nothing. One blob may lie in several packs.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hashsvc.content.files import Files

FOLDER = "packs"
NAME = re.compile(rf"{FOLDER}/([0-9a-f]{{64}})-([0-9]+)\.pack")
ENTRY = np.dtype([("hash", "V32"), ("end", "<u8")])


@dataclass(frozen=True, slots=True)
class _Places:
    """Where blobs lie, by the first 8 bytes of their hash, in order of these: four arrays of one length.

    Args:
        first: ``uint64[n]``.
        pack: ``int32[n]``, position in ``packs``.
        start: ``int64[n]``, and ``stop``: bytes of the pack.
    """

    packs: tuple[str, ...] = ()
    first: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))
    pack: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    start: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    stop: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def of(self, digest: bytes) -> Iterator[tuple[str, int, int]]:
        """Ranges that may hold a blob; those of another with the same first bytes are among them."""
        wanted = _first(digest)
        low, high = (int(np.searchsorted(self.first, wanted, side)) for side in ("left", "right"))
        for place in range(low, high):
            yield self.packs[int(self.pack[place])], int(self.start[place]), int(self.stop[place])


class Packs:
    """The packs of a content folder. Safe to use from several threads and processes.

    Where blobs lie is read at the first question and takes 28 bytes a blob; packs of other processes are looked for
    when a blob is not found.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._lock = threading.Lock()
        self._places = _Places()

    def put(self, blobs: Mapping[bytes, bytes]) -> str:
        """Write blobs, by their sha256, as one pack; durable on a local file system when this returns."""
        ends = np.cumsum([len(content) for content in blobs.values()], dtype=np.uint64)
        index = np.empty(len(blobs), ENTRY)
        index["hash"] = np.frombuffer(b"".join(blobs), "V32")
        index["end"] = ends
        tail = index.tobytes()
        name = f"{FOLDER}/{hashlib.sha256(tail).hexdigest()}-{len(blobs)}.pack"
        # Where a grace counts, not a lock, what is in place must become young: it is written again.
        if self._files.local and self._intact(name, [*blobs.values(), tail]):
            self._files.settle(name)
        else:
            self._files.write(name, [*blobs.values(), tail])
        return name

    def get(self, digest: bytes) -> bytes | None:
        """The bytes of a blob; None when no pack holds it, or none undamaged."""
        for _ in range(2):
            for pack, start, stop in self._places.of(digest):
                try:
                    content = self._files.read(pack, start, stop)
                except FileNotFoundError:  # swept meanwhile: its blobs may lie in another pack by now
                    break
                if hashlib.sha256(content).digest() == digest:
                    return content
            self._look()
        return None

    def holds(self, digest: bytes) -> bool:
        """Whether a pack is known that holds (or held) a blob with the first bytes of this hash."""
        return next(self._places.of(digest), None) is not None

    def digests(self) -> Iterator[tuple[str, list[bytes]]]:
        """Name of every pack, and the sha256 of its blobs, in order."""
        for name, size in sorted(self._files.sizes(FOLDER)):
            if NAME.fullmatch(name):
                yield name, [bytes(one) for one in self._index(name, size)["hash"]]

    def rewrite(self, pack: str, keep: Callable[[bytes], bool]) -> None:
        """Replace a pack by one of those of its blobs that stay."""
        whole = self._files.read(pack)
        index = self._index(pack, len(whole))
        starts = [0, *index["end"][:-1].tolist()]
        ranges = zip((bytes(one) for one in index["hash"]), starts, index["end"].tolist(), strict=True)
        staying = {digest: whole[start:stop] for digest, start, stop in ranges if keep(digest)}
        if staying:
            self.put(staying)
        self._files.delete(pack)

    def _intact(self, name: str, parts: list[bytes]) -> bool:
        """Whether the pack is in place and undamaged: reading it costs less than writing it durably again."""
        return self._files.exists(name) and self._files.read(name) == b"".join(parts)

    def _look(self) -> None:
        """Bring in packs that are new, and let go of those that are gone."""
        with self._lock:
            known = self._places
            there = {name: size for name, size in self._files.sizes(FOLDER) if NAME.fullmatch(name)}
            new = [name for name in sorted(there) if name not in set(known.packs)]
            if not new and len(there) == len(known.packs):
                return
            packs = (*known.packs, *new)
            columns = [[known.first, known.pack, known.start, known.stop]]
            for number, name in enumerate(new, len(known.packs)):
                index = self._index(name, there[name])
                stop = index["end"].astype(np.int64)
                start = np.concatenate([[0], stop[:-1]]).astype(np.int64)
                columns.append([_firsts(index["hash"]), np.full(len(index), number, np.int32), start, stop])
            first, pack, start, stop = (np.concatenate(column) for column in zip(*columns, strict=True))
            gone = np.array([name not in there for name in packs], bool)
            order = np.argsort(first, kind="stable")
            order = order[~gone[pack[order]]]
            self._places = _Places(packs, first[order], pack[order], start[order], stop[order])

    def _index(self, name: str, size: int) -> NDArray[np.void]:
        """The index of a pack: empty when it does not match the pack's name, and so cannot be trusted."""
        match = NAME.fullmatch(name)
        assert match is not None
        tail = self._files.read(name, max(0, size - int(match[2]) * ENTRY.itemsize), size)
        if hashlib.sha256(tail).hexdigest() != match[1]:
            return np.empty(0, ENTRY)
        return np.frombuffer(tail, ENTRY)


def _first(digest: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(digest[:8], "big"))


def _firsts(hashes: NDArray[np.void]) -> NDArray[np.uint64]:
    rows = np.frombuffer(hashes.tobytes(), np.uint8).reshape(-1, 32)
    return np.frombuffer(rows[:, :8].tobytes(), ">u8").astype(np.uint64)
