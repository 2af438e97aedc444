"""Content under its kind: the same three fields in Content, Item and Query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hashsvc.domain.kinds import Kind
from hashsvc.errors import InvalidArgument, InvalidContent

if TYPE_CHECKING:
    from hashsvc.v1 import items_pb2, search_pb2, types_pb2

    Holder = types_pb2.Content | items_pb2.Item | search_pb2.Query

ContentField = Literal["text", "image", "vector"]
FLOAT_BYTES = 4


def read_content(message: Holder, which: ContentField, field: str) -> tuple[Kind, bytes]:
    """Kind and bytes of the content that ``message`` holds in its field ``which``.

    Raises:
        InvalidContent: it is empty, or a vector that is not whole or not finite.
    """
    if which == "text":
        return Kind.TEXT, _filled(message.text.encode(), which, field)
    if which == "image":
        return Kind.IMAGE, _filled(message.image, which, field)
    return Kind.VECTOR, check_vector(_filled(message.vector, which, field), f"{field}.{which}")


def _filled(content: bytes, which: str, field: str) -> bytes:
    if not content:
        raise InvalidContent(f"the {which} is empty", field=f"{field}.{which}")
    return content


def check_vector(content: bytes, field: str) -> bytes:
    """``content`` if it is a row of finite float32 values, little-endian; InvalidContent if not."""
    if len(content) % FLOAT_BYTES:
        raise InvalidContent(f"a vector is 4 bytes for each float32, not {len(content)} bytes", field=field)
    wrong = np.flatnonzero(~np.isfinite(np.frombuffer(content, "<f4")))
    if wrong.size:
        raise InvalidContent(f"the vector's value {wrong[0]} is not finite", field=field)
    return content


def write_content(message: Any, kind: Kind, content: bytes, field: str) -> None:
    """Put ``content`` into the field of its kind; InvalidContent for text that is not UTF-8."""
    if kind is Kind.TEXT:
        try:
            message.text = content.decode()
        except UnicodeDecodeError as error:
            raise InvalidContent(f"text must be UTF-8: {error}", field=f"{field}.text") from None
    elif kind is Kind.IMAGE:
        message.image = content
    elif kind is Kind.VECTOR:
        message.vector = content
    else:
        raise InvalidArgument(f"items of kind {kind} have a code and no content", field=field)
