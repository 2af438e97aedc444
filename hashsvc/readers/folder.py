"""Folders of texts or pictures: one item a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from hashsvc.domain.items import Item, check_key
from hashsvc.domain.jobs import DeadLetter
from hashsvc.domain.kinds import Kind
from hashsvc.errors import HashsvcError, InvalidContent, NotFound
from hashsvc.readers.files import (
    UNIT_BYTES,
    UNIT_ROWS,
    File,
    Spec,
    escaped,
    find,
    leads_out,
    resolve,
    root_of,
    show,
    unescaped,
)
from hashsvc.readers.suffixes import is_item


class FilesSource:
    """One item a file; the key is the path relative to the folder, after the prefix. A unit is a list of paths."""

    def __init__(self, location: str, kind: Kind, prefix: str, max_bytes: int) -> None:
        self.location = location
        self._kind = kind
        self._prefix = prefix
        self._limit = max_bytes
        self._fs, _ = resolve(location)
        self._root = root_of(location)

    def check(self) -> None:
        """Raise NotFound when the folder holds no file of the kind."""
        if next(self._files(), None) is None:
            raise NotFound(f"{self.location!r} holds no {self._kind} file", field="source")

    def units(self, rows: int = UNIT_ROWS, size: int = UNIT_BYTES) -> Iterator[Spec]:
        """Lists of (path, name) in order of name."""
        unit: list[list[str]] = []
        held = 0
        for file in self._files():
            if unit and (len(unit) >= rows or held + file.size > size):
                yield {"files": unit}
                unit, held = [], 0
            unit.append([file.path, file.name])
            held += file.size
        if unit:
            yield {"files": unit}

    def read(self, spec: Spec) -> Iterator[Item | DeadLetter]:
        """The files of a unit."""
        for path, name in spec["files"]:
            try:
                yield self._item(path, name)
            except HashsvcError as error:
                yield DeadLetter(show(self._fs, path), 0, error.message, escaped(name))

    def _item(self, path: str, name: str) -> Item:
        if escaped(name) != name:
            raise InvalidContent("its name, which would be its key, is no valid UTF-8: rename it")
        if leads_out(path, self._root):
            raise InvalidContent(
                f"it is a link out of {escaped(self.location)}: name what it leads to, or put a copy there"
            )
        content = fetch(self._fs, path, self._limit)
        return Item(check_key(name), content, reference=show(self._fs, path))

    def keyed(self, spec: Spec) -> bool:
        """Never: a key is a path."""
        del spec
        return False

    def again(self, letters: Iterable[DeadLetter], rows: int = UNIT_ROWS) -> Iterator[Spec]:
        """The files of the dead letters."""
        known = [_file(self._fs, letter) for letter in letters]
        for start in range(0, len(known), rows):
            yield {"files": known[start : start + rows]}

    def place(self, item: Item) -> tuple[str, int]:
        """File an item is; its row is 0."""
        return item.reference or item.key, 0

    def close(self) -> None:
        """Nothing is held."""

    def _files(self) -> Iterator[File]:
        files = find(self.location, self._prefix)[1]
        return (file for file in files if file.folder or is_item(self._kind, file.path))


def fetch(fs: Any, path: str, limit: int) -> bytes:
    """The bytes of one file.

    Raises:
        InvalidContent: it cannot be read, or is larger than ``limit`` bytes (then it is not read).
    """
    try:
        with fs.open(path, "rb") as handle:
            content = bytes(handle.read(limit + 1))
    except OSError as error:
        raise InvalidContent(f"the file cannot be read: {error.strerror or type(error).__name__}") from None
    if len(content) > limit:
        raise InvalidContent(f"the file is larger than {limit} bytes")
    return content


def _file(fs: Any, letter: DeadLetter) -> list[str]:
    """Path and name of the file a dead letter is of."""
    path = str(fs._strip_protocol(letter.source))  # noqa: SLF001 (fsspec's own name for it)
    name = letter.key or letter.source
    raw = unescaped(path)
    return [raw, unescaped(name)] if raw != path and not fs.exists(path) else [path, name]
