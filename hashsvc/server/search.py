"""The Search service."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from hashsvc.errors import HashsvcError, InvalidArgument
from hashsvc.server.alive import check_alive
from hashsvc.server.refused import Refused
from hashsvc.server.requests import collection_named, filter_of, mask_of
from hashsvc.v1 import search_pb2, search_pb2_grpc
from hashsvc.wire.answers import join_answers, pack_answer, pack_answers, pack_within
from hashsvc.wire.errors import write_error
from hashsvc.wire.queries import read_query, read_rerank

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import grpc

    from hashsvc.domain.neighbours import Answer, Match
    from hashsvc.domain.queries import Query
    from hashsvc.domain.service import Service
    from hashsvc.server.gathering import Gathering

COLUMNS = ("ids", "distances", "keys", "metadata")
PIECE_BYTES = 2**20


class SearchServicer(search_pb2_grpc.SearchServicer):
    """Translates; the store decides."""

    def __init__(self, store: Service, together: Gathering) -> None:
        self._store = store
        self._together = together

    def Search(self, request: search_pb2.SearchRequest, context: grpc.ServicerContext) -> Any:
        """The answer comes packed: see :mod:`hashsvc.wire.answers`."""
        name = collection_named(request.collection)
        keys, metadata = _columns(request)
        queries = [read_query(query, f"queries[{i}]") for i, query in enumerate(request.queries)]
        alone = request.HasField("filter") or request.HasField("rerank") or request.effort or request.exact
        if queries and not alone:
            ask = partial(self._ask, name, k=request.k, keys=keys, metadata=metadata)
            asked = (name, request.k, keys, metadata)
            return join_answers(self._together.answer(asked, queries, ask, partial(check_alive, context)))
        rerank = read_rerank(request.rerank) if request.HasField("rerank") else None
        answers = self._store.search(
            name,
            queries,
            k=request.k,
            filter=filter_of(request),
            keys=keys,
            metadata=metadata,
            rerank=rerank,
            effort=request.effort,
            exact=request.exact,
        )
        return pack_answers(answers, keys=keys, metadata=metadata)

    def _ask(
        self, name: str, queries: Sequence[Query], *, k: int, keys: bool, metadata: bool
    ) -> list[tuple[bytes, bytes]]:
        """The packed answers of several calls' queries: packing is quickest right behind the search."""
        answers = self._store.search(name, queries, k=k, keys=keys, metadata=metadata)
        return [pack_answer(answer, keys=keys, metadata=metadata) for answer in answers]

    def SearchStream(
        self, requests: Iterator[search_pb2.SearchStreamRequest | Refused], context: grpc.ServicerContext
    ) -> Iterator[search_pb2.SearchStreamResponse]:
        for request in requests:
            if isinstance(request, Refused):
                response = search_pb2.SearchStreamResponse(tag=0 if request.request is None else request.request.tag)
                write_error(response.error, request.error)
            else:
                response = self._answered(request, context)
            yield response

    def _answered(
        self, request: search_pb2.SearchStreamRequest, context: grpc.ServicerContext
    ) -> search_pb2.SearchStreamResponse:
        response = search_pb2.SearchStreamResponse(tag=request.tag)
        try:
            response.answer.MergeFromString(self.Search(request.search, context))
        except HashsvcError as error:
            write_error(response.error, error)
        return response

    def Within(self, request: search_pb2.WithinRequest, context: grpc.ServicerContext) -> Iterator[Any]:
        name = collection_named(request.collection)
        if not request.HasField("radius"):
            raise InvalidArgument("radius is not set: say the largest distance, 0 for equal codes", field="radius")
        keys, metadata = _columns(request)
        query, told = read_query(request.query, "query"), False
        for answer in self._store.within_pieces(
            name, query, radius=request.radius, filter=filter_of(request), metadata=metadata
        ):
            if not told:
                yield _summary(answer)
                told = True
            if answer.matches:
                yield from _pieces(answer.matches, keys=keys, metadata=metadata)


def _summary(answer: Answer) -> search_pb2.WithinResponse:
    """What opens the answer of Within, from its first piece."""
    return search_pb2.WithinResponse(
        summary=search_pb2.WithinSummary(
            total=answer.total,
            watermark=answer.watermark,
            complete=answer.complete,
            exact=answer.exact,
            encoder=answer.encoder,
        )
    )


def _columns(request: search_pb2.SearchRequest | search_pb2.WithinRequest) -> tuple[bool, bool]:
    """Whether keys and metadata are asked for; metadata never comes without keys."""
    if not request.HasField("read_mask"):
        return True, True
    asked = mask_of(request.read_mask, COLUMNS, "read_mask")
    return bool(asked & {"keys", "metadata"}), "metadata" in asked


def _pieces(matches: Sequence[Match], *, keys: bool, metadata: bool) -> Iterator[bytes]:
    """The matches in one message, or in several where metadata is long."""
    packed = pack_within(matches, keys=keys, metadata=metadata)
    if len(packed) <= PIECE_BYTES or len(matches) == 1:
        yield packed
        return
    half = len(matches) // 2
    yield from _pieces(matches[:half], keys=keys, metadata=metadata)
    yield from _pieces(matches[half:], keys=keys, metadata=metadata)
