"""JSON lines, plain or gzipped: one object a line. A row is a line; empty lines count but hold nothing."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from gzip import BadGzipFile
from itertools import islice
from typing import IO

import numpy as np

from hashsvc.errors import InvalidArgument
from hashsvc.readers.files import File, Spec
from hashsvc.readers.formats import BLOCK, MAX_RECORD, SAMPLE, Broken, Handle, Record

TORN = (EOFError, zlib.error, BadGzipFile)


class JsonLines:
    """Reader of .jsonl and .jsonl.gz; ranges are byte offsets (into the decompressed text)."""

    def __init__(self) -> None:
        self._handle = Handle()
        self._plan = Handle()

    def columns(self, file: File) -> list[str]:
        """Names in the first hundred rows, in order of appearance; raises InvalidArgument when none can be read."""
        names: dict[str, None] = {}
        reasons = []
        for record in islice(self.records(file, {}, None), SAMPLE):
            if isinstance(record, Broken):
                reasons.append(record.reason)
            else:
                names.update(dict.fromkeys(record.values))
        if reasons and not names:
            raise InvalidArgument(f"{file.url} does not look like JSON lines: {reasons[0]}", field="source")
        return list(names)

    def ranges(self, file: File, rows: int, size: int) -> Iterator[Spec]:
        """Ranges of whole lines, found by counting line ends."""
        start = row = end = count = 0
        for end, lines in _line_ends(self._plan.at(file, 0), rows, size):
            yield {"start": start, "end": end, "row": row}
            start, row, count = end, row + lines, count + 1
        if not count and file.size:
            # Not one byte could be decompressed: one unit that says so.
            yield {"start": 0, "end": 1, "row": 0}

    def records(self, file: File, spec: Spec, columns: list[str] | None) -> Iterator[Record | Broken]:
        """The lines of a range as records; a line that is no JSON object is Broken."""
        end = spec.get("end")
        row = int(spec.get("row", 0))
        try:
            handle = self._handle.at(file, spec.get("start", 0))
            while end is None or handle.tell() < end:
                line, whole = _line(handle)
                if not line:
                    return
                if line.strip():
                    yield _parse(row, line, columns) if whole else Broken(row, f"line {row + 1} is longer than 64 MiB")
                row += 1
        except TORN as error:
            yield Broken(row, f"the compressed data is damaged or cut off after line {row}: {error}", rest=True)

    def close(self) -> None:
        """Close the file."""
        self._handle.close()
        self._plan.close()


def _line_ends(handle: IO[bytes], rows: int, size: int) -> Iterator[tuple[int, int]]:
    """(end offset, lines) of consecutive ranges; what follows damaged data is one line."""
    start = base = lines = 0
    torn = False
    # GzipFile.read loses what it decompressed before the damage, read1 gives it first.
    read = getattr(handle, "read1", handle.read)
    while not torn:
        try:
            block = read(BLOCK)
        except TORN:
            block, torn = b"\n", True
        if not block:
            break
        for position in np.flatnonzero(np.frombuffer(block, np.uint8) == 10).tolist():
            lines += 1
            end = base + position + 1
            if lines >= rows or end - start >= size:
                yield end, lines
                start, lines = end, 0
        base += len(block)
    if base > start:
        yield base, max(lines, 1)


def _line(handle: IO[bytes]) -> tuple[bytes, bool]:
    """The next line, and whether it was read whole; the rest of an endless line is skipped."""
    line = handle.readline(MAX_RECORD)
    if len(line) < MAX_RECORD or line.endswith(b"\n"):
        return line, True
    while rest := handle.readline(MAX_RECORD):
        if rest.endswith(b"\n"):
            break
    return line[:64], False


def _parse(row: int, line: bytes, columns: list[str] | None) -> Record | Broken:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        # A last line that neither parses nor ends may be where a copy of the file was cut off.
        reason = f"line {row + 1} is no valid JSON: {str(error) or type(error).__name__}"
        return Broken(row, reason, rest=not line.endswith(b"\n"))
    if not isinstance(values, dict):
        return Broken(row, f"line {row + 1} is no JSON object but {type(values).__name__}")
    if columns is not None:
        values = {name: values[name] for name in columns if name in values}
    return Record(row, values)
