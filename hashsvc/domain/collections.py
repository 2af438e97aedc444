"""Collections: a named set of items under one encoder version and one code length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from hashsvc.codes import check_bits
from hashsvc.domain.kinds import ContentMode, FieldType, IndexKind, Kind
from hashsvc.errors import NotFound

if TYPE_CHECKING:
    from hashsvc.domain.encoders import EncoderVersion


@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of items.

    Args:
        name: see ``check_name``.
        kind: what its items are; CODE when it has no encoder.
        bits: code length.
        encoder: label ``name@version`` of the pinned encoder; None for a CODE collection.
        fingerprint: fingerprint of that encoder version; "" for a CODE collection.
        content: what is kept of an item beside its code.
        fields: declared metadata fields and their types; these are indexed.
        index: how its codes are searched.
        path: device, dtype and library versions that computed its codes (law 1); "" until the first write.
        id: the catalog's number for it.
        watermark: sequence number of its newest write.
        items: number of items it holds.
    """

    name: str
    kind: Kind
    bits: int
    encoder: str | None = None
    fingerprint: str = ""
    content: ContentMode = ContentMode.BYTES
    fields: Mapping[str, FieldType] = field(default_factory=dict)
    index: IndexKind = IndexKind.AUTO
    path: str = ""
    created_at: datetime | None = None
    id: int = 0
    watermark: int = 0
    items: int = 0

    @classmethod
    def encoded(
        cls,
        name: str,
        version: EncoderVersion,
        *,
        content: ContentMode = ContentMode.BYTES,
        fields: Mapping[str, FieldType] | None = None,
        index: IndexKind = IndexKind.AUTO,
    ) -> Collection:
        """A new collection under an encoder version."""
        spec = version.spec
        return cls(name, spec.kind, spec.bits, version.label, spec.fingerprint, content, dict(fields or {}), index)

    @classmethod
    def ready(
        cls,
        name: str,
        bits: int,
        *,
        fields: Mapping[str, FieldType] | None = None,
        index: IndexKind = IndexKind.AUTO,
    ) -> Collection:
        """A new collection of ready codes, which come without anything else to keep; raises InvalidArgument."""
        return cls(name, Kind.CODE, check_bits(bits), content=ContentMode.NONE, fields=dict(fields or {}), index=index)


def no_collection(name: str) -> NotFound:
    """What is said of a collection that is not there, and of one that the caller may not know of."""
    return NotFound(f"no collection {name!r}: see `hashsvc collections list`", field="collection")
