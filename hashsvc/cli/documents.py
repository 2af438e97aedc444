"""Answers as JSON documents: what ``--json`` prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any

from hashsvc.errors import HashsvcError


def as_document(value: Any) -> Any:
    """``value`` in JSON's own types: nouns as objects, bytes as hex, moments as ISO 8601, errors as one object."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, HashsvcError):
        return {"reason": value.reason, "field": value.field, "message": value.message}
    if isinstance(value, Mapping):
        return {str(name): as_document(part) for name, part in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_document(getattr(value, f.name)) for f in fields(value)}
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        return as_document(value.tolist())
    return [as_document(part) for part in value]


def as_line(value: Any) -> str:
    """The document on one line."""
    return json.dumps(as_document(value), ensure_ascii=False, allow_nan=False)
