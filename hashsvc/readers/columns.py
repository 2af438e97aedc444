"""Columns: which columns of a table hold the key, the content and the metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from hashsvc.domain.kinds import FieldType, Kind
from hashsvc.domain.metadata import MAX_FIELDS
from hashsvc.errors import InvalidArgument

KEYS = ("key", "id", "_id", "uid")
CONTENTS: Mapping[Kind, tuple[str, ...]] = {
    Kind.TEXT: ("text", "content", "body", "document", "title"),
    Kind.IMAGE: ("image", "content", "picture", "bytes", "path", "file"),
    Kind.VECTOR: ("vector", "embedding", "content", "features"),
    Kind.CODE: ("code", "content"),
}


@dataclass(frozen=True, slots=True)
class Columns:
    """A choice of columns; what is left open is found by name.

    Args:
        key: column of the keys; by default the first of ``KEYS`` that exists, else keys are ``file#row``.
        content: column of the content; by default the first of ``CONTENTS[kind]`` that exists.
        metadata: columns kept as metadata; None keeps every other column.
        types: declared types of metadata fields; text is read as the type its field has.
    """

    key: str | None = None
    content: str | None = None
    metadata: Sequence[str] | None = None
    types: Mapping[str, FieldType] = field(default_factory=dict)

    def choose(self, kind: Kind, names: Iterable[str], where: str, *, keyed: bool = False) -> Chosen:
        """The choice made for a table with these column names; ``keyed`` when its format gives keys by itself.

        Raises:
            InvalidArgument: a column that was asked for does not exist, or none holds the content; lists those that do.
        """
        existing = list(names)
        for field_name, wanted in (("key", self.key), ("content", self.content)):
            if wanted is not None and wanted not in existing:
                raise _missing(wanted, existing, where, f"columns.{field_name}")
        for wanted in self.metadata or ():
            if wanted not in existing:
                raise _missing(wanted, existing, where, "columns.metadata")
        content = self.content or _first(CONTENTS[kind], existing)
        if content is None:
            raise InvalidArgument(
                f"{where} has no column for the {kind} content (one of {', '.join(CONTENTS[kind])}): "
                f"name one of its columns: {_listing(existing)}",
                field="columns.content",
            )
        key = self.key or (None if keyed else _first(KEYS, existing))
        return Chosen(key, content, self._metadata(existing, content, where))

    def _metadata(self, existing: list[str], content: str, where: str) -> tuple[str, ...] | None:
        if self.metadata is not None:
            return tuple(self.metadata)
        others = len(set(existing) - {content})
        if others > MAX_FIELDS + 1:
            raise InvalidArgument(
                f"{where} has {others} further columns, an item holds at most {MAX_FIELDS} metadata fields: "
                f"name the metadata columns",
                field="columns.metadata",
            )
        return None


@dataclass(frozen=True, slots=True)
class Chosen:
    """Columns settled for one table; ``key`` None makes keys of row numbers, ``metadata`` None takes every other."""

    key: str | None
    content: str
    metadata: tuple[str, ...] | None

    def takes(self, name: str) -> bool:
        """Whether column ``name`` is metadata."""
        if self.metadata is not None:
            return name in self.metadata
        return name not in {self.key, self.content}

    def wanted(self, existing: Iterable[str]) -> list[str]:
        """The columns that have to be read, in their order."""
        return [name for name in existing if name in {self.key, self.content} or self.takes(name)]


def _first(candidates: Sequence[str], existing: Sequence[str]) -> str | None:
    return next((name for name in candidates if name in existing), None)


def _missing(wanted: str, existing: Sequence[str], where: str, field_name: str) -> InvalidArgument:
    return InvalidArgument(f"{where} has no column {wanted!r}: it has {_listing(existing)}", field=field_name)


def _listing(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "no columns"
