"""Queries of the table of jobs: made, seen, steered and forgotten by whoever asks."""

from __future__ import annotations

import builtins
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, insert, select, update

from hashsvc.catalog import jobrows, planning, units
from hashsvc.catalog.requests import check_request_id
from hashsvc.catalog.tables import dead_letters, job_keys, jobs
from hashsvc.catalog.tables import units as unit_rows
from hashsvc.domain.jobs import DeadLetter, Job, JobKind, JobState, Unit
from hashsvc.errors import AlreadyExists, FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hashsvc.catalog.database import Database


class Jobs:
    """The jobs of a store, their units and their dead letters. A job may be given as itself or by its number."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, kind: JobKind, collection: str, spec: Mapping[str, Any], request_id: str = "") -> Job:
        """Create a job; a repeated request_id answers with the job of the first time.

        Raises:
            InvalidArgument: the request_id was used for another job.
        """
        check_request_id(request_id)
        try:
            with self._database.writing() as connection:
                known = _requested(connection, request_id)
                return (
                    _same(known, kind, collection, spec)
                    if known
                    else _add(connection, kind, collection, spec, request_id)
                )
        except AlreadyExists:
            with self._database.reading() as connection:
                return _same(_requested(connection, request_id), kind, collection, spec)

    def get(self, job: Job | int) -> Job:
        """One job as it stands; NotFound."""
        with self._database.reading() as connection:
            return jobrows.one(connection, jobrows.number_of(job))

    def list(
        self, state: JobState | None = None, *, before: int | None = None, limit: int | None = None
    ) -> builtins.list[Job]:
        """Every job, or every one in a state, newest first; those older than ``before``, at most ``limit``."""
        query = select(jobs).order_by(jobs.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(jobs.c.id < before)
        if state is not None:
            query = query.where(jobs.c.state == str(state))
        with self._database.reading() as connection:
            return [jobrows.job_of(row) for row in connection.execute(query)]

    def plan(self, job: Job | int, specs: Iterable[Mapping[str, Any]], worker: str = "") -> Job:
        """Give a job its units; one that has them already, or that somebody else works on, stays as it is.

        Drawing the specs may take long: they are written a slice at a time, and others write in between. The job has
        units when the last is written; what a planner that died has left is planned anew.

        Args:
            job: as it was created.
            specs: of the units, drawn outside any transaction.
            worker: who holds the job; by default nobody does, and nobody else gets it before it is planned.

        Raises:
            FailedPrecondition: the job is final.
            Aborted: another worker took it over meanwhile (reason LEASE_LOST).
        """
        return planning.plan(self._database, jobrows.number_of(job), specs, worker)

    def again(self, job: Job | int, specs: Iterable[Mapping[str, Any]]) -> Job:
        """Open a final job again: its dead letters are taken out of every count, and units that read their rows added.

        Raises:
            FailedPrecondition: the job still runs.
        """
        number = jobrows.number_of(job)
        with self._database.writing() as connection:
            held = jobrows.one(connection, number, lock=True)
            if not held.state.final:
                raise FailedPrecondition(f"job {number} is {held.state}: wait for its end, or cancel it")
            taken = units.exhume(connection, number)
            added = units.add(connection, number, specs, first=held.units)
            values: dict[str, Any] = {
                "state": str(JobState.PLANNED),
                "finished_at": None,
                "error": "",
                "result": {},
                "read": jobs.c.read - taken,
                "dead": jobs.c.dead - taken,
                "units": held.units + added,
            }
            connection.execute(update(jobs).where(jobs.c.id == number).values(values))
            return jobrows.one(connection, number)

    def reopen(self, job: Job | int) -> Job:
        """Open a job again that failed or was cancelled with units left; what is done stays done.

        Raises:
            FailedPrecondition: the job is not final, or no unit is left.
        """
        with self._database.writing() as connection:
            held = jobrows.one(connection, jobrows.number_of(job), lock=True)
            if not held.state.final or held.units_done >= held.units:
                raise FailedPrecondition(f"job {held.id} is {held.state}, {held.units_done} of {held.units} units done")
            opened: dict[str, Any] = {"state": str(JobState.PLANNED), "finished_at": None, "error": "", "result": {}}
            connection.execute(update(jobs).where(jobs.c.id == held.id).values(opened))
            return jobrows.one(connection, held.id)

    def cancel(self, job: Job | int) -> Job:
        """Ask a job to stop: at once when nobody works on it, else after the units in hand; a final one stays."""
        with self._database.writing() as connection:
            held = jobrows.one(connection, jobrows.number_of(job), lock=True)
            if held.state is JobState.PLANNED:
                return jobrows.settle(connection, held.id, JobState.CANCELLED)
            if held.state is JobState.RUNNING:
                stopping = update(jobs).where(jobs.c.id == held.id).values(state=str(JobState.CANCELLING))
                connection.execute(stopping)
            return jobrows.one(connection, held.id)

    def units(self, job: Job | int) -> builtins.list[Unit]:
        """Every unit of a job, in order."""
        with self._database.reading() as connection:
            return units.listed(connection, jobrows.number_of(job))

    def dead_letters(self, job: Job | int) -> builtins.list[DeadLetter]:
        """Rows of a job that could not be stored, by unit and row; NotFound."""
        with self._database.reading() as connection:
            return units.letters_of(connection, jobrows.one(connection, jobrows.number_of(job)).id)

    def letters_after(self, job: Job | int, after: int = 0, limit: int | None = None) -> builtins.list[DeadLetter]:
        """Rows of a job that could not be stored, as they were met, behind the one with id ``after``; NotFound."""
        with self._database.reading() as connection:
            return units.letters_after(connection, jobrows.one(connection, jobrows.number_of(job)).id, after, limit)

    def forget(self, before: datetime) -> int:
        """Delete final jobs that ended before a moment, with their units and dead letters; how many."""
        with self._database.writing() as connection:
            old = select(jobs.c.id).where(jobs.c.finished_at < before)
            numbers = [row.id for row in connection.execute(old)]
            for table in (unit_rows, dead_letters, job_keys):
                connection.execute(delete(table).where(self._database.among(table.c.job, numbers)))
            connection.execute(delete(jobs).where(self._database.among(jobs.c.id, numbers)))
            return len(numbers)


def _requested(connection: Connection, request_id: str) -> Job | None:
    if not request_id:
        return None
    row = connection.execute(select(jobs).where(jobs.c.request_id == request_id)).first()
    return jobrows.job_of(row) if row else None


def _same(known: Job | None, kind: JobKind, collection: str, spec: Mapping[str, Any]) -> Job:
    asked = (kind, collection, json.dumps(dict(spec), sort_keys=True))
    if known is None or asked != (known.kind, known.collection, json.dumps(dict(known.spec), sort_keys=True)):
        raise InvalidArgument(
            "this request_id was used for another job: give each its own",
            field="request_id",
            reason="REQUEST_ID_REUSED",
        )
    return known


def _add(connection: Connection, kind: JobKind, collection: str, spec: Mapping[str, Any], request_id: str) -> Job:
    values: dict[str, Any] = {
        "kind": str(kind),
        "collection": collection,
        "spec": dict(spec),
        "state": str(JobState.PLANNED),
        "request_id": request_id or None,
        "created_at": datetime.now(UTC),
        **dict.fromkeys(units.COUNTS, 0),
        "units": 0,
        "units_done": 0,
        "result": {},
        "error": "",
        "worker": "",
        "lease_until": 0.0,
    }
    added = connection.execute(insert(jobs).values(values).returning(jobs.c.id)).scalar_one()
    return jobrows.one(connection, added)
