"""The Dedup service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashsvc.errors import InvalidArgument
from hashsvc.server.requests import collection_named, number_of, page_behind, page_size_of
from hashsvc.v1 import dedup_pb2, dedup_pb2_grpc
from hashsvc.wire.dedup import write_applied, write_decision, write_pair, write_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc

    from hashsvc.domain.dedup import Run
    from hashsvc.domain.dedupservice import DedupService
    from hashsvc.settings import Limits


class DedupServicer(dedup_pb2_grpc.DedupServicer):
    """Translates; the store decides."""

    def __init__(self, store: DedupService, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    def GetRun(self, request: dedup_pb2.GetDedupRunRequest, context: grpc.ServicerContext) -> dedup_pb2.DedupRun:
        return write_run(self._store.run(number_of(request, "job")))

    def ListRuns(
        self, request: dedup_pb2.ListDedupRunsRequest, context: grpc.ServicerContext
    ) -> dedup_pb2.ListDedupRunsResponse:
        size = page_size_of(request, self._limits.max_page)
        collection = collection_named(request.collection) if request.collection else ""

        def read(before: int | None, count: int) -> Sequence[Run]:
            return self._store.runs(collection, before=before, limit=count)

        page, token = page_behind(read, lambda run: run.job, size, request.page_token)
        return dedup_pb2.ListDedupRunsResponse(runs=[write_run(run) for run in page], next_page_token=token)

    def Why(self, request: dedup_pb2.WhyRequest, context: grpc.ServicerContext) -> dedup_pb2.WhyResponse:
        found = self._store.why(collection_named(request.collection), request.key)
        return dedup_pb2.WhyResponse(decisions=[write_decision(one) for one in found])

    def ListDecisions(
        self, request: dedup_pb2.ListDedupDecisionsRequest, context: grpc.ServicerContext
    ) -> dedup_pb2.ListDedupDecisionsResponse:
        size = page_size_of(request, self._limits.max_page)
        after = request.after_id if request.HasField("after_id") else -1
        found = self._store.decisions(number_of(request, "job"), after=after, limit=size)
        return dedup_pb2.ListDedupDecisionsResponse(decisions=[write_decision(one) for one in found])

    def ListPairs(
        self, request: dedup_pb2.ListDedupPairsRequest, context: grpc.ServicerContext
    ) -> dedup_pb2.ListDedupPairsResponse:
        if not 0 <= request.limit <= self._limits.max_page:
            raise InvalidArgument(f"limit must be 0 to {self._limits.max_page}, not {request.limit}", field="limit")
        found = self._store.pairs(
            number_of(request, "job"),
            low=request.least_score if request.HasField("least_score") else None,
            high=request.most_score if request.HasField("most_score") else None,
            limit=request.limit or min(100, self._limits.max_page),
        )
        return dedup_pb2.ListDedupPairsResponse(pairs=[write_pair(pair) for pair in found])

    def Mark(self, request: dedup_pb2.MarkRequest, context: grpc.ServicerContext) -> dedup_pb2.MarkResponse:
        collection = collection_named(request.collection)
        changed = self._store.mark(collection, request.one, request.other, remove=request.remove)
        return dedup_pb2.MarkResponse(changed=changed)

    def Apply(self, request: dedup_pb2.ApplyDedupRequest, context: grpc.ServicerContext) -> dedup_pb2.DedupApplied:
        return write_applied(self._store.apply(number_of(request, "job"), tag=request.tag, accept=request.accept))

    def Undo(self, request: dedup_pb2.UndoDedupRequest, context: grpc.ServicerContext) -> dedup_pb2.DedupApplied:
        return write_applied(self._store.undo(number_of(request, "job")))
