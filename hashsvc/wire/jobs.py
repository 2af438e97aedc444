"""Jobs and dead letters."""

from __future__ import annotations

from hashsvc.domain.jobs import Counts, DeadLetter, Job
from hashsvc.v1 import jobs_pb2
from hashsvc.wire.documents import read_document, write_document
from hashsvc.wire.enums import JOB_KIND, JOB_STATE
from hashsvc.wire.times import read_time, write_time


def write_job(job: Job) -> jobs_pb2.Job:
    """The message of a job."""
    counts = job.counts
    message = jobs_pb2.Job(
        id=job.id,
        collection=job.collection,
        create_time=write_time(job.created_at),
        finish_time=write_time(job.finished_at),
        counts=jobs_pb2.Counts(read=counts.read, stored=counts.stored, unchanged=counts.unchanged, dead=counts.dead),
        units=job.units,
        units_done=job.units_done,
        error=job.error,
    )
    message.kind = JOB_KIND.write(job.kind)  # type: ignore[assignment]
    message.state = JOB_STATE.write(job.state)  # type: ignore[assignment]
    write_document(message.spec, job.spec, "spec")
    write_document(message.result, job.result, "result")
    return message


def read_job(message: jobs_pb2.Job) -> Job:
    """The job that a server describes."""
    counts = message.counts
    return Job(
        id=message.id,
        kind=JOB_KIND.read(message.kind, "kind"),
        collection=message.collection,
        spec=read_document(message.spec),
        state=JOB_STATE.read(message.state, "state"),
        created_at=read_time(message.create_time),
        finished_at=read_time(message.finish_time) if message.HasField("finish_time") else None,
        counts=Counts(counts.read, counts.stored, counts.unchanged, counts.dead),
        units=message.units,
        units_done=message.units_done,
        result=read_document(message.result),
        error=message.error,
    )


def write_dead_letter(letter: DeadLetter) -> jobs_pb2.DeadLetter:
    """The message of a dead letter."""
    return jobs_pb2.DeadLetter(
        source=letter.source, row=letter.row, reason=letter.reason, key=letter.key, unit=letter.unit, id=letter.id
    )


def read_dead_letter(message: jobs_pb2.DeadLetter) -> DeadLetter:
    """The dead letter of a message."""
    key = message.key if message.HasField("key") else None
    return DeadLetter(message.source, message.row, message.reason, key, message.unit, message.id)
