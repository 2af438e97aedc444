"""One write inside a transaction: what is held, what changes, the next sequence numbers, the acknowledgement."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Connection, delete, select

from hashsvc.catalog import attributes, bulk, displaced, keys, requests, units
from hashsvc.catalog.collections import advance, locked
from hashsvc.catalog.commit import UNIT_TAKEN, Commit
from hashsvc.catalog.tables import items
from hashsvc.catalog.values import attribute_keys, read_metadata, write_metadata
from hashsvc.domain import items as nouns
from hashsvc.domain.filters import Node, matches
from hashsvc.domain.items import Outcome
from hashsvc.errors import Aborted, HashsvcError, InvalidArgument, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Collection as Bag

    from hashsvc.catalog.commit import Novelty, UnitProgress
    from hashsvc.catalog.database import Database
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.items import Row
    from hashsvc.domain.kinds import FieldType

# key, content hash, code, metadata text, reference, features
Held = tuple[str, bytes, bytes, str, str | None, bytes | None]
HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Write:
    """One write as its caller asks for it, made ready outside the transaction: writers wait for each other there.

    Args:
        upserts: what each row will be held as.
        ids: the ids of their keys, unless displaced.
        passing: a filter that deleted items must still pass when it is their turn.
        novelty: rows that are left out because they are near what is held.
    """

    collection: Collection
    upserts: Sequence[Held]
    ids: Sequence[int]
    deletes: Sequence[str] = ()
    request_id: str = ""
    digest: bytes = b""
    progress: UnitProgress | None = None
    passing: Node | None = None
    novelty: Novelty | None = None

    @classmethod
    def of(
        cls,
        collection: Collection,
        upserts: Sequence[Row],
        deletes: Sequence[str],
        *,
        request_id: str,
        asked: str,
        progress: UnitProgress | None,
        passing: Node | None = None,
        novelty: Novelty | None = None,
    ) -> Write:
        """The write, checked.

        Raises:
            InvalidArgument: a code or content hash of the wrong length, or an illegal request_id.
        """
        width = collection.bits // 8
        for position, row in enumerate(upserts):
            if len(row.code) != width or len(row.content_hash) != HASH_BYTES:
                raise InvalidArgument(
                    f"codes of collection {collection.name!r} have {width} bytes and content hashes {HASH_BYTES}, "
                    f"not {len(row.code)} and {len(row.content_hash)}",
                    field=f"items[{position}]",
                )
        requests.check_request_id(request_id)
        body = requests.digest(upserts, deletes, asked) if request_id else b""
        if body and novelty is not None:
            body = requests.digest([], [], f"{body.hex()} unless within {novelty.radius}")
        held = [_held_of(row) for row in upserts]
        ids = [nouns.item_id(row.key) for row in upserts]
        return cls(collection, held, ids, deletes, request_id, body, progress, passing, novelty)

    def changed(self, late: Bag[str], back: Sequence[Row]) -> Write:
        """The same without the rows of some keys, and with further rows."""
        rows = [(held, own) for held, own in zip(self.upserts, self.ids, strict=True) if held[0] not in late]
        rows += [(_held_of(row), nouns.item_id(row.key)) for row in back]
        return replace(self, upserts=[held for held, _ in rows], ids=[own for _, own in rows])

    @property
    def size(self) -> int:
        """Rows it may touch."""
        return len(self.upserts) + len(self.deletes)


def _held_of(row: Row) -> Held:
    return row.key, row.content_hash, row.code, write_metadata(row.metadata), row.reference, row.features


@dataclass(slots=True)
class Staged:
    """What the writes of one group change in one collection: filled by reading, then written in one go.

    Args:
        fields: the declared metadata fields.
        before: rows in the database, of the ids that the writes name.
        moved: ids of displaced keys.
        held: whether the database has a row under an id.
        watermark: sequence number so far.
        now: the same rows as they will be.
        stored: sequence number and row of what has to be written.
        deleted: sequence number of what has to be deleted.
    """

    fields: Mapping[str, FieldType]
    before: dict[int, Held]
    moved: dict[str, int]
    held: Callable[[int], bool]
    watermark: int
    now: dict[int, Held]
    newly_moved: dict[str, int] = field(default_factory=dict)
    stored: dict[int, tuple[int, Held]] = field(default_factory=dict)
    deleted: dict[int, int] = field(default_factory=dict)

    def take(self, write: Write) -> Commit:
        """Bring in one write behind those before it: the next sequence numbers are its."""
        start, one = self.watermark, _One()
        known = write.novelty.known if write.novelty else {}
        for position, (row, own) in enumerate(zip(write.upserts, write.ids, strict=True)):
            if position in known:
                one.note(known[position], Outcome.KNOWN)
            else:
                self._upsert(one, self._id(row[0], own), row)
        for key in write.deletes:
            self._delete(one, self._id(key, None), key, write.passing)
        for number, row in one.stored.items():
            self.watermark += 1
            self.deleted.pop(number, None)
            self.stored[number] = (self.watermark, row)
        for number in one.deleted:
            self.watermark += 1
            self.stored.pop(number, None)
            self.deleted[number] = self.watermark
        return Commit(tuple(one.outcomes), np.array(one.ids, np.int64), start, self.watermark)

    def _id(self, key: str, own: int | None) -> int:
        if self.newly_moved and key in self.newly_moved:
            return self.newly_moved[key]
        if self.moved and key in self.moved:
            return self.moved[key]
        return nouns.item_id(key) if own is None else own

    def _upsert(self, one: _One, number: int, new: Held) -> None:
        old = self.now.get(number)
        if old is not None:
            if old == new:
                one.note(number, Outcome.UNCHANGED)
                return
            if old[0] != new[0]:
                self._upsert(one, self._place(new[0]), new)
                return
            one.stored.pop(number, None)
        elif one.deleted:
            one.deleted.pop(number, None)
        self.now[number] = one.stored[number] = new
        one.ids.append(number)
        one.outcomes.append(Outcome.STORED)

    def _delete(self, one: _One, number: int, key: str, passing: Node | None) -> None:
        """Delete what is held under a key, unless it changed since its filter chose it."""
        old = self.now.get(number)
        if old is None or old[0] != key or (passing is not None and not matches(passing, read_metadata(old[3]))):
            one.note(number, Outcome.ABSENT)
            return
        del self.now[number]
        one.stored.pop(number, None)
        self.newly_moved.pop(key, None)
        one.deleted[number] = None
        one.note(number, Outcome.DELETED)

    def _place(self, key: str) -> int:
        """A free id for a key whose own id is another key's."""
        attempt = 1
        while (number := displaced.another_id(key, attempt)) in self.now or self.held(number):
            attempt += 1
        self.newly_moved[key] = number
        return number


@dataclass(slots=True)
class _One:
    """What one write changes."""

    outcomes: list[Outcome] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    stored: dict[int, Held] = field(default_factory=dict)
    deleted: dict[int, None] = field(default_factory=dict)

    def note(self, number: int, outcome: Outcome) -> None:
        self.ids.append(number)
        self.outcomes.append(outcome)


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
