"""Collections and rows to write."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from hashsvc.catalog import Catalog
from hashsvc.domain.collections import Collection
from hashsvc.domain.items import Row
from hashsvc.domain.kinds import ContentMode, FieldType, Kind
from hashsvc.domain.metadata import Value

BITS = 64


def collection(name: str = "things", fields: Mapping[str, FieldType] | None = None) -> Collection:
    return Collection(name, Kind.CODE, BITS, content=ContentMode.NONE, fields=fields or {})


def row(key: str, version: int = 0, metadata: Mapping[str, Value] | None = None) -> Row:
    content = hashlib.sha256(f"{key} {version}".encode()).digest()
    return Row(key, content, content[: BITS // 8], metadata or {})


def everything(catalog: Catalog, held: Collection, after: int = 0, limit: int = 7) -> tuple[dict[int, bytes], int]:
    """Codes by id as a reader of the log knows them, and its watermark."""
    known: dict[int, bytes] = {}
    more = True
    while more:
        changes = catalog.items.changes(held, after, limit)
        for number in changes.deleted_ids.tolist():
            known.pop(number, None)
        known |= dict(zip(changes.upsert_ids.tolist(), map(bytes, changes.upsert_codes), strict=True))
        after, more = changes.watermark, changes.more
    return known, after
