"""Items, stored items and acknowledgements of writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashsvc.domain.items import Item, StoredItem, Witness, Written
from hashsvc.domain.kinds import Kind
from hashsvc.errors import InvalidArgument
from hashsvc.v1 import items_pb2
from hashsvc.wire.content import read_content, write_content
from hashsvc.wire.enums import OUTCOME
from hashsvc.wire.errors import read_error
from hashsvc.wire.metadata import read_metadata, write_metadata

if TYPE_CHECKING:
    from collections.abc import Collection as Names
    from collections.abc import Mapping

STORED_FIELDS = tuple(field.name for field in items_pb2.StoredItem.DESCRIPTOR.fields)


def read_item(message: items_pb2.Item, kind: Kind, field: str) -> Item:
    """An item for a collection of ``kind``.

    Raises:
        InvalidArgument: it holds no content, or content of another kind.
    """
    which = message.WhichOneof("content")
    if which is None:
        raise InvalidArgument(f"the item holds no content: give its {wire_name(kind)}", field=field)
    if which != wire_name(kind):
        raise InvalidArgument(
            f"the collection holds items of kind {kind}: give {wire_name(kind)}, not {which}", field=f"{field}.{which}"
        )
    metadata = read_metadata(message.metadata, f"{field}.metadata")
    reference = message.reference or None
    if which == "code":
        return Item(message.key, code=message.code, metadata=metadata, reference=reference)
    content = read_content(message, which, field)[1]
    return Item(message.key, content, metadata=metadata, reference=reference)


def wire_name(kind: Kind) -> str:
    """The field of Item that holds content of this kind: it has the kind's name."""
    return kind.value


def write_item(item: Item, kind: Kind, field: str) -> items_pb2.Item:
    """The message of an item for a collection of ``kind``.

    Raises:
        InvalidArgument: it holds not exactly what the kind asks for.
    """
    message = items_pb2.Item(key=item.key, reference=item.reference or "")
    write_metadata(message.metadata, item.metadata, f"{field}.metadata")
    if kind is Kind.CODE:
        if item.code is None or item.content is not None:
            raise InvalidArgument("the collection holds ready codes: give a code and no content", field=f"{field}.code")
        message.code = item.code
    else:
        if item.content is None or item.code is not None:
            raise InvalidArgument(
                f"the collection holds items of kind {kind}: give content and no code", field=f"{field}.content"
            )
        write_content(message, kind, item.content, field)
    return message


def write_stored(item: StoredItem, names: Names[str] = STORED_FIELDS) -> items_pb2.StoredItem:
    """The message of a stored item with the fields in ``names``."""
    message = items_pb2.StoredItem()
    for name in names:
        if name == "metadata":
            write_metadata(message.metadata, item.metadata)
        elif (value := getattr(item, name)) is not None:
            setattr(message, name, value)
    return message


def read_stored(message: items_pb2.StoredItem) -> StoredItem:
    """The stored item of a message."""
    return StoredItem(
        id=message.id,
        key=message.key,
        content_hash=message.content_hash,
        code=message.code,
        metadata=read_metadata(message.metadata),
        sequence=message.sequence,
        reference=message.reference if message.HasField("reference") else None,
        features=message.features if message.HasField("features") else None,
    )


def read_written(
    message: items_pb2.UpsertResponse | items_pb2.UpsertStreamResponse | items_pb2.DeleteItemsResponse,
) -> Written:
    """The acknowledgement in an answer."""
    errors = message.errors if isinstance(message, items_pb2.UpsertStreamResponse) else ()
    witnesses = () if isinstance(message, items_pb2.DeleteItemsResponse) else message.witnesses
    return Written(
        outcomes=tuple(OUTCOME.read(number, "outcomes") for number in message.outcomes),
        watermark=message.watermark,
        errors={error.position: read_error(error.error) for error in errors},
        witnesses={one.position: Witness(one.key, one.id, one.distance) for one in witnesses},
    )


def write_witnesses(witnesses: Mapping[int, Witness]) -> list[items_pb2.Witness]:
    """The messages of what lies near the items that were not stored."""
    return [
        items_pb2.Witness(position=position, key=one.key, id=one.id, distance=one.distance)
        for position, one in sorted(witnesses.items())
    ]
