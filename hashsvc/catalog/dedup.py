"""Queries of the ledger of dedup: runs, decisions, near misses, and pairs that are no duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from hashsvc.catalog import units
from hashsvc.catalog.collections import held as held_collection
from hashsvc.catalog.tables import (
    collections,
    dedup_decisions,
    dedup_marks,
    dedup_misses,
    dedup_runs,
    jobs,
)
from hashsvc.domain.dedup import Decision, Mode, Pair, Run, RunState, Stage, Verify
from hashsvc.errors import InvalidArgument, NotFound

if TYPE_CHECKING:
    from hashsvc.catalog.commit import UnitProgress
    from hashsvc.catalog.database import Database
    from hashsvc.domain.collections import Collection

ROWS = 5_000
LIVE = tuple(str(state) for state in (RunState.DECIDED, RunState.APPLYING, RunState.APPLIED))
Miss = tuple[int, str, str, int, float]


class Dedup:
    """The dedup runs of a store and what they decided."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # units of a running job

    def finish_unit(self, progress: UnitProgress, following: Sequence[Mapping[str, Any]]) -> bool:
        """Finish a unit; the last open one of its stage adds the units of the next, in the same transaction.

        Returns:
            False, and no change, when it was finished already, or was claimed by another worker meanwhile.
        """
        with self._database.writing() as connection:
            return _finish(connection, progress, following)

    def settle(
        self, run: Run, collection: Collection, rows: Iterable[Decision], misses: Sequence[Miss], last: UnitProgress
    ) -> None:
        """Write a run with all its decisions and finish its last unit, all or nothing; twice is once."""
        with self._database.writing() as connection:
            if not _finish(connection, last, ()):
                return
            for table in (dedup_runs, dedup_decisions, dedup_misses):
                connection.execute(delete(table).where(table.c.job == run.job))
            connection.execute(insert(dedup_runs).values(_columns(run, collection.id)))
            for part in _parts([_decision_row(row) for row in rows]):
                connection.execute(insert(dedup_decisions), part)
            names = ("job", "id", "key", "other", "distance", "score")
            for part in _parts([dict(zip(names, (run.job, *miss), strict=True)) for miss in misses]):
                connection.execute(insert(dedup_misses), part)

    # reading

    def run(self, job: int) -> Run:
        """One run; NotFound."""
        with self._database.reading() as connection:
            return one_run(connection, job)

    def runs(
        self, collection: Collection | None = None, *, before: int | None = None, limit: int | None = None
    ) -> list[Run]:
        """The runs of a collection, or of all, newest first; those of older jobs than ``before``, at most ``limit``."""
        with self._database.reading() as connection:
            query = _runs().limit(limit)
            if before is not None:
                query = query.where(dedup_runs.c.job < before)
            if collection is not None:
                query = query.where(dedup_runs.c.collection == collection.id)
            return [_run(row) for row in connection.execute(query.order_by(dedup_runs.c.job.desc()))]

    def decisions(self, job: int, *, after: int = -1, limit: int = ROWS) -> list[Decision]:
        """At most ``limit`` decisions of a run in order of id, behind ``after``."""
        with self._database.reading() as connection:
            query = select(dedup_decisions).where(dedup_decisions.c.job == job, dedup_decisions.c.id > after)
            return [decision(row) for row in connection.execute(query.order_by(dedup_decisions.c.id).limit(limit))]

    def every_decision(self, job: int) -> Iterator[Decision]:
        """All decisions of a run, in order of id."""
        page = self.decisions(job)
        while page:
            yield from page
            page = self.decisions(job, after=page[-1].id)

    def why(self, collection: Collection, key: str) -> list[Decision]:
        """Every decision about an item, of every run of its collection, newest first."""
        with self._database.reading() as connection:
            mine = select(dedup_runs.c.job).where(dedup_runs.c.collection == collection.id)
            query = select(dedup_decisions).where(dedup_decisions.c.key == key, dedup_decisions.c.job.in_(mine))
            return [decision(row) for row in connection.execute(query.order_by(dedup_decisions.c.job.desc()))]

    def mentions(self, collection: Collection, key: str) -> bool:
        """Whether a run of the collection dropped an item of this key, or another for it."""
        with self._database.reading() as connection:
            mine = select(dedup_runs.c.job).where(dedup_runs.c.collection == collection.id)
            either = or_(dedup_decisions.c.key == key, dedup_decisions.c.witness == key)
            query = select(dedup_decisions.c.job).where(dedup_decisions.c.job.in_(mine), either)
            return connection.execute(query.limit(1)).first() is not None

    def pairs(self, job: int, *, low: float, high: float, threshold: float, limit: int) -> list[Pair]:
        """At most ``limit`` pairs whose score lies in ``low`` to ``high``, in order of score and key.

        Where there are more, those nearest to the threshold: the least of those dropped, the best of those missed.
        """
        with self._database.reading() as connection:
            drops, misses = dedup_decisions, dedup_misses
            near = select(drops.c.key, drops.c.witness, drops.c.distance, drops.c.score).where(
                drops.c.job == job, drops.c.stage == str(Stage.NEAR), drops.c.score.between(low, high)
            )
            missed = select(misses.c.key, misses.c.other, misses.c.distance, misses.c.score).where(
                misses.c.job == job, misses.c.score.between(low, high)
            )
            found = [
                Pair(*row, True) for row in connection.execute(near.order_by(drops.c.score, drops.c.key).limit(limit))
            ]
            ordered = missed.order_by(misses.c.score.desc(), misses.c.key).limit(limit)
            found += [Pair(*row, False) for row in connection.execute(ordered)]
        nearest = sorted(found, key=lambda pair: (abs((pair.score or 0.0) - threshold), pair.left, pair.right))[:limit]
        return sorted(nearest, key=lambda pair: (-(pair.score or 0.0), pair.left, pair.right))

    def dropped(self, collection: Collection) -> dict[int, bytes]:
        """Content hash, by id, of every item that a run which stands has dropped."""
        with self._database.reading() as connection:
            query = (
                select(dedup_decisions.c.id, dedup_decisions.c.content_hash)
                .join(dedup_runs, dedup_runs.c.job == dedup_decisions.c.job)
                .where(dedup_runs.c.collection == collection.id, dedup_runs.c.state.in_(LIVE))
            )
            return {row.id: row.content_hash for row in connection.execute(query)}

    def covered(self, collection: Collection) -> int:
        """Sequence number up to which runs that stand have compared the collection's items with each other."""
        with self._database.reading() as connection:
            query = select(func.max(dedup_runs.c.watermark)).where(
                dedup_runs.c.collection == collection.id,
                dedup_runs.c.state.in_(LIVE),
                dedup_runs.c.mode != str(Mode.AGAINST),
            )
            return int(connection.execute(query).scalar() or 0)

    # marks

    def mark(self, collection: Collection, one: str, other: str) -> bool:
        """Remember that two keys are no duplicates; whether that was new. InvalidArgument when they are one key."""
        if one == other:
            raise InvalidArgument("a mark names two different keys", field="other")
        first, second = sorted((one, other), key=str.encode)
        with self._database.writing() as connection:
            held_collection(connection, collection.id)
            if connection.execute(_mark(collection.id, first, second)).first() is not None:
                return False
            values = {"collection": collection.id, "one": first, "other": second, "created_at": datetime.now(UTC)}
            connection.execute(insert(dedup_marks).values(values))
            return True

    def unmark(self, collection: Collection, one: str, other: str) -> bool:
        """Forget a mark; whether there was one."""
        first, second = sorted((one, other), key=str.encode)
        with self._database.writing() as connection:
            mine = (
                dedup_marks.c.collection == collection.id,
                dedup_marks.c.one == first,
                dedup_marks.c.other == second,
            )
            return connection.execute(delete(dedup_marks).where(*mine)).rowcount > 0

    def marks(self, collection: Collection) -> list[tuple[str, str]]:
        """Every marked pair of keys of a collection."""
        with self._database.reading() as connection:
            query = select(dedup_marks.c.one, dedup_marks.c.other).where(dedup_marks.c.collection == collection.id)
            return [(row.one, row.other) for row in connection.execute(query.order_by(*dedup_marks.primary_key))]


