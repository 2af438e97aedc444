"""Tar shards named as webdataset names them: files that share a name up to its first dot are one sample.

Columns: ``image`` (any picture suffix), ``text`` (.txt, .text, .md), ``vector`` (.npy), ``cls`` (.cls), and every field
of a .json file. Other files are passed over.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import islice
from typing import IO, Any, NamedTuple

import numpy as np

from hashsvc.errors import InvalidArgument
from hashsvc.readers.files import File, Spec
from hashsvc.readers.formats import MAX_RECORD, SAMPLE, Broken, Handle, Record
from hashsvc.readers.suffixes import PICTURES

TEXTS = frozenset({".txt", ".text", ".md"})
# Fields of a header (POSIX.1-1988, ustar).
NAME, SIZE, CHECKSUM, PREFIX = slice(0, 100), slice(124, 136), slice(148, 156), slice(345, 500)
PLAIN = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE})


class Tar:
    """Reader of .tar; ranges are byte offsets of whole samples, the key is the sample's name."""

    def __init__(self) -> None:
        self._handle = Handle()
        self._plan = Handle()

    def columns(self, file: File) -> list[str]:
        """Names in the first hundred samples; raises InvalidArgument when there is none."""
        names: dict[str, None] = {}
        broken = "it holds no sample"
        for record in islice(self.records(file, {}, None), SAMPLE):
            if isinstance(record, Broken):
                broken = record.reason
            else:
                names.update(dict.fromkeys(record.values))
        if not names:
            raise InvalidArgument(f"{file.url} is no readable tar shard: {broken}", field="source")
        return list(names)

    def ranges(self, file: File, rows: int, size: int) -> Iterator[Spec]:
        """Ranges of whole samples, found by going from header to header."""
        start = end = first = 0
        for row, (_, begin, stop, _) in enumerate(self._samples(self._plan, file, 0)):
            end = stop
            if row - first >= rows or (begin - start >= size and row > first):
                yield {"start": start, "end": begin, "row": first}
                start, first = begin, row
        if end > start:
            yield {"start": start, "end": end, "row": first}

    def records(self, file: File, spec: Spec, columns: list[str] | None) -> Iterator[Record | Broken]:
        """The samples of a range; one whose parts cannot be read is Broken."""
        last = spec.get("end")
        samples = self._samples(self._handle, file, spec.get("start", 0))
        for row, (name, begin, _, parts) in enumerate(samples, spec.get("row", 0)):
            if last is not None and begin >= last:
                return
            if isinstance(parts, str):
                yield Broken(row, parts, rest=True)
                return
            try:
                values = _values(parts)
            except (ValueError, OSError, RecursionError, tarfile.TarError) as error:
                yield Broken(row, f"sample {name!r}: {error}")
                continue
            wanted = {name: value for name, value in values.items() if columns is None or name in columns}
            yield Record(row, wanted, name)

    def close(self) -> None:
        """Close the file."""
        self._handle.close()
        self._plan.close()

    def _samples(
        self, handle: Handle, file: File, start: int
    ) -> Iterator[tuple[str, int, int, dict[str, Callable[[], bytes]] | str]]:
        """(name, start, end, readers of the parts by suffix) of each sample; at damage the reason instead of parts."""
        name, begin, end = "", start, start
        parts: dict[str, Callable[[], bytes]] = {}
        try:
            raw = handle.at(file, start)
            for member in _members(raw, start):
                own, suffix = _split(member.name)
                if own != name and parts:
                    yield name, begin, member.offset, parts
                    parts = {}
                if not parts:
                    begin = member.offset
                name, end = own, member.data + member.size
                parts[suffix] = partial(_content, raw, member)
            if parts:
                yield name, begin, end, parts
        except (tarfile.TarError, EOFError, OSError) as error:
            # Files of the last sample may lie behind the damage: half a sample is not stored as if it were whole.
            if end > start or file.size:
                yield name, begin if parts else end, end + 1, f"the tar is damaged or cut off in {name!r}: {error}"


class Member(NamedTuple):
    """A file of a tar.

    Args:
        name: its path.
        offset: of its (first) header.
        data: offset of its bytes.
        size: how many these are.
        plain: whether they lie there as they are: one header, no holes.
    """

    name: str
    offset: int
    data: int
    size: int
    plain: bool


def _members(raw: IO[bytes], offset: int) -> Iterator[Member]:
    """The files from a header on; TarError at damage."""
    while True:
        raw.seek(offset)
        member = _plain(raw.read(tarfile.BLOCKSIZE), offset)
        if member is None:
            raw.seek(offset)
            with closing(tarfile.open(fileobj=raw, mode="r:")) as tar:
                found = tar.next()
                if found is None:
                    _check_end(raw, tar.offset)
                    return
                offset, here = tar.offset, offset
            if not found.isfile():
                continue
            member = Member(found.name, here, found.offset_data, found.size, plain=False)
        else:
            offset = member.data + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        yield member


def _plain(header: bytes, offset: int) -> Member | None:
    """The file a header is of; None for all but the plainest: tarfile takes ten times as long, and knows the rest."""
    if len(header) < tarfile.BLOCKSIZE or header[156:157] not in PLAIN:
        return None
    try:
        size, stored = (int(header[field].strip(b" \0"), 8) for field in (SIZE, CHECKSUM))
    except ValueError:
        return None
    name, prefix = (header[field].partition(b"\0")[0] for field in (NAME, PREFIX))
    if stored != sum(header) - sum(header[CHECKSUM]) + 8 * ord(" ") or name.endswith(b"/"):
        return None
    path = prefix + b"/" + name if prefix else name
    return Member(path.decode("utf-8", "surrogateescape"), offset, offset + tarfile.BLOCKSIZE, size, plain=True)


def _content(raw: IO[bytes], member: Member) -> bytes:
    if member.size > MAX_RECORD:
        raise ValueError(f"{member.name} is larger than 64 MiB")
    if not member.plain:
        raw.seek(member.offset)
        with closing(tarfile.open(fileobj=raw, mode="r:")) as tar:
            found = tar.next()
            held = None if found is None else tar.extractfile(found)
            if held is None:
                raise tarfile.ReadError("it changed while it was read")
            return held.read()
    raw.seek(member.data)
    content = raw.read(member.size)
    if len(content) < member.size:
        raise tarfile.ReadError("unexpected end of data")
    return content


def _check_end(raw: IO[bytes], offset: int) -> None:
    """Tarfile takes a damaged header, and any end of the file, for the end of the archive: that is a block of zeros."""
    raw.seek(offset)
    block = raw.read(tarfile.BLOCKSIZE)
    if block.strip(b"\0"):
        raise tarfile.ReadError("the next header cannot be read")
    if len(block) < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("it ends without the blocks of zeros that end a tar")


def _split(path: str) -> tuple[str, str]:
    folder, slash, name = path.removeprefix("./").rpartition("/")
    stem, dot, suffix = name.partition(".")
    return folder + slash + stem, (dot + suffix).lower()


def _values(parts: dict[str, Callable[[], bytes]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for suffix, read in parts.items():
        if suffix in PICTURES:
            values["image"] = read()
        elif suffix in TEXTS:
            values["text"] = read().decode()
        elif suffix == ".npy":
            values["vector"] = np.load(io.BytesIO(read()), allow_pickle=False)
        elif suffix == ".cls":
            values["cls"] = int(read())
        elif suffix == ".json":
            fields = json.loads(read())
            values.update(fields if isinstance(fields, dict) else {"json": fields})
    return values
