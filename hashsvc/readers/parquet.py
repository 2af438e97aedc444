"""Parquet: ranges are rows of one row group; lists of numbers stay arrays."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hashsvc.errors import InvalidArgument
from hashsvc.readers.files import File, Spec
from hashsvc.readers.formats import Broken, Handle, Record

BATCH = 1024


class Parquet:
    """Reader of .parquet; keeps its place in the row group, so that ranges in order decode each page once."""

    def __init__(self) -> None:
        self._handle = Handle()
        self._open: tuple[str, pq.ParquetFile] | None = None
        self._place: tuple[tuple[Any, ...], int, Iterator[Record]] | None = None

    def columns(self, file: File) -> list[str]:
        """Names of the top-level columns; raises InvalidArgument when the file is no Parquet."""
        return list(self._file(file).schema_arrow.names)

    def ranges(self, file: File, rows: int, size: int) -> Iterator[Spec]:
        """Rows of each row group, cut to ``rows`` and to ``size`` bytes by the group's average."""
        metadata = self._file(file).metadata
        row = 0
        for group in range(metadata.num_row_groups):
            facts = metadata.row_group(group)
            step = max(1, min(rows, size * facts.num_rows // max(1, facts.total_byte_size)))
            for start in range(0, facts.num_rows, step):
                stop = min(start + step, facts.num_rows)
                yield {"group": group, "start": start, "stop": stop, "row": row + start}
            row += facts.num_rows

    def records(self, file: File, spec: Spec, columns: list[str] | None) -> Iterator[Record | Broken]:
        """The rows of a range; rows of a damaged page are Broken one by one."""
        if not spec:
            for part in list(self.ranges(file, 1 << 30, 1 << 60)):
                yield from self.records(file, part, columns)
            return
        row, count = int(spec["row"]), spec["stop"] - spec["start"]
        try:
            for record in islice(self._from(file, spec, columns), count):
                row = record.row + 1
                yield record
        except (pa.ArrowException, OSError) as error:
            self._place = None
            reason = str(error).splitlines()[0]
            for lost in range(row, spec["row"] + count):
                yield Broken(lost, f"row group {spec['group']} cannot be read: {reason}")

    def close(self) -> None:
        """Close the file."""
        self._place = self._open = None
        self._handle.close()

    def _file(self, file: File) -> pq.ParquetFile:
        if self._open is None or self._open[0] != file.url:
            self._place = None
            try:
                self._open = (file.url, pq.ParquetFile(self._handle.at(file, 0)))
            except (pa.ArrowException, OSError) as error:
                reason = str(error).splitlines()[0]
                raise InvalidArgument(f"{file.url} is no readable Parquet file: {reason}", field="source") from None
        return self._open[1]

    def _from(self, file: File, spec: Spec, columns: list[str] | None) -> Iterator[Record]:
        """Rows from the start of a range on; continues where the last range ended when it can."""
        parquet = self._file(file)
        which = (file.url, spec["group"], tuple(columns or ()))
        if self._place is None or self._place[0] != which or self._place[1] > spec["start"]:
            self._place = (which, 0, _rows(parquet, spec["group"], columns, spec["row"] - spec["start"]))
        _, at, rows = self._place
        for _ in islice(rows, spec["start"] - at):
            pass
        self._place = (which, spec["stop"], rows)
        return rows


def _rows(parquet: pq.ParquetFile, group: int, columns: list[str] | None, row: int) -> Iterator[Record]:
    for batch in parquet.iter_batches(batch_size=BATCH, row_groups=[group], columns=columns, use_threads=False):
        yield from batch_records(batch, row)
        row += batch.num_rows


def batch_records(batch: pa.RecordBatch, row: int) -> Iterator[Record]:
    """The rows of an Arrow batch whose first has this number."""
    names = batch.schema.names
    columns = [_values(column) for column in batch.columns]
    for offset, values in enumerate(zip(*columns, strict=True)):
        yield Record(row + offset, dict(zip(names, values, strict=True)))


def _values(column: Any) -> list[Any]:
    """Python values of a column; a list of numbers is a numpy view, not a list of objects."""
    kind = column.type
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not listed or not _numeric(kind.value_type):
        return list(column.to_pylist())
    return [None if cell.values is None else cell.values.to_numpy(zero_copy_only=False) for cell in column]


def _numeric(kind: Any) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
