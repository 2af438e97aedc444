"""Tables: rows of files, as items by the chosen columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain, dropwhile, pairwise
from posixpath import normpath

from hashsvc.domain.items import Item, check_key
from hashsvc.domain.jobs import READS_ON, DeadLetter
from hashsvc.domain.kinds import Kind
from hashsvc.errors import FailedPrecondition, HashsvcError, InvalidArgument, InvalidContent
from hashsvc.readers.arrow import Arrow
from hashsvc.readers.cells import content_of, key_of, metadata_of
from hashsvc.readers.columns import Chosen, Columns
from hashsvc.readers.files import (
    UNIT_BYTES,
    UNIT_ROWS,
    File,
    Spec,
    escaped,
    find,
    leads_out,
    lies_beside,
    resolve,
    root_of,
    show,
)
from hashsvc.readers.folder import fetch
from hashsvc.readers.formats import Broken, Format, Record
from hashsvc.readers.jsonl import JsonLines
from hashsvc.readers.npy import BESIDE, Npy
from hashsvc.readers.parquet import Parquet
from hashsvc.readers.separated import Separated
from hashsvc.readers.suffixes import suffix_of
from hashsvc.readers.tar import Tar

FORMATS: Mapping[str, Callable[[], Format]] = {
    ".jsonl": JsonLines,
    ".ndjson": JsonLines,
    ".csv": Separated,
    ".tsv": lambda: Separated("\t"),
    ".parquet": Parquet,
    ".npy": Npy,
    ".tar": Tar,
    ".arrow": Arrow,
}


class TableSource:
    """Rows of files of one format. A unit is a range of one file; the key is a column or ``file#row``."""

    def __init__(
        self, location: str, kind: Kind, columns: Columns, *, prefix: str, max_bytes: int, suffix: str
    ) -> None:
        self.location = location
        self._kind = kind
        self._columns = columns
        self._prefix = prefix
        self._limit = max_bytes
        self._suffix = suffix
        self._format = FORMATS[suffix]()
        self._chosen: dict[str, tuple[File, Chosen, list[str]]] = {}
        self._folder: bool | None = None

    def check(self) -> None:
        """Raise InvalidArgument when a file has not the columns that were asked for; looks at every file."""
        for file in self._files():
            chosen, names = self._choose(file)
            self._check_metadata(file, chosen, names)

    def units(self, rows: int = UNIT_ROWS, size: int = UNIT_BYTES) -> Iterator[Spec]:
        """Ranges of each file, with its size, by which a later change is noticed."""
        for file in self._files():
            for part in self._format.ranges(file, rows, size):
                yield {"file": file.path, "name": file.name, "size": file.size, **part}

    def read(self, spec: Spec) -> Iterator[Item | DeadLetter]:
        """The rows of a range, or the rows listed in the spec."""
        file = self._file(spec)
        chosen, names = self._choose(file)
        wanted = None if self._suffix in {".jsonl", ".ndjson"} else chosen.wanted(names)
        records = self._format.records(file, {} if "rows" in spec else spec, wanted)
        if "rows" in spec:
            records = _only(records, frozenset(spec["rows"]))
        if "from" in spec:
            records = dropwhile(partial(_before, spec["from"]), records)
        for record in records:
            yield self._item(file, chosen, record)

    def keyed(self, spec: Spec) -> bool:
        """Whether the keys come from a column, from the names in a tar, or from the ids beside an array."""
        file = self._file(spec)
        named = isinstance(self._format, Npy) and self._format.keyed(file)
        return named or self._suffix == ".tar" or self._choose(file)[0].key is not None

    def again(self, letters: Iterable[DeadLetter], rows: int = UNIT_ROWS) -> Iterator[Spec]:
        """The rows of the dead letters, file by file, and of a file that could not be read to its end the rest."""
        by_file: dict[str, list[DeadLetter]] = {}
        for letter in letters:
            by_file.setdefault(letter.source, []).append(letter)
        for file in self._files():
            own = by_file.pop(file.url, [])
            rest = min((letter.row for letter in own if letter.rest), default=None)
            numbers = sorted({letter.row for letter in own if rest is None or letter.row < rest})
            for start in range(0, len(numbers), rows):
                yield {"file": file.path, "name": file.name, "rows": numbers[start : start + rows]}
            if rest is not None:
                yield from self._behind(file, rest, rows)
        if by_file:
            raise FailedPrecondition(f"{min(by_file)} is gone, which dead letters name: put it back")

    def _behind(self, file: File, row: int, rows: int) -> Iterator[Spec]:
        """Units of a file's rows from ``row`` on."""
        parts = chain(self._format.ranges(file, rows, UNIT_BYTES), [None])
        for part, after in pairwise(parts):
            if part is not None and (after is None or after["row"] > row):
                spec = {"file": file.path, "name": file.name, "size": file.size, **part}
                yield {**spec, "from": row} if part["row"] < row else spec

    def place(self, item: Item) -> tuple[str, int]:
        """File and row an item came from."""
        url, _, row = (item.reference or "#0").rpartition("#")
        return url, int(row)

    def close(self) -> None:
        """Close the open file."""
        self._format.close()

    def _files(self) -> Iterator[File]:
        self._folder, files = find(self.location, self._prefix)
        root = root_of(self.location)
        for file in files:
            if file.folder or (suffix_of(file.path) == self._suffix and leads_out(file.path, root)):
                raise InvalidArgument(
                    f"{file.url} is a link out of {escaped(self.location)}: name what it leads to, or put a copy there",
                    field="source",
                )
            if suffix_of(file.path) == self._suffix and not file.path.endswith(BESIDE):
                yield file

    def _file(self, spec: Spec) -> File:
        """The file of a unit, as it is now."""
        known = self._chosen.get(spec["file"])
        if known is not None and known[0].size == spec.get("size", known[0].size):
            return known[0]
        fs, _ = resolve(self.location)
        try:
            size = int(fs.info(spec["file"]).get("size") or 0)
        except FileNotFoundError:
            raise FailedPrecondition(f"{show(fs, spec['file'])} is gone since the job was planned") from None
        file = File(fs, spec["file"], spec["name"], size)
        if size != spec.get("size", size):
            raise FailedPrecondition(f"{file.url} changed since the job was planned: plan it again")
        return file

    def _choose(self, file: File) -> tuple[Chosen, list[str]]:
        known = self._chosen.get(file.path)
        if known is None or known[0] != file:
            names = self._format.columns(file)
            known = (file, self._columns.choose(self._kind, names, file.url, keyed=self._suffix == ".tar"), names)
            self._chosen = {file.path: known}
        return known[1], known[2]

    def _check_metadata(self, file: File, chosen: Chosen, names: list[str]) -> None:
        """Refuse columns that can never be metadata, before the first unit: a list or an object in the first row."""
        first = next((r for r in self._format.records(file, {}, chosen.wanted(names)) if isinstance(r, Record)), None)
        for name, value in (first.values if first else {}).items():
            if not chosen.takes(name) or value is None:
                continue
            try:
                metadata_of(name, value, None)
            except InvalidArgument as error:
                others = ", ".join(other for other in names if other not in {chosen.key, chosen.content})
                raise InvalidArgument(
                    f"{file.url}: column {name!r} cannot be metadata ({error.message}): name the metadata columns, "
                    f"of {others}",
                    field="columns.metadata",
                ) from None

    def _item(self, file: File, chosen: Chosen, record: Record | Broken) -> Item | DeadLetter:
        if isinstance(record, Broken):
            return DeadLetter(file.url, record.row, record.reason + (READS_ON if record.rest else ""))
        key = None
        try:
            key = check_key(self._key(file, chosen, record))
            content = content_of(self._kind, record.values.get(chosen.content), self._fetcher(file))
            if len(content) > self._limit:
                raise InvalidContent(f"the content has {len(content)} bytes, at most {self._limit} are allowed")
            metadata = {
                name: metadata_of(name, value, self._columns.types.get(name))
                for name, value in record.values.items()
                if value is not None and chosen.takes(name)
            }
        except HashsvcError as error:
            return DeadLetter(file.url, record.row, error.message, key)
        reference = f"{file.url}#{record.row}"
        if self._kind is Kind.CODE:
            return Item(key, None, content, metadata, reference)
        return Item(key, content, None, metadata, reference)

    def _key(self, file: File, chosen: Chosen, record: Record) -> str:
        if chosen.key is not None:
            return key_of(record.values.get(chosen.key))
        alone = not self._prefix and not self._in_folder()
        if record.key is not None:
            return record.key if alone or self._suffix != ".tar" else f"{file.name}/{record.key}"
        return str(record.row) if alone and self._suffix == ".npy" else f"{file.name}#{record.row}"

    def _in_folder(self) -> bool:
        if self._folder is None:
            self._folder = find(self.location, self._prefix)[0]
        return self._folder

    def _fetcher(self, file: File) -> Callable[[str], bytes]:
        def beside(path: str) -> bytes:
            clean, folder = normpath(path), file.path.rpartition("/")[0]
            named = not (clean.startswith(("/", "..")) or "://" in path or "\x00" in path)
            if not (named and lies_beside(file.fs, f"{folder}/{clean}", file.path)):
                raise InvalidContent(f"{path[:80]!r} does not lie under the table's folder")
            return fetch(file.fs, f"{folder}/{clean}", self._limit)

        return beside


def _before(row: int, record: Record | Broken) -> bool:
    """Whether a record lies before a row; damage that has come nearer to the start of the file does not."""
    return record.row < row and not (isinstance(record, Broken) and record.rest)


def _only(records: Iterator[Record | Broken], rows: frozenset[int]) -> Iterator[Record | Broken]:
    last = max(rows, default=-1)
    for record in records:
        if record.row > last:
            return
        if record.row in rows:
            yield record
