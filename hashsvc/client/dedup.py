"""The verbs on dedup runs over gRPC."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from hashsvc.v1 import dedup_pb2, dedup_pb2_grpc
from hashsvc.wire.dedup import read_applied, read_decision, read_pair, read_run

if TYPE_CHECKING:
    from collections.abc import Callable

    import grpc

    from hashsvc.domain.dedup import Applied, Decision, Pair, Run

    Call = Callable[..., Any]


class DedupClient:
    """The methods of :class:`hashsvc.domain.dedupservice.DedupService` behind a server.

    Args:
        channel: to the server.
        call: makes a call with the client's deadline, token and errors.
        pages: the pages of a listing.
    """

    def __init__(self, channel: grpc.Channel, call: Call, pages: Call) -> None:
        self._stub = dedup_pb2_grpc.DedupStub(channel)
        self._call = call
        self._pages = pages

    def run(self, job: int) -> Run:
        """See :meth:`DedupService.run`."""
        return read_run(self._call(self._stub.GetRun, dedup_pb2.GetDedupRunRequest(job=job)))

    def runs(self, collection: str = "", *, before: int | None = None, limit: int | None = None) -> list[Run]:
        """See :meth:`DedupService.runs`; no more pages are asked for than ``limit`` takes."""
        pages = self._pages(self._stub.ListRuns, dedup_pb2.ListDedupRunsRequest(collection=collection))
        older = (run for page in pages for run in page.runs if before is None or run.job < before)
        return [read_run(run) for run in islice(older, limit)]

    def why(self, collection: str, key: str) -> list[Decision]:
        """See :meth:`DedupService.why`."""
        response = self._call(self._stub.Why, dedup_pb2.WhyRequest(collection=collection, key=key))
        return [read_decision(one) for one in response.decisions]

    def decisions(self, job: int, *, after: int = -1, limit: int = 1_000) -> list[Decision]:
        """See :meth:`DedupService.decisions`; the server may give fewer than ``limit``, none only at the end."""
        request = dedup_pb2.ListDedupDecisionsRequest(job=job, after_id=after, page_size=limit)
        return [read_decision(one) for one in self._call(self._stub.ListDecisions, request).decisions]

    def pairs(self, job: int, *, low: float | None = None, high: float | None = None, limit: int = 100) -> list[Pair]:
        """See :meth:`DedupService.pairs`."""
        request = dedup_pb2.ListDedupPairsRequest(job=job, least_score=low, most_score=high, limit=limit)
        return [read_pair(pair) for pair in self._call(self._stub.ListPairs, request).pairs]

    def mark(self, collection: str, one: str, other: str, *, remove: bool = False) -> bool:
        """See :meth:`DedupService.mark`."""
        request = dedup_pb2.MarkRequest(collection=collection, one=one, other=other, remove=remove)
        return bool(self._call(self._stub.Mark, request).changed)

    def apply(self, job: int, *, tag: str = "", accept: bool = False) -> Applied:
        """See :meth:`DedupService.apply`; repeated where the deadline passes, it goes on where it stopped."""
        request = dedup_pb2.ApplyDedupRequest(job=job, tag=tag, accept=accept)
        return read_applied(self._call(self._stub.Apply, request))

    def undo(self, job: int) -> Applied:
        """See :meth:`DedupService.undo`; as :meth:`apply`."""
        return read_applied(self._call(self._stub.Undo, dedup_pb2.UndoDedupRequest(job=job)))
