"""Applying a dedup run and undoing it: the rows and the ledger change in one transaction, a batch at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, delete, insert, select, update

from hashsvc.catalog.collections import locked
from hashsvc.catalog.dedup import decision, one_run, set_state
from hashsvc.catalog.tables import collections, dedup_decisions, dedup_removed, dedup_runs, items
from hashsvc.catalog.values import read_metadata
from hashsvc.catalog.write import Write
from hashsvc.catalog.writing import perform
from hashsvc.domain.dedup import Decision, RunState
from hashsvc.domain.items import Row as ItemRow
from hashsvc.errors import FailedPrecondition, HashsvcError

if TYPE_CHECKING:
    from hashsvc.catalog.commit import Commit
    from hashsvc.catalog.database import Database
    from hashsvc.domain.collections import Collection

BATCH = 1_000
CHANGED, GONE, NO_WITNESS = "changed since", "gone already", "its witness is gone, changed or itself dropped"


@dataclass(frozen=True, slots=True)
class Step:
    """What one batch did.

    Args:
        last: id of the last decision looked at; None when there is none left.
        commit: the write, for the live index; None where nothing changed.
        rows: what was stored by it, in its order; deletions come after.
        changed: items deleted, tagged or brought back.
        skipped: items left alone, by reason.
    """

    last: int | None
    commit: Commit | None = None
    rows: Sequence[ItemRow] = ()
    changed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


class Ledger:
    """Moves runs between decided, applied and undone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, job: int, to: RunState, *, tag: str = "", accept: bool = False) -> None:
        """Move a run to APPLYING or UNDOING.

        Raises:
            NotFound: no such run.
            FailedPrecondition: the run is in a state from which that cannot be.
        """
        with self._database.writing() as connection:
            run = one_run(connection, job, lock=True)
            if run.state is RunState.STOPPED and to is RunState.APPLYING and not accept:
                raise FailedPrecondition(
                    f"run {job} stopped: {run.reason}; look at its report, then apply it with --accept, or run again "
                    "with other limits",
                    reason="LIMIT_EXCEEDED",
                )
            if run.state not in _FROM[to]:
                raise FailedPrecondition(
                    f"run {job} is {run.state}: it cannot be {_VERBS[to]}{_ADVICE.get((run.state, to), '')}",
                    reason="RUN_STATE",
                )
            if run.state is RunState.APPLYING and to is RunState.APPLYING and run.tag != tag:
                raise FailedPrecondition(
                    f"run {job} is being applied with tag {run.tag!r}: go on with the same", reason="RUN_STATE"
                )
            set_state(connection, job, to, tag=tag if to is RunState.APPLYING else None)

    def end(self, job: int, state: RunState) -> None:
        """The run has got there."""
        with self._database.writing() as connection:
            set_state(connection, job, state)

    def apply(self, collection: Collection, job: int, after: int) -> Step:
        """Apply the next batch of decisions behind ``after`` that are not applied yet."""
        with self._database.writing() as connection:
            run = one_run(connection, job)
            batch = _batch(connection, job, after, applied=False)
            if not batch:
                return Step(None)
            held = locked(connection, collection.id)
            witnesses = _witness_collection(connection, collection.id, run.reference)
            skipped: Counter[str] = Counter()
            rows = _rows(self._database, connection, collection.id, [one.id for one in batch])
            hashes = _standing(self._database, connection, witnesses, [one.witness_id for one in batch])
            chosen = [one for one in batch if _may_go(one, rows, hashes, skipped)]
            if not chosen:
                return Step(batch[-1].id, skipped=skipped)
            _remember(connection, job, collection.id, [rows[one.id] for one in chosen])
            tagged = [_tagged(rows[one.id], run.tag, one.witness) for one in chosen] if run.tag else []
            deleted = [] if run.tag else [one.key for one in chosen]
            commit = _write(self._database, connection, held, tagged, deleted)
            _flag(self._database, connection, job, chosen, applied=True)
            return Step(batch[-1].id, commit, tagged, len(chosen), skipped)

    def undo(self, collection: Collection, job: int, after: int) -> Step:
        """Put back the next batch of what applying took away."""
        with self._database.writing() as connection:
            run = one_run(connection, job)
            batch = _batch(connection, job, after, applied=True)
            if not batch:
                return Step(None)
            held = locked(connection, collection.id)
            ids = [one.id for one in batch]
            now = _rows(self._database, connection, collection.id, ids)
            query = select(dedup_removed).where(
                dedup_removed.c.job == job, self._database.among(dedup_removed.c.id, ids)
            )
            before = {row.id: row for row in connection.execute(query)}
            skipped: Counter[str] = Counter()
            back = [
                _item(before[one.id])
                for one in batch
                if _may_return(one, before[one.id], now.get(one.id), run.tag, skipped)
            ]
            commit = _write(self._database, connection, held, back, []) if back else None
            _flag(self._database, connection, job, batch, applied=False)
            gone = self._database.among(dedup_removed.c.id, ids)
            connection.execute(delete(dedup_removed).where(dedup_removed.c.job == job, gone))
            return Step(batch[-1].id, commit, back, len(back), skipped)


