"""Planning: a job is given its units a slice at a time, and others write in between."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, update

from hashsvc.catalog import jobrows, units
from hashsvc.catalog.leases import Leases
from hashsvc.catalog.tables import jobs
from hashsvc.errors import HashsvcError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hashsvc.catalog.database import Database
    from hashsvc.domain.jobs import Job

SLICE_UNITS = 1_000
SLICE_S = 5.0
PLAN_S = 60.0


def plan(database: Database, number: int, specs: Iterable[Mapping[str, Any]], worker: str) -> Job:
    """See :meth:`hashsvc.catalog.jobs.Jobs.plan`."""
    count, planner = 0, worker or f"planner {secrets.token_hex(8)}"
    with database.writing() as connection:
        if not _begin(database, connection, number, planner, anybody=not worker):
            return jobrows.one(connection, number)
    try:
        for part in _slices(specs):
            with database.writing() as connection:
                _go_on(database, connection, number, planner)
                count += units.add(connection, number, part, first=count)
    except BaseException as error:
        if not worker:
            with suppress(HashsvcError):  # what stopped it matters more; the next planner begins anew
                Leases(database).fail(number, planner, f"it could not be planned: {str(error) or type(error).__name__}")
        raise
    with database.writing() as connection:
        _go_on(database, connection, number, planner)
        free = {} if worker else {"worker": "", "lease_until": 0.0}
        connection.execute(update(jobs).where(jobs.c.id == number).values(units=count, **free))
        return jobrows.one(connection, number)


def _begin(database: Database, connection: Connection, number: int, planner: str, *, anybody: bool) -> bool:
    """Whether the job is the planner's to plan; units of an earlier attempt are taken away."""
    held = jobrows.still_open(connection, number, None if anybody else planner)
    row = jobrows.row_of(connection, number)
    if held.units or (row.worker != planner and row.lease_until > database.now(connection)):
        return False
    connection.execute(update(jobs).where(jobs.c.id == number).values(worker=planner))
    _go_on(database, connection, number, planner)
    units.clear(connection, number)
    return True


def _go_on(database: Database, connection: Connection, number: int, planner: str) -> None:
    jobrows.still_open(connection, number, planner)
    until = database.now(connection) + PLAN_S
    connection.execute(update(jobs).where(jobs.c.id == number).values(lease_until=until))


def _slices(specs: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Specs in slices: of so many, or of what was drawn in so many seconds."""
    part: list[Mapping[str, Any]] = []
    began = time.monotonic()
    for spec in specs:
        part.append(spec)
        if len(part) >= SLICE_UNITS or time.monotonic() - began > SLICE_S:
            yield part
            part, began = [], time.monotonic()
    if part:
        yield part
