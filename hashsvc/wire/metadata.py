"""Metadata and its typed values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hashsvc.domain.items import NO_METADATA
from hashsvc.domain.metadata import INTEGER_RANGE, is_strings
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hashsvc.domain.metadata import Metadata, Value
    from hashsvc.v1 import types_pb2


def read_value(message: types_pb2.Value, field: str) -> Value:
    """The value of a message; InvalidArgument when none of the types is set."""
    which = message.WhichOneof("value")
    if which is None:
        raise InvalidArgument(f"{field} holds no value of a type that metadata knows", field=field)
    if which == "strings_value":
        return tuple(message.strings_value.values)
    value: Value = getattr(message, which)
    return value


def write_value(message: types_pb2.Value, value: Any, field: str) -> None:
    """Fill ``message``; InvalidArgument for a type or an integer that the wire cannot carry."""
    if isinstance(value, str):
        message.string_value = value
    elif isinstance(value, bool):
        message.boolean_value = value
    elif isinstance(value, int):
        if not INTEGER_RANGE[0] <= value <= INTEGER_RANGE[1]:
            raise InvalidArgument(f"metadata integer {value} does not fit 64 bits", field=field)
        message.integer_value = value
    elif isinstance(value, float):
        message.float_value = value
    elif is_strings(value):
        message.strings_value.SetInParent()
        message.strings_value.values.extend(value)
    else:
        raise InvalidArgument(
            f"metadata of type {type(value).__name__} is not supported: use string, integer, float, boolean or strings",
            field=field,
        )


def read_metadata(fields: Mapping[str, types_pb2.Value], field: str = "metadata") -> Metadata:
    """Metadata of a map of messages."""
    if not fields:
        return NO_METADATA
    return {name: read_value(message, f"{field}.{name}") for name, message in fields.items()}


def write_metadata(
    fields: Any,  # a map field: item access creates the message
    metadata: Metadata,
    field: str = "metadata",
) -> None:
    """Fill a map of messages."""
    for name, value in metadata.items():
        try:
            write_value(fields[name], value, name)
        except InvalidArgument as error:
            error.field = f"{field}.{name}"  # said only here: answers pass this place ten thousand times a second
            raise