_FROM = {
    RunState.APPLYING: {RunState.DECIDED, RunState.STOPPED, RunState.APPLYING},
    RunState.UNDOING: {RunState.DECIDED, RunState.STOPPED, RunState.APPLYING, RunState.APPLIED, RunState.UNDOING},
}
_VERBS = {RunState.APPLYING: "applied", RunState.UNDOING: "undone"}
_ADVICE = {
    (RunState.DRY, RunState.APPLYING): "; run again without --dry-run to decide",
    (RunState.APPLIED, RunState.APPLYING): " again; undo it and run again to apply it otherwise",
    (RunState.UNDOING, RunState.APPLYING): "; go on with `hashsvc dedup undo`",
    (RunState.UNDONE, RunState.APPLYING): "; run again to decide anew",
}


def _batch(connection: Connection, job: int, after: int, *, applied: bool) -> list[Decision]:
    mine = select(dedup_decisions).where(dedup_decisions.c.job == job, dedup_decisions.c.id > after)
    query = mine.where(dedup_decisions.c.applied if applied else ~dedup_decisions.c.applied)
    return [decision(row) for row in connection.execute(query.order_by(dedup_decisions.c.id).limit(BATCH))]


def _witness_collection(connection: Connection, own: int, reference: str) -> int:
    if not reference:
        return own
    found = connection.execute(select(collections.c.id).where(collections.c.name == reference)).scalar()
    return -1 if found is None else int(found)


def _rows(database: Database, connection: Connection, collection: int, ids: list[int]) -> dict[int, Any]:
    query = select(items).where(items.c.collection == collection, database.among(items.c.id, ids))
    return {row.id: row for row in connection.execute(query)}


def _standing(database: Database, connection: Connection, collection: int, ids: list[int]) -> dict[int, bytes]:
    """Content hashes of the items that are held and that no run has tagged as dropped."""
    tagged = (
        select(dedup_decisions.c.id)
        .join(dedup_runs, dedup_runs.c.job == dedup_decisions.c.job)
        .where(dedup_runs.c.collection == collection, dedup_runs.c.tag != "", dedup_decisions.c.applied)
        .where(dedup_decisions.c.id == items.c.id, dedup_decisions.c.content_hash == items.c.content_hash)
    )
    query = select(items.c.id, items.c.content_hash).where(
        items.c.collection == collection, database.among(items.c.id, ids), ~tagged.exists()
    )
    return {row.id: row.content_hash for row in connection.execute(query)}


def _may_go(one: Decision, rows: dict[int, Any], hashes: dict[int, bytes], skipped: Counter[str]) -> bool:
    """Whether item and witness are still what was decided on: else the item may be the only copy by now."""
    row = rows.get(one.id)
    if row is None:
        skipped[GONE] += 1
    elif row.key != one.key or row.content_hash != one.content_hash:
        skipped[CHANGED] += 1
    elif hashes.get(one.witness_id) != one.witness_hash:
        skipped[NO_WITNESS] += 1
    else:
        return True
    return False


def _may_return(one: Decision, before: Any, now: Any, tag: str, skipped: Counter[str]) -> bool:
    """Whether nobody wrote the item meanwhile: what is there now is newer than what would be put back."""
    if not tag:
        if now is None:
            return True
        skipped[CHANGED] += 1
        return False
    if now is None:
        skipped[GONE] += 1
        return False
    expected = dict(read_metadata(before.metadata)) | {tag: one.witness}
    if now.content_hash != before.content_hash or dict(read_metadata(now.metadata)) != expected:
        skipped[CHANGED] += 1
        return False
    return True


def _remember(connection: Connection, job: int, collection: int, rows: Sequence[Any]) -> None:
    kept = ("id", "key", "content_hash", "code", "metadata", "reference", "features")
    values = [{"job": job, "collection": collection, **{name: getattr(row, name) for name in kept}} for row in rows]
    connection.execute(insert(dedup_removed), values)


def _item(row: Any) -> ItemRow:
    return ItemRow(row.key, row.content_hash, row.code, read_metadata(row.metadata), row.reference, row.features)


def _tagged(row: Any, tag: str, witness: str) -> ItemRow:
    metadata = dict(read_metadata(row.metadata)) | {tag: witness}
    return ItemRow(row.key, row.content_hash, row.code, metadata, row.reference, row.features)


def _write(
    database: Database, connection: Connection, collection: Collection, rows: Sequence[ItemRow], deletes: Sequence[str]
) -> Commit:
    write = Write.of(collection, rows, deletes, request_id="", asked="", progress=None)
    [done] = perform(database, connection, [write])
    if isinstance(done, HashsvcError):
        raise done
    return done


def _flag(database: Database, connection: Connection, job: int, chosen: Sequence[Decision], *, applied: bool) -> None:
    mine = (dedup_decisions.c.job == job, database.among(dedup_decisions.c.id, [one.id for one in chosen]))
    connection.execute(update(dedup_decisions).where(*mine).values(applied=applied))
