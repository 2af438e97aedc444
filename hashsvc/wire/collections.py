"""Collections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashsvc.domain.collections import Collection
from hashsvc.domain.kinds import ContentMode, FieldType, IndexKind
from hashsvc.v1 import collections_pb2
from hashsvc.wire.enums import CONTENT_MODE, FIELD_TYPE, INDEX_KIND, KIND
from hashsvc.wire.times import read_time, write_time

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_fields(message: collections_pb2.Collection, fields: Mapping[str, FieldType]) -> None:
    """Fill the declared fields."""
    for name, kind in fields.items():
        message.fields[name] = FIELD_TYPE.write(kind)  # type: ignore[assignment]


def read_fields(message: collections_pb2.Collection, field: str) -> dict[str, FieldType]:
    """The declared fields of a message; InvalidArgument for an unknown type."""
    return {name: FIELD_TYPE.read(number, f"{field}.fields.{name}") for name, number in message.fields.items()}


def write_collection(collection: Collection) -> collections_pb2.Collection:
    """The message of a collection."""
    message = collections_pb2.Collection(
        name=collection.name,
        encoder=collection.encoder or "",
        bits=collection.bits,
        fingerprint=collection.fingerprint,
        path=collection.path,
        id=collection.id,
        watermark=collection.watermark,
        items=collection.items,
        create_time=write_time(collection.created_at),
    )
    message.content = CONTENT_MODE.write(collection.content)  # type: ignore[assignment]
    message.index = INDEX_KIND.write(collection.index)  # type: ignore[assignment]
    message.kind = KIND.write(collection.kind)  # type: ignore[assignment]
    write_fields(message, collection.fields)
    return message


def read_collection(message: collections_pb2.Collection) -> Collection:
    """The collection that a server describes."""
    return Collection(
        name=message.name,
        kind=KIND.read(message.kind, "kind"),
        bits=message.bits,
        encoder=message.encoder or None,
        fingerprint=message.fingerprint,
        content=CONTENT_MODE.read_or(message.content, ContentMode.BYTES, "content"),
        fields=read_fields(message, "collection"),
        index=INDEX_KIND.read_or(message.index, IndexKind.AUTO, "index"),
        path=message.path,
        created_at=read_time(message.create_time) if message.HasField("create_time") else None,
        id=message.id,
        watermark=message.watermark,
        items=message.items,
    )
