"""Writes inside a transaction: what is held, what changes, the rows of all of them in one go, the acknowledgements."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, select

from hashsvc.catalog import attributes, bulk, displaced, keys, requests, units
from hashsvc.catalog.collections import advance, locked
from hashsvc.catalog.commit import UNIT_TAKEN
from hashsvc.catalog.staging import Staged
from hashsvc.catalog.tables import items
from hashsvc.catalog.values import attribute_keys, read_metadata
from hashsvc.catalog.write import Write
from hashsvc.domain import items as nouns
from hashsvc.errors import Aborted, HashsvcError, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hashsvc.catalog.commit import Commit
    from hashsvc.catalog.database import Database
    from hashsvc.catalog.write import Held
    from hashsvc.domain.collections import Collection


def perform(database: Database, connection: Connection, writes: Sequence[Write]) -> list[Commit | HashsvcError]:
    """Do writes in the open transaction, one behind the other; many small ones cost little more than one.

    Returns:
        The acknowledgement of each, or its error: NotFound when the collection was deleted, InvalidArgument when its
        request_id was used for another body. Such a write changed nothing.
    """
    answers: dict[int, Commit | HashsvcError] = {}
    for number in sorted({write.collection.id for write in writes}):
        places = [place for place, write in enumerate(writes) if write.collection.id == number]
        mine = [writes[place] for place in places]
        try:
            collection = locked(connection, number)
            done = _perform(database, connection, collection, mine)
        except NotFound as error:
            done = [error] * len(mine)
        answers |= dict(zip(places, done, strict=True))
    return [answers[place] for place in range(len(writes))]


def _perform(
    database: Database, connection: Connection, collection: Collection, writes: Sequence[Write]
) -> list[Commit | HashsvcError]:
    known = requests.recall(database, connection, collection.id, [write.request_id for write in writes])
    new = {
        place: _admitted(database, connection, collection, write)
        for place, write in enumerate(writes)
        if write.request_id not in known
    }
    admitted = [write for write in new.values() if isinstance(write, Write)]
    staged = _stage(database, connection, collection, admitted)
    answers: list[Commit | HashsvcError] = []
    fresh: list[tuple[str, bytes, Commit]] = []
    for place, asked in enumerate(writes):
        if asked.request_id in known:
            answers.append(requests.again(known[asked.request_id], asked.request_id, asked.digest))
            continue
        write = new[place]
        if isinstance(write, HashsvcError):
            answers.append(write)
            continue
        if write.novelty is not None and write.novelty.watermark != staged.watermark:
            answers.append(Aborted("the collection changed while the items were compared with it: try again"))
            continue
        commit = staged.take(write)
        answers.append(commit)
        if write.request_id:
            known[write.request_id] = (write.digest, commit)
            fresh.append((write.request_id, write.digest, commit))
    _store(database, connection, collection, staged)
    requests.remember(connection, collection.id, fresh)
    return answers


def _admitted(database: Database, connection: Connection, collection: Collection, write: Write) -> Write | HashsvcError:
    """The write as it has to be done, its unit finished; or why it is not done at all."""
    if write.collection.name != collection.name:
        return Aborted(f"collection {write.collection.name!r} was switched meanwhile: try again", reason="SWITCHED")
    progress = write.progress
    if progress is None:
        return write
    if not units.finish(connection, progress):
        line = f"unit {progress.unit} of job {progress.job} is done, or another worker's by now"
        return Aborted(line, reason=UNIT_TAKEN)
    if progress.keys is None:
        return write
    late, back = keys.settle(database, connection, progress, progress.keys)
    return write.changed(late, back) if late or back else write


def _stage(database: Database, connection: Connection, collection: Collection, writes: Sequence[Write]) -> Staged:
    moved = displaced.taken(connection, collection.id)
    wanted = {number for write in writes for number in write.ids}
    wanted.update(nouns.item_id(key) for write in writes for key in write.deletes)
    if moved:
        keys = {key for write in writes for key in (*write.deletes, *(row[0] for row in write.upserts))}
        wanted.update(moved[key] for key in keys & moved.keys())
    held = _held(database, connection, collection, wanted) if wanted else {}
    taken = partial(_is_held, connection, collection)
    return Staged(collection.fields, held, moved, taken, collection.watermark, dict(held))


def _held(database: Database, connection: Connection, collection: Collection, ids: set[int]) -> dict[int, Held]:
    columns = (
        items.c.id,
        items.c.key,
        items.c.content_hash,
        items.c.code,
        items.c.metadata,
        items.c.reference,
        items.c.features,
    )
    query = select(*columns).where(items.c.collection == collection.id, database.among(items.c.id, ids))
    return {row[0]: tuple(row[1:]) for row in connection.execute(query)}


def _is_held(connection: Connection, collection: Collection, number: int) -> bool:
    query = select(items.c.id).where(items.c.collection == collection.id, items.c.id == number)
    return connection.execute(query).first() is not None


def _store(database: Database, connection: Connection, collection: Collection, staged: Staged) -> None:
    if staged.watermark == collection.watermark:
        return
    _move_attributes(database, connection, collection, staged)
    if staged.stored:
        numbered = staged.stored.items()
        rows = [(collection.id, number, h[0], h[1], h[2], h[3], at, h[4], h[5]) for number, (at, h) in numbered]
        bulk.store_items(database, connection, rows)
    if staged.deleted:
        _bury(database, connection, collection.id, staged)
    if staged.newly_moved:
        displaced.displace(connection, collection.id, staged.newly_moved)
    added = sum(number not in staged.before for number in staged.stored)
    removed = sum(number in staged.before for number in staged.deleted)
    advance(connection, collection, staged.watermark, collection.items + added - removed)


def _move_attributes(database: Database, connection: Connection, collection: Collection, staged: Staged) -> None:
    if not staged.fields:
        return
    old: set[tuple[str, str, int]] = set()
    new: set[tuple[str, str, int]] = set()
    for number in (*staged.stored, *staged.deleted):
        if number in staged.before:
            old |= _entries(staged, number, staged.before[number])
        if number in staged.stored:
            new |= _entries(staged, number, staged.stored[number][1])
    attributes.remove(connection, collection.id, old - new)
    bulk.store_attributes(database, connection, [(collection.id, *entry) for entry in new - old])


def _entries(staged: Staged, number: int, held: Held) -> set[tuple[str, str, int]]:
    return {(name, key, number) for name, key in attribute_keys(read_metadata(held[3]), staged.fields)}


def _bury(database: Database, connection: Connection, collection: int, staged: Staged) -> None:
    gone = database.among(items.c.id, list(staged.deleted))
    connection.execute(delete(items).where(items.c.collection == collection, gone))
    rows = [(collection, number, sequence) for number, sequence in staged.deleted.items()]
    bulk.store_tombstones(database, connection, rows)
    keys = {staged.before[number][0] for number in staged.deleted if number in staged.before}
    displaced.forget(connection, collection, keys & staged.moved.keys())
