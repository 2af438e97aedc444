"""Separated values, .csv and .tsv, plain or gzipped: the first line names the columns (RFC 4180).

A broken row costs itself only: a record that spans several lines and does not parse is taken as its first line, and
reading goes on with the next.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from typing import IO

from hashsvc.errors import InvalidArgument
from hashsvc.readers.files import File, Spec
from hashsvc.readers.formats import Broken, Handle, Record
from hashsvc.readers.jsonl import TORN

MAX_FIELD = 8 << 20


class Separated:
    """Reader of .csv and .tsv; ranges are byte offsets (into the decompressed text)."""

    def __init__(self, delimiter: str = ",") -> None:
        self._delimiter = delimiter
        self._handle = Handle()
        self._plan = Handle()
        self._header: tuple[str, list[str], int] | None = None

    def columns(self, file: File) -> list[str]:
        """The names in the first line; raises InvalidArgument when one is doubled or empty."""
        return self._head(file)[0]

    def ranges(self, file: File, rows: int, size: int) -> Iterator[Spec]:
        """Ranges of whole records, found by the parser that will read them."""
        names, start = self._head(file)
        row = first = 0
        end = start
        try:
            for end, _ in self._parse(self._plan.at(file, start), start, names):
                row += 1
                if row - first >= rows or end - start >= size:
                    yield {"start": start, "end": end, "row": first}
                    start, first = end, row
        except TORN:
            row, end = row + 1, end + 1  # what follows is one record, which says so
        if row > first:
            yield {"start": start, "end": end, "row": first}

    def records(self, file: File, spec: Spec, columns: list[str] | None) -> Iterator[Record | Broken]:
        """The records of a range; one with too many or too few fields is Broken."""
        names, start = self._head(file)
        wanted = [(i, name) for i, name in enumerate(names) if columns is None or name in columns]
        last = spec.get("end")
        start = spec.get("start", start)
        parsed = self._parse(self._handle.at(file, start), start, names)
        row = spec.get("row", 0)
        try:
            for end, fields in parsed:
                if last is not None and end > last:
                    return
                if isinstance(fields, str):
                    yield Broken(row, f"record {row + 1}: {fields}")
                else:
                    yield Record(row, {name: fields[i] for i, name in wanted if fields[i] != ""})
                row += 1
                if end == last:
                    return
        except TORN as error:
            yield Broken(row, f"the compressed data is damaged or cut off after record {row}: {error}", rest=True)

    def close(self) -> None:
        """Close the file."""
        self._handle.close()
        self._plan.close()

    def _head(self, file: File) -> tuple[list[str], int]:
        if self._header is None or self._header[0] != file.url:
            lines = _Lines(self._handle.at(file, 0))
            try:
                names = [name.strip() for name in next(csv.reader(lines, delimiter=self._delimiter), [])]
            except (csv.Error, *TORN) as error:
                raise InvalidArgument(f"{file.url} has no readable first line: {error}", field="source") from None
            if names:
                names[0] = names[0].removeprefix("\ufeff").strip('"')
            if len(set(names)) != len(names) or "" in names:
                raise InvalidArgument(f"{file.url}: the first line must name each column once: {names}", field="source")
            self._header = (file.url, names, lines.used)
        return self._header[1], self._header[2]

    def _parse(self, handle: IO[bytes], start: int, names: list[str]) -> Iterator[tuple[int, list[str] | str]]:
        """(end offset, fields or what is wrong) of each record from ``start`` on."""
        csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD))
        lines = _Lines(handle)
        reader = csv.reader(lines, delimiter=self._delimiter)
        while True:
            lines.forget()
            fields: list[str] | str
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                fields = str(error)
            if not fields:
                continue
            if isinstance(fields, list) and len(fields) != len(names):
                fields = f"it has {len(fields)} fields, the first line names {len(names)}"
            if isinstance(fields, str):
                lines.back_to_second()
            yield start + lines.used, fields


class _Lines:
    """Lines for csv.reader that know how many bytes they used and can be given back."""

    def __init__(self, handle: IO[bytes]) -> None:
        self.used = 0
        self._handle = handle
        self._again: deque[bytes] = deque()
        self._record: list[bytes] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._handle.readline(MAX_FIELD)
        if not line:
            raise StopIteration
        self.used += len(line)
        self._record.append(line)
        return line.decode("utf-8", "surrogateescape")

    def forget(self) -> None:
        """A new record begins."""
        self._record.clear()

    def back_to_second(self) -> None:
        """Give back every line of this record but the first."""
        rest = self._record[1:]
        self.used -= sum(map(len, rest))
        self._again.extendleft(reversed(rest))
