"""Metadata: a flat mapping from field name to a typed value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeGuard

from hashsvc.domain.kinds import FieldType
from hashsvc.errors import InvalidArgument

Value = str | int | float | bool | tuple[str, ...]
Metadata = Mapping[str, Value]

INTEGER_RANGE = (-(2**63), 2**63 - 1)
MAX_FIELDS = 64
MAX_NAME = 64


def type_of(value: Value) -> FieldType:
    """The field type a value has; a bool is BOOLEAN, never INTEGER."""
    if isinstance(value, bool):
        return FieldType.BOOLEAN
    if isinstance(value, int):
        return FieldType.INTEGER
    if isinstance(value, float):
        return FieldType.FLOAT
    if isinstance(value, str):
        return FieldType.STRING
    return FieldType.STRINGS


def is_strings(value: object) -> TypeGuard[list[str] | tuple[str, ...]]:
    """Whether ``value`` is a list or tuple that holds only strings."""
    return isinstance(value, list | tuple) and all(isinstance(part, str) for part in value)


def check_value(value: Any, field: str) -> Value:
    """Return ``value`` as a metadata value.

    Raises:
        InvalidArgument: a type that metadata cannot hold, an integer beyond 64 bits, a float that is not finite,
            or a NUL character (PostgreSQL cannot store one).
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        if not INTEGER_RANGE[0] <= value <= INTEGER_RANGE[1]:
            raise InvalidArgument(f"metadata integer {value} does not fit 64 bits", field=field)
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidArgument(f"metadata number must be finite, not {value}", field=field)
        return value
    if isinstance(value, str):
        return _check_text(value, field)
    if is_strings(value):
        return tuple(_check_text(part, field) for part in value)
    raise InvalidArgument(
        f"metadata of type {type(value).__name__} is not supported: use string, integer, float, boolean or strings",
        field=field,
    )


def _check_text(value: str, field: str) -> str:
    if "\x00" in value:
        raise InvalidArgument("metadata text must not hold a NUL character", field=field)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgument("metadata text must be valid Unicode (it holds a lone surrogate)", field=field) from None
    return value


def check_field_name(name: str, field: str) -> str:
    """Return ``name`` if a metadata field can be called so: 1 to 64 characters; raise InvalidArgument if not."""
    if not name or len(name) > MAX_NAME or "\x00" in name:
        raise InvalidArgument(f"metadata field names have 1 to {MAX_NAME} characters", field=field)
    return _check_text(name, field)


def check_metadata(
    metadata: Mapping[str, Any], declared: Mapping[str, FieldType], field: str = "metadata"
) -> dict[str, Value]:
    """Return ``metadata`` checked against the declared fields; undeclared fields keep whatever type they have.

    A declared FLOAT takes an integer and stores it as a float.

    Raises:
        InvalidArgument: names the offending field as ``metadata.NAME``.
    """
    if len(metadata) > MAX_FIELDS:
        raise InvalidArgument(f"an item holds at most {MAX_FIELDS} metadata fields, not {len(metadata)}", field=field)
    checked: dict[str, Value] = {}
    for name, raw in metadata.items():
        where = f"{field}.{name}"
        check_field_name(name, field)
        value = check_value(raw, where)
        wanted = declared.get(name)
        if wanted is FieldType.FLOAT and type_of(value) is FieldType.INTEGER:
            value = float(value)  # type: ignore[arg-type]
        if wanted is not None and type_of(value) is not wanted:
            raise InvalidArgument(f"field {name!r} is declared {wanted}, the value is {type_of(value)}", field=where)
        checked[name] = value
    return checked
