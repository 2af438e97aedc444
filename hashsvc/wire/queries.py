"""Queries: what a search starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashsvc.domain.items import check_key
from hashsvc.domain.queries import CodeQuery, ContentQuery, KeyQuery, RankBy, Rerank
from hashsvc.errors import InvalidArgument
from hashsvc.v1 import search_pb2
from hashsvc.wire.content import read_content, write_content
from hashsvc.wire.enums import RANK_BY

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


def read_rerank(message: search_pb2.Rerank) -> Rerank:
    """The second stage of a search; InvalidArgument when it does not say how many candidates."""
    if not message.oversampling:
        raise InvalidArgument(
            "oversampling is not set: say how many candidates to rank for each match", field="rerank.oversampling"
        )
    return Rerank(message.oversampling, RANK_BY.read_or(message.by, RankBy.STORED, "rerank.by"))


def write_rerank(rerank: Rerank) -> search_pb2.Rerank:
    """The message of a second stage; InvalidArgument when it asks for no candidates."""
    if not 0 < rerank.oversampling < 2**32:
        raise InvalidArgument(f"oversampling must be positive, not {rerank.oversampling}", field="rerank.oversampling")
    by = RANK_BY.write(rerank.by)
    return search_pb2.Rerank(oversampling=rerank.oversampling, by=by)  # type: ignore[arg-type]
