"""Cells: what one value of a table becomes, as content bytes, key or metadata."""

from __future__ import annotations

import base64
import binascii
import datetime
import decimal
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hashsvc.domain.kinds import FieldType, Kind
from hashsvc.domain.metadata import Value, check_value
from hashsvc.errors import InvalidArgument, InvalidContent

Fetch = Callable[[str], bytes]


def content_of(kind: Kind, value: Any, fetch: Fetch) -> bytes:
    """Content bytes of one cell.

    Args:
        kind: TEXT takes a string or UTF-8 bytes; VECTOR a list of numbers (also as JSON) or float32 bytes; IMAGE
            encoded bytes, a ``data:`` URL, a path relative to the table, or a mapping of ``bytes`` and ``path``; CODE
            bytes, hexadecimal digits or a list of bytes.
        value: the cell.
        fetch: reads a file by its path relative to the table.

    Raises:
        InvalidContent: the cell cannot be the content of this kind.
    """
    if value is None:
        raise InvalidContent("the content is missing")
    return _TAKE[kind](value, fetch)


def _text(value: Any, _: Fetch) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise InvalidContent(f"the content is of type {type(value).__name__}, text is expected")
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise InvalidContent("the text is not valid UTF-8") from None


def _vector(value: Any, _: Fetch) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        value = _numbers(value)
    try:
        array = np.asarray(value)
        if array.ndim != 1 or array.dtype.kind not in "fiu" or not array.size:
            raise InvalidContent("the content is no list of numbers")
        return array.astype("<f4").tobytes()
    except (ValueError, TypeError):
        raise InvalidContent("the content is no list of numbers") from None


def _numbers(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise InvalidContent("the content is no JSON list of numbers") from None


def _image(value: Any, fetch: Fetch) -> bytes:
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str) or not value:
        raise InvalidContent("the content is no picture: give bytes, a data: URL or a path relative to the table")
    if not value.startswith("data:"):
        return fetch(value)
    head, _, body = value.partition(",")
    if not head.endswith(";base64"):
        raise InvalidContent("a data: URL must be base64")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        raise InvalidContent("the data: URL is no valid base64") from None


def _code(value: Any, _: Fetch) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        if isinstance(value, str):
            return bytes.fromhex(value)
        if isinstance(value, list | tuple | np.ndarray):
            return bytes(value)
        raise TypeError
    except (ValueError, TypeError):
        raise InvalidContent("the code is neither bytes nor hexadecimal digits nor a list of bytes") from None


_TAKE: Mapping[Kind, Callable[[Any, Fetch], bytes]] = {
    Kind.TEXT: _text,
    Kind.VECTOR: _vector,
    Kind.IMAGE: _image,
    Kind.CODE: _code,
}


def key_of(value: Any) -> str:
    """A cell as a key: strings as they are, integers in decimal.

    Raises:
        InvalidArgument: the cell is empty or of another type.
    """
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise InvalidArgument(
        "the key is missing" if value is None or value == "" else "the key is neither text nor integer"
    )


def metadata_of(name: str, value: Any, declared: FieldType | None) -> Value:
    """A cell as a metadata value; dates and decimals become text, text becomes the declared type.

    Raises:
        InvalidArgument: names the column.
    """
    if isinstance(value, datetime.date | datetime.time):
        value = value.isoformat()
    elif isinstance(value, decimal.Decimal):
        value = str(value)
    if isinstance(value, str) and declared not in {None, FieldType.STRING}:
        value = _typed(name, value, declared)
    return check_value(value, name)


def _typed(name: str, text: str, declared: FieldType | None) -> Any:
    try:
        if declared is FieldType.INTEGER:
            return int(text)
        if declared is FieldType.FLOAT:
            return float(text)
        if declared is FieldType.BOOLEAN:
            return {"true": True, "1": True, "false": False, "0": False}[text.strip().lower()]
        return json.loads(text) if text.startswith("[") else [text]
    except (ValueError, KeyError):
        raise InvalidArgument(f"column {name!r}: {text[:40]!r} is no {declared}", field=name) from None
