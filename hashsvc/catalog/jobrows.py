"""One row of the table of jobs, inside a transaction: found, checked, settled, read as a noun."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, select, update

from hashsvc.catalog import units
from hashsvc.catalog.tables import jobs
from hashsvc.domain.jobs import Job, JobKind, JobState
from hashsvc.errors import Aborted, FailedPrecondition, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

LEASE_LOST = "LEASE_LOST"


def number_of(job: Job | int) -> int:
    """The number of a job, which may be given as itself."""
    return job if isinstance(job, int) else job.id


def one(connection: Connection, number: int, *, lock: bool = False) -> Job:
    """The job as it stands; NotFound."""
    return job_of(row_of(connection, number, lock=lock))


def row_of(connection: Connection, number: int, *, lock: bool = False) -> Row[Any]:
    """Its row; NotFound."""
    query = select(jobs).where(jobs.c.id == number)
    known = 0 < number < 2**63
    row = connection.execute(query.with_for_update() if lock else query).first() if known else None
    if row is None:
        raise NotFound(f"no job {number}: see `hashsvc jobs list`", field="job")
    return row


def still_open(connection: Connection, number: int, worker: str | None = None) -> Job:
    """The job, locked; refused when it is final, or when another than ``worker`` holds it."""
    row = row_of(connection, number, lock=True)
    held = job_of(row)
    if worker is not None and row.worker != worker:
        raise lost(number, worker, held.state)
    if held.state.final:
        raise FailedPrecondition(f"job {number} is {held.state} already")
    return held


def lost(number: int, worker: str, state: JobState) -> Aborted:
    """What a worker is told that no longer holds the job."""
    why = f"is {state} already" if state.final else f"is no longer leased to {worker!r}"
    return Aborted(f"job {number} {why}", reason=LEASE_LOST)


def settle(
    connection: Connection, job: int, state: JobState, *, result: Mapping[str, Any] | None = None, error: str = ""
) -> Job:
    """Make the job final, and its units in hand nobody's."""
    values = {
        "state": str(state),
        "finished_at": datetime.now(UTC),
        "worker": "",
        "lease_until": 0.0,
        "error": error,
        "result": dict(result or {}),
    }
    connection.execute(update(jobs).where(jobs.c.id == job).values(values))
    units.release(connection, job)
    return one(connection, job)


def job_of(row: Row[Any]) -> Job:
    """What a row says."""
    return Job(
        id=row.id,
        kind=JobKind(row.kind),
        collection=row.collection,
        spec=row.spec,
        state=JobState(row.state),
        created_at=row.created_at,
        finished_at=row.finished_at,
        counts=units.counts_of(row),
        units=row.units,
        units_done=row.units_done,
        result=row.result,
        error=row.error,
    )
