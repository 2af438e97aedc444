"""One write inside a transaction: what is held, what changes, the next sequence numbers, the acknowledgement."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Connection, delete, select

from hashsvc.catalog import attributes, bulk, displaced, requests, units
from hashsvc.catalog.collections import advance, locked
from hashsvc.catalog.commit import Commit
from hashsvc.catalog.tables import items
from hashsvc.catalog.values import attribute_keys, read_metadata, write_metadata
from hashsvc.domain import items as nouns
from hashsvc.domain.items import Outcome
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hashsvc.catalog.commit import UnitProgress
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
    """

    collection: Collection
    upserts: Sequence[Held]
    ids: Sequence[int]
    deletes: Sequence[str] = ()
    request_id: str = ""
    digest: bytes = b""
    progress: UnitProgress | None = None

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
        held = [(r.key, r.content_hash, r.code, write_metadata(r.metadata), r.reference, r.features) for r in upserts]
        ids = [nouns.item_id(row.key) for row in upserts]
        return cls(collection, held, ids, deletes, request_id, body, progress)

    @property
    def size(self) -> int:
        """Rows it may touch."""
        return len(self.upserts) + len(self.deletes)


@dataclass(slots=True)
class Staged:
    """What a write changes: filled by reading, then written in one go."""

    fields: Mapping[str, FieldType]
    before: dict[int, Held]
    moved: dict[str, int]
    held: Callable[[int], bool]
    now: dict[int, Held] = field(default_factory=dict)
    newly_moved: dict[str, int] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    stored: dict[int, Held] = field(default_factory=dict)
    deleted: dict[int, None] = field(default_factory=dict)

    def upsert(self, number: int, new: Held) -> None:
        """Take in one row."""
        old = self.now.get(number)
        if old is not None:
            if old == new:
                self._note(number, Outcome.UNCHANGED)
                return
            if old[0] != new[0]:
                self.upsert(self._place(new[0]), new)
                return
            self.stored.pop(number, None)
        self.now[number] = self.stored[number] = new
        self.ids.append(number)
        self.outcomes.append(Outcome.STORED)

    def delete(self, number: int, key: str) -> None:
        """Take in one deletion."""
        number = self.newly_moved.get(key, number)
        old = self.now.get(number)
        if old is None or old[0] != key:
            self._note(number, Outcome.ABSENT)
            return
        del self.now[number]
        self.stored.pop(number, None)
        self.newly_moved.pop(key, None)
        self.deleted[number] = None
        self._note(number, Outcome.DELETED)

    def _note(self, number: int, outcome: Outcome) -> None:
        self.ids.append(number)
        self.outcomes.append(outcome)

    def _place(self, key: str) -> int:
        """A free id for a key whose own id is another key's."""
        if key in self.newly_moved:
            return self.newly_moved[key]
        attempt = 1
        while (number := displaced.another_id(key, attempt)) in self.now or self.held(number):
            attempt += 1
        self.newly_moved[key] = number
        return number


def perform(database: Database, connection: Connection, write: Write) -> Commit:
    """Do one write in the open transaction; nothing was changed when it raises an error of its own.

    Raises:
        NotFound: the collection was deleted.
        InvalidArgument: the request_id was used for another body.
    """
    collection = locked(connection, write.collection.id)
    if write.request_id:
        known = requests.recall(connection, collection.id, write.request_id, write.digest)
        if known is not None:
            return known
    staged = _stage(database, connection, collection, write)
    commit = _store(database, connection, collection, staged)
    if write.request_id:
        requests.remember(connection, collection.id, write.request_id, write.digest, commit)
    if write.progress is not None:
        units.finish(connection, write.progress)
    return commit


def _stage(database: Database, connection: Connection, collection: Collection, write: Write) -> Staged:
    moved = displaced.taken(connection, collection.id)
    wanted = [moved.get(row[0], number) for number, row in zip(write.ids, write.upserts, strict=True)]
    unwanted = [displaced.id_of(key, moved) for key in write.deletes]
    held = _held(database, connection, collection, {*wanted, *unwanted})
    taken = partial(_is_held, connection, collection)
    staged = Staged(collection.fields, held, moved, taken, dict(held))
    for number, row in zip(wanted, write.upserts, strict=True):
        staged.upsert(number, row)
    for number, key in zip(unwanted, write.deletes, strict=True):
        staged.delete(number, key)
    return staged


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


def _store(database: Database, connection: Connection, collection: Collection, staged: Staged) -> Commit:
    before = collection.watermark
    watermark = before + len(staged.stored) + len(staged.deleted)
    commit = Commit(tuple(staged.outcomes), np.array(staged.ids, np.int64), before, watermark)
    if watermark == before:
        return commit
    _move_attributes(database, connection, collection, staged)
    if staged.stored:
        numbered = enumerate(staged.stored.items(), before + 1)
        rows = [(collection.id, number, h[0], h[1], h[2], h[3], at, h[4], h[5]) for at, (number, h) in numbered]
        bulk.store_items(database, connection, rows)
    if staged.deleted:
        _bury(database, connection, collection.id, staged, before + len(staged.stored) + 1)
    if staged.newly_moved:
        displaced.displace(connection, collection.id, staged.newly_moved)
    added = sum(number not in staged.before for number in staged.stored)
    removed = sum(number in staged.before for number in staged.deleted)
    advance(connection, collection, watermark, collection.items + added - removed)
    return commit


def _move_attributes(database: Database, connection: Connection, collection: Collection, staged: Staged) -> None:
    if not staged.fields:
        return
    old: set[tuple[str, str, int]] = set()
    new: set[tuple[str, str, int]] = set()
    for number in (*staged.stored, *staged.deleted):
        if number in staged.before:
            old |= _entries(staged, number, staged.before[number])
        if number in staged.stored:
            new |= _entries(staged, number, staged.stored[number])
    attributes.remove(connection, collection.id, old - new)
    bulk.store_attributes(database, connection, [(collection.id, *entry) for entry in new - old])


def _entries(staged: Staged, number: int, held: Held) -> set[tuple[str, str, int]]:
    return {(name, key, number) for name, key in attribute_keys(read_metadata(held[3]), staged.fields)}


def _bury(database: Database, connection: Connection, collection: int, staged: Staged, sequence: int) -> None:
    gone = database.among(items.c.id, list(staged.deleted))
    connection.execute(delete(items).where(items.c.collection == collection, gone))
    bulk.store_tombstones(
        database, connection, [(collection, number, sequence + i) for i, number in enumerate(staged.deleted)]
    )
    keys = {staged.before[number][0] for number in staged.deleted if number in staged.before}
    displaced.forget(connection, collection, keys & staged.moved.keys())
