"""Queries of the table of jobs."""

from __future__ import annotations

import builtins
import json
import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, Select, and_, delete, insert, select, update

from hashsvc.catalog import keys, units
from hashsvc.catalog.requests import check_request_id
from hashsvc.catalog.tables import dead_letters, job_keys, jobs
from hashsvc.catalog.tables import units as unit_rows
from hashsvc.domain.jobs import DeadLetter, Job, JobKind, JobState, Unit
from hashsvc.errors import (
    Aborted,
    AlreadyExists,
    Cancelled,
    FailedPrecondition,
    HashsvcError,
    InvalidArgument,
    NotFound,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hashsvc.catalog.database import Database

MAX_ERROR = 2_000
LEASE_LOST = "LEASE_LOST"
SLICE_UNITS = 1_000
SLICE_S = 5.0
PLAN_S = 60.0
OPEN = (str(JobState.PLANNED), str(JobState.RUNNING), str(JobState.CANCELLING))


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
            return _one(connection, _number(job))

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
            return [_job(row) for row in connection.execute(query)]

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
        number, count = _number(job), 0
        planner = worker or f"planner {secrets.token_hex(8)}"
        with self._database.writing() as connection:
            if not self._begin_plan(connection, number, planner, anybody=not worker):
                return _one(connection, number)
        try:
            for part in _slices(specs):
                with self._database.writing() as connection:
                    self._go_on_planning(connection, number, planner)
                    count += units.add(connection, number, part, first=count)
        except BaseException as error:
            if not worker:
                with suppress(HashsvcError):  # what stopped it matters more; the next planner begins anew
                    self.fail(number, planner, f"it could not be planned: {str(error) or type(error).__name__}")
            raise
        with self._database.writing() as connection:
            self._go_on_planning(connection, number, planner)
            free = {} if worker else {"worker": "", "lease_until": 0.0}
            connection.execute(update(jobs).where(jobs.c.id == number).values(units=count, **free))
            return _one(connection, number)

    def _begin_plan(self, connection: Connection, number: int, planner: str, *, anybody: bool) -> bool:
        """Whether the job is the planner's to plan; units of an earlier attempt are taken away."""
        held = _open(connection, number, None if anybody else planner)
        row = _row(connection, number)
        if held.units or (row.worker != planner and row.lease_until > self._database.now(connection)):
            return False
        connection.execute(update(jobs).where(jobs.c.id == number).values(worker=planner))
        self._go_on_planning(connection, number, planner)
        units.clear(connection, number)
        return True

    def _go_on_planning(self, connection: Connection, number: int, planner: str) -> None:
        _open(connection, number, planner)
        until = self._database.now(connection) + PLAN_S
        connection.execute(update(jobs).where(jobs.c.id == number).values(lease_until=until))

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
                    _settle(connection, row.id, JobState.CANCELLED)
                    continue
                leased = {"state": str(JobState.RUNNING), "worker": worker, "lease_until": now + lease_s, "error": ""}
                connection.execute(update(jobs).where(jobs.c.id == row.id).values(leased))
                return _one(connection, row.id)
        return None

    def _waiting(self, connection: Connection, job: Job | int | None) -> Select[Any]:
        free = select(jobs).where(jobs.c.state.in_(OPEN), jobs.c.lease_until <= self._database.now(connection))
        return free if job is None else free.where(jobs.c.id == _number(job))

    def claim_unit(self, job: Job | int, worker: str, lease_s: float) -> Unit | None:
        """Lease the next unit of a job; None when every unit is done or leased to another worker.

        Raises:
            Cancelled: the job was asked to stop.
            Aborted: it failed meanwhile, in another worker's hands (reason LEASE_LOST).
        """
        number = _number(job)
        with self._database.reading() as connection:  # most who wait find nothing: they keep no writer waiting
            held = _one(connection, number)
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
        number = _number(job)
        with self._database.writing() as connection:
            until = self._database.now(connection) + lease_s
            mine = and_(jobs.c.id == number, jobs.c.worker == worker, jobs.c.state.in_(OPEN))
            if not connection.execute(update(jobs).where(mine).values(lease_until=until)).rowcount:
                raise _lost(number, worker, _one(connection, number).state)
            in_hand = and_(unit_rows.c.job == number, unit_rows.c.worker == worker, ~unit_rows.c.done)
            connection.execute(update(unit_rows).where(in_hand).values(lease_until=until))
            return _one(connection, number)

    def renew_units(self, job: Job | int, worker: str, lease_s: float) -> Job:
        """Renew the lease of the units in hand of one of several workers on a job; 0 seconds give them back.

        The answer tells whether the job was asked to stop.
        """
        number = _number(job)
        with self._database.writing() as connection:
            held = _one(connection, number, lock=True)
            until = self._database.now(connection) + lease_s
            in_hand = and_(unit_rows.c.job == number, unit_rows.c.worker == worker, ~unit_rows.c.done)
            connection.execute(update(unit_rows).where(in_hand).values(lease_until=until))
            return held

    def again(self, job: Job | int, specs: Iterable[Mapping[str, Any]]) -> Job:
        """Open a final job again: its dead letters are taken out of every count, and units that read their rows added.

        Raises:
            FailedPrecondition: the job still runs.
        """
        number = _number(job)
        with self._database.writing() as connection:
            held = _one(connection, number, lock=True)
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
            return _one(connection, number)

    def reopen(self, job: Job | int) -> Job:
        """Open a job again that failed or was cancelled with units left; what is done stays done.

        Raises:
            FailedPrecondition: the job is not final, or no unit is left.
        """
        with self._database.writing() as connection:
            held = _one(connection, _number(job), lock=True)
            if not held.state.final or held.units_done >= held.units:
                raise FailedPrecondition(f"job {held.id} is {held.state}, {held.units_done} of {held.units} units done")
            opened: dict[str, Any] = {"state": str(JobState.PLANNED), "finished_at": None, "error": "", "result": {}}
            connection.execute(update(jobs).where(jobs.c.id == held.id).values(opened))
            return _one(connection, held.id)

    def finish(self, job: Job | int, worker: str, result: Mapping[str, Any]) -> Job:
        """Settle a job as done, by the worker that holds it; one that was asked to stop becomes cancelled.

        Raises:
            Aborted: another worker has it by now, or has settled it (reason LEASE_LOST).
            FailedPrecondition: units are left, or the job is final.
        """
        number = _number(job)
        with self._database.reading() as connection:
            left = units.left(connection, number)
        if not left:
            keys.clear(self._database, number)
        with self._database.writing() as connection:
            held = _open(connection, number, worker)
            if held.state is JobState.CANCELLING:
                return _settle(connection, held.id, JobState.CANCELLED)
            left = units.left(connection, held.id)
            if left:
                raise FailedPrecondition(f"job {held.id} has {left} unfinished units")
            return _settle(connection, held.id, JobState.DONE, result=dict(result))

    def fail(self, job: Job | int, worker: str, error: str) -> Job:
        """Settle a job as failed, by the worker that holds it; a final one stays as it is.

        Raises:
            Aborted: another worker has it by now (reason LEASE_LOST).
        """
        with self._database.writing() as connection:
            held = _one(connection, _number(job), lock=True)
            if held.state.final:
                return held
            _open(connection, held.id, worker)
            return _settle(connection, held.id, JobState.FAILED, error=_line(error))

    def put_back(self, job: Job | int, worker: str, error: str, pause_s: float) -> Job:
        """Leave a job, and its units in hand, to whoever comes after a pause; until then it says what it waits for.

        Raises:
            Aborted: another worker has it by now, or has settled it (reason LEASE_LOST).
            FailedPrecondition: the job is final.
        """
        with self._database.writing() as connection:
            held = _open(connection, _number(job), worker)
            until = self._database.now(connection) + pause_s
            units.release(connection, held.id, worker)
            left = {"worker": "", "lease_until": until, "error": _line(error)}
            connection.execute(update(jobs).where(jobs.c.id == held.id).values(left))
            return _one(connection, held.id)

    def cancel(self, job: Job | int) -> Job:
        """Ask a job to stop: at once when nobody works on it, else after the units in hand; a final one stays."""
        with self._database.writing() as connection:
            held = _one(connection, _number(job), lock=True)
            if held.state is JobState.PLANNED:
                return _settle(connection, held.id, JobState.CANCELLED)
            if held.state is JobState.RUNNING:
                stopping = update(jobs).where(jobs.c.id == held.id).values(state=str(JobState.CANCELLING))
                connection.execute(stopping)
            return _one(connection, held.id)

    def cancelled(self, job: Job | int, worker: str) -> Job:
        """Settle a job as cancelled, by the worker that held it and stopped; a final one stays as it is.

        Raises:
            Aborted: another worker has it by now (reason LEASE_LOST).
        """
        with self._database.writing() as connection:
            held = _one(connection, _number(job), lock=True)
            if held.state.final:
                return held
            _open(connection, held.id, worker)
            return _settle(connection, held.id, JobState.CANCELLED)

    def units(self, job: Job | int) -> builtins.list[Unit]:
        """Every unit of a job, in order."""
        with self._database.reading() as connection:
            return units.listed(connection, _number(job))

    def dead_letters(self, job: Job | int) -> builtins.list[DeadLetter]:
        """Rows of a job that could not be stored, by unit and row; NotFound."""
        with self._database.reading() as connection:
            return units.letters_of(connection, _one(connection, _number(job)).id)

    def letters_after(self, job: Job | int, after: int = 0, limit: int | None = None) -> builtins.list[DeadLetter]:
        """Rows of a job that could not be stored, as they were met, behind the one with id ``after``; NotFound."""
        with self._database.reading() as connection:
            return units.letters_after(connection, _one(connection, _number(job)).id, after, limit)

    def forget(self, before: datetime) -> int:
        """Delete final jobs that ended before a moment, with their units and dead letters; how many."""
        with self._database.writing() as connection:
            old = select(jobs.c.id).where(jobs.c.finished_at < before)
            numbers = [row.id for row in connection.execute(old)]
            for table in (unit_rows, dead_letters, job_keys):
                connection.execute(delete(table).where(self._database.among(table.c.job, numbers)))
            connection.execute(delete(jobs).where(self._database.among(jobs.c.id, numbers)))
            return len(numbers)


def _slices(specs: Iterable[Mapping[str, Any]]) -> Iterator[builtins.list[Mapping[str, Any]]]:
    """Specs in slices: of so many, or of what was drawn in so many seconds."""
    part: builtins.list[Mapping[str, Any]] = []
    began = time.monotonic()
    for spec in specs:
        part.append(spec)
        if len(part) >= SLICE_UNITS or time.monotonic() - began > SLICE_S:
            yield part
            part, began = [], time.monotonic()
    if part:
        yield part


def _number(job: Job | int) -> int:
    return job if isinstance(job, int) else job.id


def _requested(connection: Connection, request_id: str) -> Job | None:
    if not request_id:
        return None
    row = connection.execute(select(jobs).where(jobs.c.request_id == request_id)).first()
    return _job(row) if row else None


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
    return _one(connection, added)


def _settle(
    connection: Connection, job: int, state: JobState, *, result: Mapping[str, Any] | None = None, error: str = ""
) -> Job:
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
    return _one(connection, job)


def _open(connection: Connection, number: int, worker: str | None = None) -> Job:
    """The job, locked; refused when it is final, or when another than ``worker`` holds it."""
    row = _row(connection, number, lock=True)
    held = _job(row)
    if worker is not None and row.worker != worker:
        raise _lost(number, worker, held.state)
    if held.state.final:
        raise FailedPrecondition(f"job {number} is {held.state} already")
    return held


def _lost(number: int, worker: str, state: JobState) -> Aborted:
    why = f"is {state} already" if state.final else f"is no longer leased to {worker!r}"
    return Aborted(f"job {number} {why}", reason=LEASE_LOST)


def _line(error: str) -> str:
    return " ".join(error.split())[:MAX_ERROR].replace("\x00", "")


def _one(connection: Connection, number: int, *, lock: bool = False) -> Job:
    return _job(_row(connection, number, lock=lock))


def _row(connection: Connection, number: int, *, lock: bool = False) -> Row[Any]:
    if not 0 < number < 2**63:
        raise NotFound(f"no job {number}", field="job")
    query = select(jobs).where(jobs.c.id == number)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFound(f"no job {number}", field="job")
    return row


def _job(row: Row[Any]) -> Job:
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
