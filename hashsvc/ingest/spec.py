"""What an ingest job was asked to do: its spec as JSON and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hashsvc.domain.collections import Collection
from hashsvc.errors import InvalidArgument
from hashsvc.readers import UNIT_BYTES, UNIT_ROWS, Columns, Source, open_source, prefixes

MAX_SOURCES = 10_000


@dataclass(frozen=True, slots=True)
class IngestSpec:
    """What to read and how to cut it.

    Args:
        sources: locations, see :func:`hashsvc.readers.open_source`.
        columns: which columns of a table to take.
        limit: at most this many rows are read, of all sources together; None for all.
        rows: rows of a unit at most.
        size: bytes of a unit, about.
    """

    sources: tuple[str, ...]
    columns: Columns = field(default_factory=Columns)
    limit: int | None = None
    rows: int = UNIT_ROWS
    size: int = UNIT_BYTES

    def __post_init__(self) -> None:
        if not 1 <= len(self.sources) <= MAX_SOURCES:
            raise InvalidArgument(f"an ingest job reads 1 to {MAX_SOURCES} sources", field="sources")
        for name in ("limit", "rows", "size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidArgument(f"{name} must be at least 1, not {value}", field=name)

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> IngestSpec:
        """The spec of a job row.

        Args:
            spec: ``{"sources": [..], "columns": {"key", "content", "metadata"}, "limit", "rows", "size"}``, all but
                ``sources`` optional; ``collection`` is passed over.

        Raises:
            InvalidArgument: a field is unknown, missing or of another type.
        """
        known = {"sources", "columns", "limit", "rows", "size", "collection"}
        for name in spec:
            if name not in known:
                raise InvalidArgument(
                    f"an ingest job has no field {name!r}: it has {', '.join(sorted(known))}", field=name
                )
        columns = spec.get("columns") or {}
        if not isinstance(columns, Mapping) or set(columns) - {"key", "content", "metadata"}:
            raise InvalidArgument("columns is an object of key, content and metadata", field="columns")
        metadata = columns.get("metadata")
        return cls(
            _strings(spec.get("sources"), "sources"),
            Columns(
                _string(columns.get("key"), "columns.key"),
                _string(columns.get("content"), "columns.content"),
                None if metadata is None else _strings(metadata, "columns.metadata"),
            ),
            limit=_integer(spec.get("limit"), "limit", None),
            rows=_integer(spec.get("rows"), "rows", UNIT_ROWS) or UNIT_ROWS,
            size=_integer(spec.get("size"), "size", UNIT_BYTES) or UNIT_BYTES,
        )

    def as_json(self) -> dict[str, Any]:
        """The spec as a job row holds it."""
        metadata = self.columns.metadata
        columns = {
            "key": self.columns.key,
            "content": self.columns.content,
            "metadata": None if metadata is None else list(metadata),
        }
        spec = {"sources": list(self.sources), "rows": self.rows, "size": self.size, "limit": self.limit}
        given = {name: value for name, value in columns.items() if value is not None}
        return {name: value for name, value in {**spec, "columns": given}.items() if value is not None}

    def open(self, collection: Collection, *, max_bytes: int | None = None) -> list[Source]:
        """The sources, opened for the items of a collection; see :func:`hashsvc.readers.open_source` for errors."""
        columns = Columns(self.columns.key, self.columns.content, self.columns.metadata, dict(collection.fields))
        return [
            open_source(location, kind=collection.kind, columns=columns, prefix=prefix, max_bytes=max_bytes)
            for location, prefix in zip(self.sources, prefixes(self.sources), strict=True)
        ]


def _string(value: Any, name: str) -> str | None:
    if value is not None and not (isinstance(value, str) and "\x00" not in value):
        raise InvalidArgument(f"{name} must be a string without NUL", field=name)
    return value


def _strings(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(part, str) for part in value):
        raise InvalidArgument(f"{name} must be a list of strings", field=name)
    for position, part in enumerate(value):
        _string(part, f"{name}[{position}]")
    return tuple(value)


def _integer(value: Any, name: str, default: int | None) -> int | None:
    """``value`` as an integer; JSON carried by protobuf knows only floats."""
    if value is None:
        return default
    if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
        raise InvalidArgument(f"{name} must be an integer", field=name)
    return int(value)
