"""What every table format offers: its columns, its ranges, and the records of one range."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from gzip import GzipFile
from typing import IO, Any, Protocol, cast

from hashsvc.readers.files import File, Spec

BLOCK = 1 << 20
MAX_RECORD = 64 << 20
SAMPLE = 100


@dataclass(frozen=True, slots=True)
class Record:
    """One row: its number in the file (from 0), its values by column, and the key the format itself gives it."""

    row: int
    values: Mapping[str, Any]
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """One row that cannot be parsed; with ``rest`` it stands for all that follows in the file too."""

    row: int
    reason: str
    rest: bool = False


class Format(Protocol):
    """A table format. One instance reads one file at a time and keeps its place, so that ranges in order cost one pass.

    Planning and reading may alternate; two threads may not use one instance.
    """

    def columns(self, file: File) -> list[str]:
        """Names of the columns; for formats without a schema those of the first rows.

        Raises:
            InvalidArgument: the file is not of this format.
        """
        ...

    def ranges(self, file: File, rows: int, size: int) -> Iterator[Spec]:
        """Specs of consecutive ranges of at most ``rows`` rows and about ``size`` bytes, never held in memory."""
        ...

    def records(self, file: File, spec: Spec, columns: list[str] | None) -> Iterator[Record | Broken]:
        """The rows of a range; ``columns`` None takes them all. An empty spec stands for the whole file."""
        ...

    def close(self) -> None:
        """Let go of the open file."""
        ...


class Handle:
    """The file last opened, kept open: ranges read in order neither open it again nor decompress from the start."""

    def __init__(self) -> None:
        self._path = ""
        self._file: IO[bytes] | None = None
        self._raw: IO[bytes] | None = None

    def at(self, file: File, offset: int) -> IO[bytes]:
        """The bytes of ``file`` (decompressed when its name ends in .gz) from ``offset`` on."""
        if self._file is None or self._path != file.url:
            self.close()
            self._raw = file.open()
            self._file = self._raw
            if file.path.endswith(".gz"):
                self._file = cast("IO[bytes]", GzipFile(fileobj=self._raw, mode="rb"))
            self._path = file.url
        if self._file.tell() != offset:
            self._file.seek(offset)
        return self._file

    def close(self) -> None:
        """Close the file."""
        for file in (self._file, self._raw):
            if file is not None:
                with suppress(OSError):
                    file.close()
        self._file = self._raw = None
