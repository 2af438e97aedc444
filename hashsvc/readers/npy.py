"""Numpy arrays, .npy: one row an item; keys are row numbers, or the lines of an ids file beside the array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

from hashsvc.errors import InvalidArgument
from hashsvc.readers.files import File, Spec, lies_beside
from hashsvc.readers.formats import BLOCK, Broken, Handle, Record

COLUMN = "content"
BESIDE = (".ids.txt", ".keys.txt", ".ids.npy", ".keys.npy")


@dataclass(frozen=True, slots=True)
class _Layout:
    url: str
    dtype: np.dtype[np.generic]
    rows: int
    width: int
    offset: int
    ids: File | None

    @property
    def row_bytes(self) -> int:
        return self.width * self.dtype.itemsize


class Npy:
    """Reader of .npy; its only column is ``content``, a row as it stands in the file."""

    def __init__(self) -> None:
        self._handle = Handle()
        self._ids = Handle()
        self._plan = Handle()
        self._known: _Layout | None = None

    def columns(self, file: File) -> list[str]:
        """Always ``["content"]``; raises InvalidArgument when the array or its ids cannot be used."""
        layout = self._layout(file)
        if layout.ids is not None:
            count = self._count(layout.ids)
            if count != layout.rows:
                raise InvalidArgument(
                    f"{layout.ids.url} has {count} ids for the {layout.rows} rows of {file.url}", field="source"
                )
        return [COLUMN]

    def keyed(self, file: File) -> bool:
        """Whether ids lie beside the array."""
        return self._layout(file).ids is not None

    def ranges(self, file: File, rows: int, size: int) -> Iterator[Spec]:
        """Rows from ``start`` to ``stop``, with the byte offset of their first id in a text file of ids."""
        layout = self._layout(file)
        step = max(1, min(rows, size // max(1, layout.row_bytes)))
        place = 0
        for start in range(0, layout.rows, step):
            stop = min(start + step, layout.rows)
            spec: Spec = {"start": start, "stop": stop}
            if layout.ids is not None and layout.ids.path.endswith(".txt"):
                spec["ids"] = place
                handle = self._plan.at(layout.ids, place)
                for _ in range(stop - start):
                    handle.readline()
                place = handle.tell()
            yield spec

    def records(self, file: File, spec: Spec, columns: list[str] | None) -> Iterator[Record | Broken]:
        """The rows of a range."""
        del columns
        layout = self._layout(file)
        start, stop = spec.get("start", 0), spec.get("stop", layout.rows)
        step = max(1, BLOCK // max(1, layout.row_bytes))
        keys = self._keys(layout, start, stop, spec.get("ids", 0))
        for first in range(start, stop, step):
            rows = self._array(file, layout, first, min(first + step, stop))
            for offset, row in enumerate(rows):
                yield Record(first + offset, {COLUMN: row}, next(keys, None))

    def close(self) -> None:
        """Close the files."""
        self._handle.close()
        self._ids.close()
        self._plan.close()

    def _array(self, file: File, layout: _Layout, start: int, stop: int) -> NDArray[np.generic]:
        handle = self._handle.at(file, layout.offset + start * layout.row_bytes)
        raw = handle.read((stop - start) * layout.row_bytes)
        return np.frombuffer(raw, layout.dtype).reshape(stop - start, layout.width)

    def _keys(self, layout: _Layout, start: int, stop: int, place: int) -> Iterator[str]:
        if layout.ids is None:
            return iter(())
        handle = self._ids.at(layout.ids, place if layout.ids.path.endswith(".txt") else 0)
        if layout.ids.path.endswith(".txt"):
            return (handle.readline().decode("utf-8", "surrogateescape").rstrip("\r\n") for _ in range(start, stop))
        return iter(map(str, _load_ids(handle, layout.ids)[start:stop].tolist()))

    def _count(self, ids: File) -> int:
        handle = self._ids.at(ids, 0)
        if ids.path.endswith(".npy"):
            return len(_load_ids(handle, ids))
        count, last = 0, b"\n"
        while block := handle.read(BLOCK):
            count += block.count(b"\n")
            last = block[-1:]
        return count + (last != b"\n")

    def _layout(self, file: File) -> _Layout:
        if self._known is None or self._known.url != file.url:
            handle = self._handle.at(file, 0)
            shape, dtype = _header(handle, file)
            width = shape[1] if len(shape) == 2 else 0
            layout = _Layout(file.url, dtype, shape[0], width, handle.tell(), _beside(file))
            if file.size and file.size < layout.offset + layout.rows * layout.row_bytes:
                raise InvalidArgument(f"{file.url} is cut off: it is shorter than its header says", field="source")
            self._known = layout
        return self._known


def _header(handle: IO[bytes], file: File) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    try:
        version = np.lib.format.read_magic(handle)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(handle)
    except ValueError as error:
        raise InvalidArgument(f"{file.url} is no readable .npy file: {error}", field="source") from None
    if len(shape) != 2 or not shape[1] or fortran or dtype.kind not in "fiu":
        raise InvalidArgument(
            f"{file.url} must be a row-major array of numbers with two axes, not {dtype}{list(shape)}", field="source"
        )
    return shape, dtype


def _beside(file: File) -> File | None:
    stem = file.path.removesuffix(".npy")
    for suffix in BESIDE:
        beside = File(file.fs, stem + suffix, file.name, 0)
        if file.fs.exists(beside.path):
            if not lies_beside(file.fs, beside.path, file.path):
                raise InvalidArgument(f"{beside.url} is a link out of its folder: put a copy there", field="source")
            return beside
    return None


def _load_ids(handle: IO[bytes], ids: File) -> NDArray[np.generic]:
    try:
        array: NDArray[np.generic] = np.load(handle, allow_pickle=False)
    except ValueError as error:
        raise InvalidArgument(f"{ids.url} cannot be read: {error}", field="source") from None
    if array.ndim != 1 or array.dtype.kind not in "iuU":
        raise InvalidArgument(f"{ids.url} must hold one integer or string a row", field="source")
    return array
