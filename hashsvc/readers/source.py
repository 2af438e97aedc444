"""Sources: what a location gives, as units that can be read again one by one.

A source of pictures or texts is a folder of files, one item a file; a source of tables is one or more files of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Protocol

from hashsvc.domain.items import Item
from hashsvc.domain.jobs import DeadLetter
from hashsvc.domain.kinds import Kind
from hashsvc.errors import InvalidArgument
from hashsvc.readers.columns import Columns
from hashsvc.readers.files import UNIT_BYTES, UNIT_ROWS, File, Spec, find, resolve
from hashsvc.readers.folder import FilesSource
from hashsvc.readers.npy import BESIDE
from hashsvc.readers.suffixes import is_item, suffix_of
from hashsvc.readers.table import FORMATS, TableSource

MAX_BYTES: Mapping[Kind, int] = {Kind.TEXT: 4 << 20, Kind.IMAGE: 32 << 20, Kind.VECTOR: 16384, Kind.CODE: 128}

ARROW_NOTES = frozenset({"state.json", "dataset_info.json", "dataset_dict.json"})


class Source(Protocol):
    """Rows that can be planned as units and read unit by unit, in any order, by any process.

    One instance is for one thread: it keeps the file of the last unit open.
    """

    location: str

    def check(self) -> None:
        """Raise InvalidArgument or NotFound when the source cannot be read at all: no such column, no such format."""
        ...

    def units(self, rows: int = UNIT_ROWS, size: int = UNIT_BYTES) -> Iterator[Spec]:
        """JSON specs of units of at most ``rows`` rows and about ``size`` bytes, one after the other."""
        ...

    def read(self, spec: Spec) -> Iterator[Item | DeadLetter]:
        """The rows of one unit: an item, or the reason why there is none. Rows count from 0 in their file.

        Raises:
            FailedPrecondition: the file changed since the unit was planned.
        """
        ...

    def keyed(self, spec: Spec) -> bool:
        """Whether the rows of a unit bring their keys, so that a key may occur twice; else keys are made of places."""
        ...

    def again(self, letters: Iterable[DeadLetter], rows: int = UNIT_ROWS) -> Iterator[Spec]:
        """Specs of units that read exactly the rows of these dead letters, in files that may have been mended.

        A letter that stands for the rest of its file is read on from.

        Raises:
            FailedPrecondition: a table that they name is gone.
        """
        ...

    def place(self, item: Item) -> tuple[str, int]:
        """File and row that an item of this source came from, as its dead letter would name them."""
        ...

    def close(self) -> None:
        """Let go of open files."""
        ...


def open_source(
    location: str, *, kind: Kind, columns: Columns | None = None, prefix: str = "", max_bytes: int | None = None
) -> Source:
    """The source at a location.

    Args:
        location: folder of texts or pictures (key: relative path), a .jsonl, .ndjson, .csv, .tsv (these also with
            .gz), .parquet, .npy, .tar or .arrow file, a folder of those, a pattern with ``*``, or an fsspec URL of any.
        kind: what the items are.
        columns: which columns to take from a table.
        prefix: put before every name that becomes part of a key, when several locations go into one job.
        max_bytes: a larger content is a dead letter; by default ``MAX_BYTES[kind]``.

    Raises:
        NotFound: there is nothing at the location.
        InvalidArgument: the location is neither a folder nor a known format.
    """
    limit = MAX_BYTES[kind] if max_bytes is None else max_bytes
    folder, files = find(location, prefix)
    if not folder:
        file = next(files)
        suffix = suffix_of(file.path)
        if suffix not in FORMATS and not is_item(kind, file.path):
            raise InvalidArgument(
                f"{location!r} is neither a folder nor one of {', '.join(FORMATS)}: name a folder or convert it",
                field="source",
            )
        if suffix not in FORMATS:
            return FilesSource(location, kind, prefix, limit)
        return TableSource(location, kind, columns or Columns(), prefix=prefix, max_bytes=limit, suffix=suffix)
    suffix = _tables_only(files, kind)
    if suffix:
        return TableSource(location, kind, columns or Columns(), prefix=prefix, max_bytes=limit, suffix=suffix)
    if kind in {Kind.VECTOR, Kind.CODE}:
        raise InvalidArgument(f"{location!r} holds no table of {kind} items", field="source")
    return FilesSource(location, kind, prefix, limit)


def _tables_only(files: Iterator[File], kind: Kind) -> str:
    """The format of a folder of tables; "" as soon as one file is an item by itself (or there is no file)."""
    suffixes: set[str] = set()
    for file in files:
        if file.folder:
            continue
        suffix = suffix_of(file.path)
        if is_item(kind, file.path) and file.path.rsplit("/", 1)[-1] not in ARROW_NOTES:
            return ""
        if suffix in FORMATS and not file.path.endswith(BESIDE):
            suffixes.add(suffix)
    if len(suffixes) > 1:
        raise InvalidArgument(
            f"the folder mixes tables of several formats ({', '.join(sorted(suffixes))}): name one, as folder/*.csv",
            field="source",
        )
    return suffixes.pop() if suffixes else ""


def prefixes(locations: Sequence[str]) -> list[str]:
    """What goes before the names of each location, so that keys stay apart.

    "" for a single location; for several their paths after the folder that all share.
    """
    if len(locations) < 2:
        return [""] * len(locations)
    paths = [resolve(location)[1].rstrip("/").split("/") for location in locations]
    shared = 0
    while len({tuple(path[: shared + 1]) for path in paths}) == 1 and shared + 1 < min(map(len, paths)):
        shared += 1
    return ["/".join(path[shared:]) for path in paths]


def read_all(sources: Iterable[Source]) -> Iterator[Item | DeadLetter]:
    """Every row of the sources, unit by unit: for training, which needs no manifest."""
    return chain.from_iterable(source.read(spec) for source in sources for spec in source.units())
