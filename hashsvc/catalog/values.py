"""Metadata as the database holds it: a JSON text of every field, and a comparison key of each declared one.

Comparison keys are texts whose bytewise order is the order of the values: the same on every database, and exact where
numbers as columns are not (an integer beyond 2**53 against a float, a float that went through decimal text).
The first letter is the type: ``b`` boolean, ``n`` number, ``s`` string, ``t`` an element of strings; ``l`` alone
says that there are strings, be they none.
"""

from __future__ import annotations

import json
import math
from json.encoder import encode_basestring as _quoted
from typing import TYPE_CHECKING, Any

from hashsvc.domain.kinds import FieldType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hashsvc.domain.metadata import Metadata, Value

LISTED = "l"
BIAS = 2048


def write_metadata(metadata: Metadata) -> str:
    """One JSON text for equal metadata: keys in order, -0.0 as 0.0."""
    if not metadata:
        return "{}"
    fields = []
    for name in sorted(metadata):
        value = metadata[name]
        write = _WRITE.get(type(value)) or _writer(value)
        fields.append(f"{_quoted(name)}:{write(value)}")
    return "{" + ",".join(fields) + "}"


def _write_float(value: float) -> str:
    return float.__repr__(value + 0.0)


def _write_strings(value: tuple[str, ...]) -> str:
    return "[" + ",".join([_quoted(part) for part in value]) + "]"


# By hand, because the encoder of the standard library takes several times as long.
_WRITE: dict[type, Callable[[Any], str]] = {
    str: _quoted,
    bool: lambda value: "true" if value else "false",
    float: _write_float,
    int: int.__repr__,
    tuple: _write_strings,
    list: _write_strings,
}


def _writer(value: Value) -> Callable[[Any], str]:
    """How a value of a subclass is written."""
    return next(write for kind, write in _WRITE.items() if isinstance(value, kind))


def read_metadata(text: str) -> dict[str, Value]:
    """The metadata of a JSON text."""
    if text == "{}":
        return {}
    held = json.loads(text)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in held.items()}


def number_key(value: float) -> str:
    """Key of a 64-bit integer or a float: sign, binary exponent, 64 bits of mantissa; equal numbers, equal keys."""
    if value == 0:
        return "n1"
    size = abs(value)
    if isinstance(size, int):
        exponent = size.bit_length()
        mantissa = size << (64 - exponent)
    else:
        fraction, exponent = math.frexp(size)
        mantissa = int(fraction * 2.0**53) << 11
    if value > 0:
        return f"n2{exponent + BIAS:04x}{mantissa:016x}"
    return f"n0{0xFFFF - exponent - BIAS:04x}{0xFFFFFFFFFFFFFFFF - mantissa:016x}"


def value_key(value: str | float) -> str:
    """Key of a single value."""
    if isinstance(value, str):
        return "s" + value
    if isinstance(value, bool):
        return "b1" if value else "b0"
    return number_key(value)


def equal_keys(value: Value) -> tuple[str, ...]:
    """Keys an item may hold when it equals ``value``: the value itself, or strings with this element."""
    if isinstance(value, tuple):
        return ()
    return ("s" + value, "t" + value) if isinstance(value, str) else (value_key(value),)


def keys_of(value: Value) -> Iterable[str]:
    """Every key an item with this value holds."""
    if isinstance(value, tuple):
        return {LISTED, *("t" + part for part in value)}
    return (value_key(value),)


def attribute_keys(metadata: Metadata, fields: Mapping[str, FieldType]) -> set[tuple[str, str]]:
    """``(field, key)`` of every declared field an item has."""
    return {(name, key) for name in fields if name in metadata for key in keys_of(metadata[name])}


def after_prefix(prefix: str) -> str:
    """The smallest text, by bytes, above every text that starts with ``prefix``; "" when there is none."""
    while prefix:
        point = ord(prefix[-1]) + 1
        if point <= 0x10FFFF:
            return prefix[:-1] + chr(0xE000 if point == 0xD800 else point)
        prefix = prefix[:-1]
    return ""
