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
    match value:
        case None | bool() | int() | float():
            document: Any = value
        case str():
            document = str(value)  # an enumeration's member becomes its plain word
        case bytes():
            document = value.hex()
        case datetime():
            document = value.isoformat()
        case HashsvcError():
            document = {"reason": value.reason, "field": value.field, "message": value.message}
        case Mapping():
            document = {str(name): as_document(part) for name, part in value.items()}
        case _ if is_dataclass(value):
            document = {f.name: as_document(getattr(value, f.name)) for f in fields(value)}
        case _ if hasattr(value, "tolist"):  # numpy arrays and scalars
            document = as_document(value.tolist())
        case _:
            document = [as_document(part) for part in value]
    return document


def as_line(value: Any) -> str:
    """The document on one line."""
    return json.dumps(as_document(value), ensure_ascii=False, allow_nan=False)
