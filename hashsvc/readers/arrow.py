"""Arrow streams (.arrow), as Hugging Face data sets are kept on disk: ranges are rows of one record batch."""

from __future__ import annotations

from collections.abc import Iterator
from io import IOBase
from typing import IO, cast

import pyarrow as pa

from hashsvc.errors import InvalidArgument
from hashsvc.readers.files import File, Spec
from hashsvc.readers.formats import Broken, Handle, Record
from hashsvc.readers.parquet import batch_records


class Arrow:
    """Reader of .arrow streams; a range names the byte offset of its batch."""

    def __init__(self) -> None:
        self._handle = Handle()
        self._plan = Handle()
        self._schema: tuple[str, pa.Schema, int] | None = None
        self._batch: tuple[tuple[str, int], pa.RecordBatch] | None = None

    def columns(self, file: File) -> list[str]:
        """Names of the top-level columns; raises InvalidArgument when the file is no Arrow stream."""
        return list(self._head(file)[0].names)

    def ranges(self, file: File, rows: int, size: int) -> Iterator[Spec]:
        """Rows of each record batch, cut to ``rows`` and to about ``size`` bytes by the batch's average."""
        schema, place = self._head(file)
        row = 0
        while True:
            handle = self._plan.at(file, place)
            try:
                batch = _next(handle, schema)
            except (pa.ArrowException, OSError) as error:
                raise InvalidArgument(f"{file.url} is damaged behind row {row}: {error}", field="source") from None
            if batch is None:
                return
            step = max(1, min(rows, size * batch.num_rows // max(1, batch.nbytes)))
            for start in range(0, batch.num_rows, step):
                stop = min(start + step, batch.num_rows)
                yield {"at": place, "start": start, "stop": stop, "row": row + start}
            row += batch.num_rows
            place = handle.tell()

    def records(self, file: File, spec: Spec, columns: list[str] | None) -> Iterator[Record | Broken]:
        """The rows of a range; rows of a damaged batch are Broken one by one."""
        if not spec:
            for part in self.ranges(file, 1024, 1 << 60):
                yield from self.records(file, part, columns)
            return
        try:
            batch = self._read(file, int(spec["at"]))
        except (pa.ArrowException, OSError) as error:
            for row in range(spec["row"], spec["row"] + spec["stop"] - spec["start"]):
                yield Broken(row, f"the record batch cannot be read: {str(error).splitlines()[0]}")
            return
        rows = batch.slice(spec["start"], spec["stop"] - spec["start"])
        yield from batch_records(rows if columns is None else rows.select(columns), spec["row"])

    def close(self) -> None:
        """Close the file."""
        self._batch = None
        self._handle.close()
        self._plan.close()

    def _read(self, file: File, place: int) -> pa.RecordBatch:
        if self._batch is None or self._batch[0] != (file.url, place):
            batch = _next(self._handle.at(file, place), self._head(file)[0])
            if batch is None:
                raise OSError("the stream ends before it")
            self._batch = ((file.url, place), batch)
        return self._batch[1]

    def _head(self, file: File) -> tuple[pa.Schema, int]:
        if self._schema is None or self._schema[0] != file.url:
            handle = self._plan.at(file, 0)
            try:
                schema = pa.ipc.read_schema(pa.ipc.read_message(cast("IOBase", handle)))
            except (pa.ArrowException, OSError, EOFError) as error:
                raise InvalidArgument(f"{file.url} is no readable Arrow stream: {error}", field="source") from None
            self._schema = (file.url, schema, handle.tell())
        return self._schema[1], self._schema[2]


def _next(handle: IO[bytes], schema: pa.Schema) -> pa.RecordBatch | None:
    try:
        return pa.ipc.read_record_batch(pa.ipc.read_message(cast("IOBase", handle)), schema)
    except EOFError:
        return None
