"""The Jobs service."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from hashsvc.server.requests import number_of, page_behind, page_size_of, request_id_of
from hashsvc.v1 import jobs_pb2, jobs_pb2_grpc
from hashsvc.wire.documents import read_document
from hashsvc.wire.enums import JOB_KIND
from hashsvc.wire.jobs import write_dead_letter, write_job

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import grpc

    from hashsvc.domain.jobs import DeadLetter, Job
    from hashsvc.domain.service import Service
    from hashsvc.settings import Limits

WATCH_SECONDS = 0.2


class JobsServicer(jobs_pb2_grpc.JobsServicer):
    """Translates; the store decides."""

    def __init__(self, store: Service, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    def Create(self, request: jobs_pb2.CreateJobRequest, context: grpc.ServicerContext) -> jobs_pb2.Job:
        kind = JOB_KIND.read(request.kind, "kind")
        spec = read_document(request.spec)
        return write_job(self._store.create_job(kind, spec, request_id=request_id_of(request)))

    def Get(self, request: jobs_pb2.GetJobRequest, context: grpc.ServicerContext) -> jobs_pb2.Job:
        return write_job(self._store.job(number_of(request)))

    def List(self, request: jobs_pb2.ListJobsRequest, context: grpc.ServicerContext) -> jobs_pb2.ListJobsResponse:
        size = page_size_of(request, self._limits.max_page)

        def read(before: int | None, count: int) -> Sequence[Job]:
            return self._store.jobs(before=before, limit=count)

        page, token = page_behind(read, lambda job: job.id, size, request.page_token)
        return jobs_pb2.ListJobsResponse(jobs=[write_job(job) for job in page], next_page_token=token)

    def Cancel(self, request: jobs_pb2.CancelJobRequest, context: grpc.ServicerContext) -> jobs_pb2.Job:
        return write_job(self._store.cancel_job(number_of(request)))

    def Watch(self, request: jobs_pb2.WatchJobRequest, context: grpc.ServicerContext) -> Iterator[jobs_pb2.Job]:
        number = number_of(request)
        gone = threading.Event()
        context.add_callback(gone.set)
        told = None
        while not gone.is_set():
            job = self._store.job(number)
            if job != told:
                yield write_job(job)
                told = job
            if job.state.final:
                return
            gone.wait(WATCH_SECONDS)

    def ListDeadLetters(
        self, request: jobs_pb2.ListDeadLettersRequest, context: grpc.ServicerContext
    ) -> jobs_pb2.ListDeadLettersResponse:
        size = page_size_of(request, self._limits.max_page)
        number = number_of(request)

        def read(after: int | None, count: int) -> Sequence[DeadLetter]:
            return self._store.dead_letters(number, after=after or 0, limit=count)

        page, token = page_behind(read, lambda letter: letter.id, size, request.page_token)
        return jobs_pb2.ListDeadLettersResponse(
            dead_letters=[write_dead_letter(letter) for letter in page], next_page_token=token
        )