def one_run(connection: Connection, job: int, *, lock: bool = False) -> Run:
    """The run as it stands in the transaction; NotFound."""
    query = _runs().where(dedup_runs.c.job == job) if 0 < job < 2**63 else None
    if query is not None and lock:
        query = query.with_for_update(of=dedup_runs)
    row = None if query is None else connection.execute(query).first()
    if row is None:
        raise NotFound(f"no dedup run {job}: see `hashsvc dedup runs`", field="job")
    return _run(row)


def set_state(connection: Connection, job: int, state: RunState, *, tag: str | None = None) -> None:
    """Move a run to another state."""
    values = {"state": str(state), **({} if tag is None else {"tag": tag})}
    connection.execute(update(dedup_runs).where(dedup_runs.c.job == job).values(values))


def decision(row: Row[Any]) -> Decision:
    """The decision of a row."""
    values = {field.name: getattr(row, field.name) for field in fields(Decision)}
    return Decision(**{**values, "stage": Stage(row.stage)})


def _finish(connection: Connection, progress: UnitProgress, following: Sequence[Mapping[str, Any]]) -> bool:
    if not units.finish(connection, progress):
        return False
    if following and not units.left(connection, progress.job):
        first = connection.execute(select(jobs.c.units).where(jobs.c.id == progress.job)).scalar_one()
        added = units.add(connection, progress.job, following, first=first)
        connection.execute(update(jobs).where(jobs.c.id == progress.job).values(units=first + added))
    return True


def _runs() -> Any:
    named = func.coalesce(collections.c.name, "").label("name")
    return select(dedup_runs, named).join(collections, collections.c.id == dedup_runs.c.collection)


def _run(row: Row[Any]) -> Run:
    return Run(
        job=row.job,
        collection=row.name,
        mode=Mode(row.mode),
        reference=row.reference,
        radius=row.radius,
        verify=Verify(row.verify),
        threshold=row.threshold,
        keep=row.keep,
        encoder=row.encoder,
        watermark=row.watermark,
        items=row.items,
        dropped=row.dropped,
        digest=row.digest,
        state=RunState(row.state),
        created_at=row.created_at,
        summary=row.summary,
        reason=row.reason,
        tag=row.tag,
    )


def _columns(run: Run, collection: int) -> dict[str, Any]:
    values = {field.name: getattr(run, field.name) for field in fields(run)}
    plain = {name: str(values[name]) for name in ("mode", "verify", "state")}
    return {**values, **plain, "collection": collection, "summary": dict(run.summary)}


def _decision_row(row: Decision) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in fields(row)} | {"stage": str(row.stage)}


def _parts(rows: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    for start in range(0, len(rows), ROWS):
        yield rows[start : start + ROWS]


def _mark(collection: int, first: str, second: str) -> Any:
    return select(dedup_marks.c.one).where(
        dedup_marks.c.collection == collection, dedup_marks.c.one == first, dedup_marks.c.other == second
    )
