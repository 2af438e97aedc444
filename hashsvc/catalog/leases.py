"""Leases: who works on a job, and on which of its units, until when; and how the one who holds it settles it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, and_, select, update

from hashsvc.catalog import jobrows, keys, units
from hashsvc.catalog.jobrows import LEASE_LOST
from hashsvc.catalog.tables import jobs
from hashsvc.catalog.tables import units as unit_rows
from hashsvc.domain.jobs import Job, JobState, Unit
from hashsvc.errors import Aborted, Cancelled, FailedPrecondition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hashsvc.catalog.database import Database

MAX_ERROR = 2_000
OPEN = (str(JobState.PLANNED), str(JobState.RUNNING), str(JobState.CANCELLING))


class Leases:
    """The jobs of a store in the hands of workers. A job may be given as itself or by its number."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, worker: str, lease_s: float, job: Job | int | None = None) -> Job | None:
        """Lease the oldest job nobody works on: planned, or left behind by a worker whose lease ran out.

        A job that was asked to stop and left behind is settled as cancelled on the way.

        Args:
            worker: name of the worker; must differ from every other's.
            lease_s: seconds without a heartbeat after which another worker may take over.
            job: claim this one or none.
        """
        with self._database.reading() as connection:
            if connection.execute(self._waiting(connection, job).limit(1)).first() is None:
                return None
        with self._database.writing() as connection:
            now = self._database.now(connection)
            ordered = self._waiting(connection, job).order_by(jobs.c.id).with_for_update(skip_locked=True)
            for row in connection.execute(ordered).all():
                if row.state == JobState.CANCELLING:
                    jobrows.settle(connection, row.id, JobState.CANCELLED)
                    continue
                leased = {"state": str(JobState.RUNNING), "worker": worker, "lease_until": now + lease_s, "error": ""}
                connection.execute(update(jobs).where(jobs.c.id == row.id).values(leased))
                return jobrows.one(connection, row.id)
        return None

    def _waiting(self, connection: Connection, job: Job | int | None) -> Select[Any]:
        free = select(jobs).where(jobs.c.state.in_(OPEN), jobs.c.lease_until <= self._database.now(connection))
        return free if job is None else free.where(jobs.c.id == jobrows.number_of(job))

    def claim_unit(self, job: Job | int, worker: str, lease_s: float) -> Unit | None:
        """Lease the next unit of a job; None when every unit is done or leased to another worker.

        Raises:
            Cancelled: the job was asked to stop.
            Aborted: it failed meanwhile, in another worker's hands (reason LEASE_LOST).
        """
        number = jobrows.number_of(job)
        with self._database.reading() as connection:  # most who wait find nothing: they keep no writer waiting
            held = jobrows.one(connection, number)
            if held.state in {JobState.CANCELLING, JobState.CANCELLED}:
                raise Cancelled(f"job {number} was cancelled")
            if held.state is JobState.FAILED:
                raise Aborted(f"job {number} failed meanwhile: {held.error}", reason=LEASE_LOST)
            if not units.waiting(self._database, connection, number):
                return None
        with self._database.writing() as connection:
            return units.claim(self._database, connection, number, worker, lease_s)

    def heartbeat(self, job: Job | int, worker: str, lease_s: float) -> Job:
        """Renew the lease of a job and of its units in hand; the answer tells whether it was asked to stop.

        Raises:
            Aborted: another worker has it by now, or it is final (reason LEASE_LOST).
        """
        number = jobrows.number_of(job)
        with self._database.writing() as connection:
            until = self._database.now(connection) + lease_s
            mine = and_(jobs.c.id == number, jobs.c.worker == worker, jobs.c.state.in_(OPEN))
            if not connection.execute(update(jobs).where(mine).values(lease_until=until)).rowcount:
                raise jobrows.lost(number, worker, jobrows.one(connection, number).state)
            in_hand = and_(unit_rows.c.job == number, unit_rows.c.worker == worker, ~unit_rows.c.done)
            connection.execute(update(unit_rows).where(in_hand).values(lease_until=until))
            return jobrows.one(connection, number)

    def renew_units(self, job: Job | int, worker: str, lease_s: float) -> Job:
        """Renew the lease of the units in hand of one of several workers on a job; 0 seconds give them back.

        The answer tells whether the job was asked to stop.
        """
        number = jobrows.number_of(job)
        with self._database.writing() as connection:
            held = jobrows.one(connection, number, lock=True)
            until = self._database.now(connection) + lease_s
            in_hand = and_(unit_rows.c.job == number, unit_rows.c.worker == worker, ~unit_rows.c.done)
            connection.execute(update(unit_rows).where(in_hand).values(lease_until=until))
            return held

    def finish(self, job: Job | int, worker: str, result: Mapping[str, Any]) -> Job:
        """Settle a job as done, by the worker that holds it; one that was asked to stop becomes cancelled.

        Raises:
            Aborted: another worker has it by now, or has settled it (reason LEASE_LOST).
            FailedPrecondition: units are left, or the job is final.
        """
        number = jobrows.number_of(job)
        with self._database.reading() as connection:
            left = units.left(connection, number)
        if not left:
            keys.clear(self._database, number)
        with self._database.writing() as connection:
            held = jobrows.still_open(connection, number, worker)
            if held.state is JobState.CANCELLING:
                return jobrows.settle(connection, held.id, JobState.CANCELLED)
            left = units.left(connection, held.id)
            if left:
                raise FailedPrecondition(f"job {held.id} has {left} unfinished units")
            return jobrows.settle(connection, held.id, JobState.DONE, result=dict(result))

    def fail(self, job: Job | int, worker: str, error: str) -> Job:
        """Settle a job as failed, by the worker that holds it; a final one stays as it is.

        Raises:
            Aborted: another worker has it by now (reason LEASE_LOST).
        """
        with self._database.writing() as connection:
            held = jobrows.one(connection, jobrows.number_of(job), lock=True)
            if held.state.final:
                return held
            jobrows.still_open(connection, held.id, worker)
            return jobrows.settle(connection, held.id, JobState.FAILED, error=_line(error))

    def put_back(self, job: Job | int, worker: str, error: str, pause_s: float) -> Job:
        """Leave a job, and its units in hand, to whoever comes after a pause; until then it says what it waits for.

        Raises:
            Aborted: another worker has it by now, or has settled it (reason LEASE_LOST).
            FailedPrecondition: the job is final.
        """
        with self._database.writing() as connection:
            held = jobrows.still_open(connection, jobrows.number_of(job), worker)
            until = self._database.now(connection) + pause_s
            units.release(connection, held.id, worker)
            left = {"worker": "", "lease_until": until, "error": _line(error)}
            connection.execute(update(jobs).where(jobs.c.id == held.id).values(left))
            return jobrows.one(connection, held.id)

    def cancelled(self, job: Job | int, worker: str) -> Job:
        """Settle a job as cancelled, by the worker that held it and stopped; a final one stays as it is.

        Raises:
            Aborted: another worker has it by now (reason LEASE_LOST).
        """
        with self._database.writing() as connection:
            held = jobrows.one(connection, jobrows.number_of(job), lock=True)
            if held.state.final:
                return held
            jobrows.still_open(connection, held.id, worker)
            return jobrows.settle(connection, held.id, JobState.CANCELLED)


def _line(error: str) -> str:
    return " ".join(error.split())[:MAX_ERROR].replace("\x00", "")
