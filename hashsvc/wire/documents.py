"""JSON objects as google.protobuf.Struct, whose only number is the double: a whole one is read as an integer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from google.protobuf import struct_pb2

from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable

EXACT = 2**53


def write_document(message: struct_pb2.Struct, document: Mapping[str, Any], field: str) -> None:
    """Fill ``message``.

    Raises:
        InvalidArgument: something that is not JSON, or an integer beyond 2**53.
    """
    for name, value in document.items():
        _write(message.fields[name], value, f"{field}.{name}")


def _write(message: struct_pb2.Value, value: Any, field: str) -> None:
    if value is None:
        message.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, str):
        message.string_value = value
    elif isinstance(value, int | float):
        if isinstance(value, int) and abs(value) > EXACT:
            raise InvalidArgument(f"integer {value} is beyond 2**53: send it as a string", field=field)
        message.number_value = value
    elif isinstance(value, Mapping):
        message.struct_value.SetInParent()
        write_document(message.struct_value, value, field)
    elif isinstance(value, list | tuple):
        message.list_value.SetInParent()
        for position, part in enumerate(value):
            _write(message.list_value.values.add(), part, f"{field}[{position}]")
    else:
        raise InvalidArgument(f"a value of type {type(value).__name__} is not JSON", field=field)


def _number(message: struct_pb2.Value) -> float:
    value = message.number_value
    return int(value) if value.is_integer() and abs(value) <= EXACT else value


_READERS: dict[str, Callable[[struct_pb2.Value], Any]] = {
    "null_value": lambda _: None,
    "number_value": _number,
    "string_value": lambda message: message.string_value,
    "bool_value": lambda message: message.bool_value,
    "struct_value": lambda message: read_document(message.struct_value),
    "list_value": lambda message: [_read(part) for part in message.list_value.values],
}


def _read(message: struct_pb2.Value) -> Any:
    which = message.WhichOneof("kind")
    return None if which is None else _READERS[which](message)


def read_document(message: struct_pb2.Struct) -> dict[str, Any]:
    """The JSON object of a message; names in sorted order, as the wire keeps none."""
    return {name: _read(message.fields[name]) for name in sorted(message.fields)}
