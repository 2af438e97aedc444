"""Queries: what a search starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashsvc.domain.items import check_key
from hashsvc.domain.queries import CodeQuery, ContentQuery, KeyQuery
from hashsvc.errors import InvalidArgument
from hashsvc.v1 import search_pb2
from hashsvc.wire.content import read_content, write_content

if TYPE_CHECKING:
    from hashsvc.domain.queries import Query


def read_query(message: search_pb2.Query, field: str) -> Query:
    """The query of a message; InvalidArgument when it starts from nothing."""
    which = message.WhichOneof("query")
    if which == "code":
        return CodeQuery(message.code)
    if which == "key":
        return KeyQuery(check_key(message.key, f"{field}.key"))
    if which is None:
        raise InvalidArgument(f"{field} is empty: give a text, image, vector, code or key", field=field)
    return ContentQuery(*read_content(message, which, field))


def write_query(query: Query, field: str) -> search_pb2.Query:
    """The message of a query."""
    if isinstance(query, CodeQuery):
        return search_pb2.Query(code=query.code)
    if isinstance(query, KeyQuery):
        return search_pb2.Query(key=query.key)
    message = search_pb2.Query()
    write_content(message, query.kind, query.content, field)
    return message
