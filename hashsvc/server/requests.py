"""Checks that several requests share; what only the store can know it checks itself."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any, TypeVar

from hashsvc.domain.encoders import check_name
from hashsvc.errors import InvalidArgument
from hashsvc.wire.filters import read_filter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from google.protobuf.field_mask_pb2 import FieldMask

    from hashsvc.domain.filters import Node

T = TypeVar("T")
PAGE = 100
MAX_REQUEST_ID = 128


def collection_named(name: str, field: str = "collection") -> str:
    """``name`` if a collection can have it; InvalidArgument if not."""
    if not name:
        raise InvalidArgument(f"{field} is not set: name a collection", field=field)
    return check_name(name, field)


def filter_of(request: Any) -> Node | None:
    """The filter of a request, None where there is none."""
    return read_filter(request.filter) if request.HasField("filter") else None


def request_id_of(request: Any) -> str:
    """The request id of a write."""
    request_id: str = request.request_id
    if len(request_id) > MAX_REQUEST_ID or "\x00" in request_id:
        raise InvalidArgument(f"request_id has at most {MAX_REQUEST_ID} characters and no NUL", field="request_id")
    return request_id


def mask_of(mask: FieldMask, allowed: Sequence[str], field: str) -> frozenset[str]:
    """The paths of a mask; all that are allowed where it names none. InvalidArgument for a path that is not."""
    if not mask.paths:
        return frozenset(allowed)
    for position, path in enumerate(mask.paths):
        if path not in allowed:
            raise InvalidArgument(
                f"{field} must not name {path!r}: it takes {', '.join(allowed)}", field=f"{field}.paths[{position}]"
            )
    return frozenset(mask.paths)


def page_size_of(request: Any, limit: int) -> int:
    """The page size of a listing; 0 stands for the server's own."""
    size: int = request.page_size
    if not 0 <= size <= limit:
        raise InvalidArgument(f"page_size must be 0 to {limit}, not {size}", field="page_size")
    return size or min(PAGE, limit)


def number_of(request: Any, field: str = "id") -> int:
    """The positive number of a job."""
    number: int = getattr(request, field)
    if number < 1:
        raise InvalidArgument(f"{field} must be the positive number of a job, not {number}", field=field)
    return number


def page_of(rows: Iterable[T], order: Callable[[T], list[Any]], size: int, token: str) -> tuple[list[T], str]:
    """The rows of one page of a listing in ascending ``order``, and the token of the next ("" on the last).

    ``order`` gives the strings and numbers that place a row; the token holds those of the last row given.
    """
    after = _read_token(token)
    try:
        left = [row for row in rows if after is None or order(row) > after]
    except TypeError:
        raise _foreign_token() from None
    page = left[:size]
    return page, _write_token(order(page[-1])) if len(left) > size else ""


def page_behind(
    read: Callable[[int | None, int], Sequence[T]], place: Callable[[T], int], size: int, token: str
) -> tuple[Sequence[T], str]:
    """One page of a listing that is read page by page, and the token of the next ("" on the last).

    Args:
        read: ``(place of the last row given, count) -> rows``; None stands for the beginning.
        place: the number that places a row.
        size: rows of the page, at most.
        token: that of the page before; "" for the first.
    """
    after = _read_token(token)
    if after is not None and not (len(after) == 1 and isinstance(after[0], int) and 0 <= after[0] < 2**63):
        raise _foreign_token()
    rows = read(None if after is None else after[0], size + 1)
    page = rows[:size]
    return page, _write_token([place(page[-1])]) if len(rows) > size else ""


def _write_token(place: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read_token(token: str) -> list[Any] | None:
    if not token:
        return None
    try:
        place = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise _foreign_token() from None
    if not isinstance(place, list):
        raise _foreign_token()
    return place


def _foreign_token() -> InvalidArgument:
    return InvalidArgument(
        "this page token does not belong to this listing: repeat the request that gave it", field="page_token"
    )
