"""Keys of a running job: of the rows with one key, the first in the plan is stored, whichever unit commits first.

A unit that commits later finds its row set aside; one that stands earlier in the plan takes the key, and the row that
was stored for it becomes a dead letter in the same transaction. The keys of a job are kept until it is done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, and_, delete, select, update

from hashsvc.catalog import bulk, units
from hashsvc.catalog.tables import job_keys, jobs
from hashsvc.catalog.tables import units as unit_rows
from hashsvc.domain.jobs import DeadLetter, twice

if TYPE_CHECKING:
    from hashsvc.catalog.commit import UnitKeys, UnitProgress
    from hashsvc.catalog.database import Database
    from hashsvc.domain import items as nouns

PART = 20_000


def settle(
    database: Database, connection: Connection, progress: UnitProgress, keys: UnitKeys
) -> tuple[set[str], Sequence[nouns.Row]]:
    """Enter the keys of a unit that was just finished, and settle those that other units of its job brought too.

    Nobody else may write to the job's collection in the meantime: its row is locked.

    Returns:
        Keys whose rows must not be stored, because an earlier unit has them; and rows found unchanged that must be
        written after all, because a later unit has put its own in their place.
    """
    if connection.execute(select(jobs.c.units).where(jobs.c.id == progress.job)).scalar_one() < 2:
        return set(), ()
    named = and_(job_keys.c.job == progress.job, database.among(job_keys.c.key, list(keys.rows)))
    held = connection.execute(select(job_keys).where(named)).all()
    late = {other.key for other in held if other.unit < progress.unit}
    beaten = [other for other in held if other.unit > progress.unit]
    back = {other.key for other in beaten if other.stored and other.key in keys.unchanged}
    _enter(database, connection, progress, keys, late=late, back=back)
    if late:
        _set_aside(connection, progress, keys, late)
    if beaten:
        _take(connection, progress.job, beaten)
    if back:
        _move(connection, progress.job, progress.unit, stored=len(back), unchanged=-len(back))
    return late, [keys.unchanged[key] for key in sorted(back)]


def clear(database: Database, job: int) -> None:
    """Forget the keys of a job, part by part: others write in between."""
    some = select(job_keys.c.key).where(job_keys.c.job == job).limit(PART)
    with database.reading() as connection:
        left = connection.execute(some.limit(1)).first() is not None
    while left:
        with database.writing() as connection:
            part = delete(job_keys).where(job_keys.c.job == job, job_keys.c.key.in_(some))
            left = connection.execute(part).rowcount == PART


def _enter(
    database: Database,
    connection: Connection,
    progress: UnitProgress,
    keys: UnitKeys,
    *,
    late: set[str],
    back: set[str],
) -> None:
    """The unit's own keys, but for those an earlier unit has."""
    rows = [
        (progress.job, key, progress.unit, row, key not in keys.unchanged or key in back)
        for key, row in keys.rows.items()
        if key not in late
    ]
    bulk.store_job_keys(database, connection, rows)
    own = and_(unit_rows.c.job == progress.job, unit_rows.c.number == progress.unit)
    connection.execute(update(unit_rows).where(own).values(file=keys.file))


def _set_aside(connection: Connection, progress: UnitProgress, keys: UnitKeys, late: set[str]) -> None:
    """Rows of this unit whose keys an earlier one has."""
    letters = [DeadLetter(keys.file, keys.rows[key], twice(key), key) for key in sorted(late)]
    units.bury(connection, progress.job, progress.unit, letters)
    same = len(late & keys.unchanged.keys())
    _move(connection, progress.job, progress.unit, stored=same - len(late), unchanged=-same, dead=len(late))


def _take(connection: Connection, job: int, beaten: Iterable[Row[Any]]) -> None:
    """Rows of later units, committed before this one, whose keys this one has."""
    rows = sorted(beaten, key=lambda other: (other.unit, other.row))
    stored = Counter(other.unit for other in rows if other.stored)
    every = Counter(other.unit for other in rows)
    named = select(unit_rows.c.number, unit_rows.c.file).where(unit_rows.c.job == job, unit_rows.c.number.in_(every))
    files = {unit.number: unit.file for unit in connection.execute(named)}
    for number, count in every.items():
        mine = [
            DeadLetter(files[number], other.row, twice(other.key), other.key) for other in rows if other.unit == number
        ]
        units.bury(connection, job, number, mine)
        _move(connection, job, number, stored=-stored[number], unchanged=stored[number] - count, dead=count)


def _move(connection: Connection, job: int, unit: int, **by: int) -> None:
    """Change the counts of a unit, and of its job with it."""
    own = and_(unit_rows.c.job == job, unit_rows.c.number == unit)
    for table, where in ((unit_rows, own), (jobs, jobs.c.id == job)):
        values = {name: table.c[name] + count for name, count in by.items()}
        connection.execute(update(table).where(where).values(values))
