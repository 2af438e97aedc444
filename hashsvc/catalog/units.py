"""Queries of the tables of units and dead letters: the resumable parts of a job."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, select, update

from hashsvc.catalog.tables import dead_letters, jobs, units
from hashsvc.domain.jobs import Counts, DeadLetter, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hashsvc.catalog.commit import UnitProgress
    from hashsvc.catalog.database import Database

COUNTS = ("read", "stored", "unchanged", "dead")


def add(connection: Connection, job: int, specs: Iterable[Mapping[str, Any]], first: int = 0) -> int:
    """Number further units of a job from ``first`` on and store them; how many."""
    empty = {"done": False, "worker": "", "lease_until": 0.0, **dict.fromkeys(COUNTS, 0)}
    rows = [{"job": job, "number": number, "spec": dict(spec), **empty} for number, spec in enumerate(specs, first)]
    if rows:
        connection.execute(insert(units), rows)
    return len(rows)


def clear(connection: Connection, job: int) -> None:
    """Delete the units of a job that was not planned to its end."""
    connection.execute(delete(units).where(units.c.job == job))


def waiting(database: Database, connection: Connection, job: int) -> bool:
    """Whether there is a unit to claim."""
    query = select(units.c.number).where(_free(database.now(connection), job)).limit(1)
    return connection.execute(query).first() is not None


def claim(database: Database, connection: Connection, job: int, worker: str, lease_s: float) -> Unit | None:
    """Lease the first unit that is neither done nor leased; None when there is none."""
    now = database.now(connection)
    first = select(units).where(_free(now, job)).order_by(units.c.number).limit(1).with_for_update(skip_locked=True)
    row = connection.execute(first).first()
    if row is None:
        return None
    leased = update(units).where(units.c.job == job, units.c.number == row.number)
    connection.execute(leased.values(worker=worker, lease_until=now + lease_s))
    return replace(_unit(row), worker=worker)


def _free(now: float, job: int) -> ColumnElement[bool]:
    return and_(units.c.job == job, ~units.c.done, units.c.lease_until <= now)


def release(connection: Connection, job: int, worker: str | None = None) -> None:
    """Give every unfinished unit of a job back, at once; with a worker only those it claimed."""
    in_hand = and_(units.c.job == job, ~units.c.done)
    mine = in_hand if worker is None else and_(in_hand, units.c.worker == worker)
    connection.execute(update(units).where(mine).values(worker="", lease_until=0.0))


def finish(connection: Connection, progress: UnitProgress) -> bool:
    """Mark a unit done with its counts and dead letters.

    Returns:
        False, and no change, when it was done already, or was claimed by another worker meanwhile.
    """
    # Job before unit, as a heartbeat does: two transactions that lock in two orders may wait for each other for ever.
    connection.execute(select(jobs.c.id).where(jobs.c.id == progress.job).with_for_update())
    counts = {name: getattr(progress.counts, name) for name in COUNTS}
    own = and_(units.c.job == progress.job, units.c.number == progress.unit, units.c.worker == progress.worker)
    if not connection.execute(update(units).where(own, ~units.c.done).values(done=True, **counts)).rowcount:
        return False
    total = {name: jobs.c[name] + count for name, count in counts.items()}
    connection.execute(update(jobs).where(jobs.c.id == progress.job).values(units_done=jobs.c.units_done + 1, **total))
    bury(connection, progress.job, progress.unit, progress.dead_letters)
    return True


def bury(connection: Connection, job: int, unit: int, letters: Iterable[DeadLetter]) -> None:
    """Store dead letters of one unit."""
    rows = [
        {
            "job": job,
            "unit": unit,
            "source": letter.source,
            "row": letter.row,
            "key": letter.key,
            "reason": letter.reason,
        }
        for letter in letters
    ]
    if rows:
        connection.execute(insert(dead_letters), rows)


def exhume(connection: Connection, job: int) -> int:
    """Delete the dead letters of a job and take them out of its units' counts; how many."""
    counted = select(dead_letters.c.unit, func.count()).where(dead_letters.c.job == job).group_by(dead_letters.c.unit)
    total = 0
    for number, count in connection.execute(counted).all():
        less = {"read": units.c.read - count, "dead": units.c.dead - count}
        connection.execute(update(units).where(units.c.job == job, units.c.number == number).values(less))
        total += count
    connection.execute(delete(dead_letters).where(dead_letters.c.job == job))
    return total


def listed(connection: Connection, job: int) -> list[Unit]:
    """Every unit of a job, in order."""
    query = select(units).where(units.c.job == job).order_by(units.c.number)
    return [_unit(row) for row in connection.execute(query)]


def letters_of(connection: Connection, job: int) -> list[DeadLetter]:
    """Every dead letter of a job, by unit and row."""
    query = select(dead_letters).where(dead_letters.c.job == job)
    ordered = query.order_by(dead_letters.c.unit, dead_letters.c.row, dead_letters.c.id)
    return [_letter(row) for row in connection.execute(ordered)]


def letters_after(connection: Connection, job: int, after: int, limit: int | None) -> list[DeadLetter]:
    """The dead letters of a job behind the one with id ``after``, as they were stored."""
    query = select(dead_letters).where(dead_letters.c.job == job, dead_letters.c.id > after)
    return [_letter(row) for row in connection.execute(query.order_by(dead_letters.c.id).limit(limit))]


def left(connection: Connection, job: int) -> int:
    """Units of a job that are not done."""
    query = select(func.count()).select_from(units).where(units.c.job == job, ~units.c.done)
    return int(connection.execute(query).scalar_one())


def counts_of(row: Row[Any]) -> Counts:
    """The counts of a row of units or jobs."""
    return Counts(row.read, row.stored, row.unchanged, row.dead)


def _letter(row: Row[Any]) -> DeadLetter:
    return DeadLetter(row.source, row.row, row.reason, row.key, row.unit, row.id)


def _unit(row: Row[Any]) -> Unit:
    return Unit(row.job, row.number, row.spec, row.done, counts_of(row), row.worker)
