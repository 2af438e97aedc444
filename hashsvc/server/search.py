"""The Search service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashsvc.errors import HashsvcError, InvalidArgument
from hashsvc.server.requests import collection_named, filter_of, mask_of
from hashsvc.v1 import search_pb2, search_pb2_grpc
from hashsvc.wire.answers import write_answers, write_matches
from hashsvc.wire.errors import write_error
from hashsvc.wire.queries import read_query, read_rerank

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import grpc

    from hashsvc.domain.neighbours import Match
    from hashsvc.domain.service import Service

COLUMNS = ("ids", "distances", "keys", "metadata")
PIECE_MATCHES = 2_000
PIECE_BYTES = 2**20


class SearchServicer(search_pb2_grpc.SearchServicer):
    """Translates; the store decides."""

    def __init__(self, store: Service) -> None:
        self._store = store

    def Search(self, request: search_pb2.SearchRequest, context: grpc.ServicerContext) -> search_pb2.SearchResponse:
        name = collection_named(request.collection)
        metadata = _wants_metadata(request)
        answers = self._store.search(
            name,
            [read_query(query, f"queries[{i}]") for i, query in enumerate(request.queries)],
            k=request.k,
            filter=filter_of(request),
            metadata=metadata,
            rerank=read_rerank(request.rerank) if request.HasField("rerank") else None,
        )
        return write_answers(answers, metadata=metadata)

    def SearchStream(
        self, requests: Iterator[search_pb2.SearchStreamRequest], context: grpc.ServicerContext
    ) -> Iterator[search_pb2.SearchStreamResponse]:
        for request in requests:
            response = search_pb2.SearchStreamResponse(tag=request.tag)
            try:
                response.answer.CopyFrom(self.Search(request.search, context))
            except HashsvcError as error:
                write_error(response.error, error)
            yield response

    def Within(
        self, request: search_pb2.WithinRequest, context: grpc.ServicerContext
    ) -> Iterator[search_pb2.WithinResponse]:
        name = collection_named(request.collection)
        if not request.HasField("radius"):
            raise InvalidArgument("radius is not set: say the largest distance, 0 for equal codes", field="radius")
        metadata = _wants_metadata(request)
        answer = self._store.within(
            name,
            read_query(request.query, "query"),
            radius=request.radius,
            filter=filter_of(request),
            metadata=metadata,
        )
        yield search_pb2.WithinResponse(
            summary=search_pb2.WithinSummary(
                total=answer.total,
                watermark=answer.watermark,
                complete=answer.complete,
                exact=answer.exact,
                encoder=answer.encoder,
            )
        )
        for start in range(0, len(answer.matches), PIECE_MATCHES):
            yield from _pieces(answer.matches[start : start + PIECE_MATCHES], metadata=metadata)


def _wants_metadata(request: search_pb2.SearchRequest | search_pb2.WithinRequest) -> bool:
    return not request.HasField("read_mask") or "metadata" in mask_of(request.read_mask, COLUMNS, "read_mask")


def _pieces(matches: Sequence[Match], *, metadata: bool) -> Iterator[search_pb2.WithinResponse]:
    """The matches in one message, or in several where metadata is long."""
    message = search_pb2.WithinResponse()
    write_matches(message.matches, matches, metadata=metadata)
    if message.ByteSize() <= PIECE_BYTES or len(matches) == 1:
        yield message
        return
    half = len(matches) // 2
    yield from _pieces(matches[:half], metadata=metadata)
    yield from _pieces(matches[half:], metadata=metadata)
