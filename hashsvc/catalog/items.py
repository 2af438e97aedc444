"""Queries of the table of items."""

from __future__ import annotations

import builtins
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
from sqlalchemy import Connection, Row, Select, func, select

from hashsvc.catalog import attributes, log
from hashsvc.catalog.collections import held as held_collection
from hashsvc.catalog.conditions import condition, split
from hashsvc.catalog.displaced import id_of, taken
from hashsvc.catalog.tables import items
from hashsvc.catalog.values import read_metadata
from hashsvc.catalog.write import Write
from hashsvc.domain.filters import matches
from hashsvc.domain.items import StoredItem
from hashsvc.errors import InvalidArgument, NotFound

if TYPE_CHECKING:
    from collections.abc import Collection as Bag
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from hashsvc.catalog.commit import Changes, Commit, Novelty, UnitProgress
    from hashsvc.catalog.database import Database
    from hashsvc.catalog.grouping import Writers
    from hashsvc.domain import items as nouns
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.filters import Node

START = -1
ROWS = 5_000


class Items:
    """The items of a store's collections."""

    def __init__(self, database: Database, writers: Writers) -> None:
        self._database = database
        self._writers = writers

    def write(
        self,
        collection: Collection,
        upserts: Sequence[nouns.Row],
        deletes: Sequence[str] = (),
        *,
        request_id: str = "",
        asked: str = "",
        passing: Node | None = None,
        progress: UnitProgress | None = None,
        novelty: Novelty | None = None,
    ) -> Commit:
        """Store and delete items in one durable transaction, all or none.

        Rows that are held already with the same content consume no sequence number. A key given twice counts as two
        writes, one after the other. Many small writes at once share one commit.

        Args:
            collection: as the catalog gave it.
            upserts: rows to store.
            deletes: keys to delete, after the upserts.
            request_id: a repeated one is answered as the first time, and nothing is stored again.
            passing: items to delete must still pass it, in this transaction; those that do not count as absent.
            asked: what the caller asked for, when the rows do not say it (a deletion by filter): a repeated request_id
                must come with the same.
            progress: the unit that these rows finish, in the same transaction.
            novelty: rows left out because they are near what is held; their outcome is KNOWN, their id the witness's.

        Raises:
            InvalidArgument: a code or content hash of the wrong length, or a request_id used for another body.
            NotFound: the collection was deleted.
            Aborted: the collection is not at the watermark of ``novelty`` any more, or was switched with another
                (reason SWITCHED), or the unit of ``progress`` is done or another worker's (UNIT_TAKEN); nothing was
                stored.
            ResourceExhausted: the disk is full; nothing was stored.
            Unavailable: the database went away; repeat with the same request_id.
        """
        return self._writers.submit(
            Write.of(
                collection,
                upserts,
                deletes,
                request_id=request_id,
                asked=asked,
                progress=progress,
                passing=passing,
                novelty=novelty,
            )
        )

    def get(self, collection: Collection, keys: Sequence[str]) -> builtins.list[StoredItem]:
        """The items with these keys, in order; NotFound names the first that is absent."""
        found = self.held(collection, keys)
        for position, key in enumerate(keys):
            if key not in found:
                raise NotFound(f"no item {key!r} in collection {collection.name!r}", field=f"keys[{position}]")
        return [found[key] for key in keys]

    def held(self, collection: Collection, keys: Iterable[str]) -> dict[str, StoredItem]:
        """Those of the items with these keys that are held, by key."""
        wanted = set(keys)
        with self._database.reading() as connection:
            moved = taken(connection, collection.id)
            ids = [id_of(key, moved) for key in wanted]
            return {item.key: item for item in self._by_ids(connection, collection, ids) if item.key in wanted}

    def numbers(self, collection: Collection, keys: Sequence[str]) -> builtins.list[int]:
        """The id of each key: what it is held under, or would be."""
        with self._database.reading() as connection:
            moved = taken(connection, collection.id)
        return [id_of(key, moved) for key in keys]

    def by_ids(self, collection: Collection, ids: Iterable[int] | NDArray[np.int64]) -> dict[int, StoredItem]:
        """The held items among these ids, by id, from one query."""
        wanted = ids.tolist() if isinstance(ids, np.ndarray) else [int(number) for number in ids]
        with self._database.reading() as connection:
            return {item.id: item for item in self._by_ids(connection, collection, wanted)}

    def _by_ids(self, connection: Connection, collection: Collection, ids: Bag[int]) -> Iterator[StoredItem]:
        query = _columns().where(items.c.collection == collection.id, self._database.among(items.c.id, ids))
        return map(_item, connection.execute(query))

    def list(
        self, collection: Collection, *, filter: Node | None = None, limit: int = 100, after_id: int = START
    ) -> builtins.list[StoredItem]:
        """At most ``limit`` items that pass the filter, in order of id, behind ``after_id``."""
        if limit < 1:
            raise InvalidArgument(f"limit must be positive, not {limit}", field="limit")
        query = _columns().where(items.c.id > after_id).order_by(items.c.id)
        with (
            self._database.reading() as connection,
            closing(self._passing(connection, collection, filter, query, limit)) as passing,
        ):
            return [_item(row) for row, _ in zip(passing, range(limit), strict=False)]

    def ids(self, collection: Collection, filter: Node | None = None) -> NDArray[np.int64]:
        """Ids ``int64[n]``, sorted, of the items that pass the filter."""
        return self.passing(collection, filter)[0]

    def passing(self, collection: Collection, filter: Node | None) -> tuple[NDArray[np.int64], int]:
        """Ids ``int64[n]``, sorted, of the items that pass, and a watermark: every write up to it is in the answer."""
        with self._database.reading() as connection:
            current = held_collection(connection, collection.id)
            bare = filter is None or split(filter, current.fields)[1] is None
            query = select(items.c.id) if bare else select(items.c.id, items.c.metadata)
            passing = self._passing(connection, collection, filter, query)
            found = np.fromiter((row[0] for row in passing), np.int64)
        found.sort()
        return found, current.watermark

    def keys(self, collection: Collection, filter: Node | None = None) -> builtins.list[str]:
        """Keys, in order of id, of the items that pass the filter."""
        with self._database.reading() as connection:
            query = select(items.c.id, items.c.key, items.c.metadata).order_by(items.c.id)
            return [row.key for row in self._passing(connection, collection, filter, query)]

    def count(self, collection: Collection, filter: Node | None = None) -> int:
        """How many items pass the filter."""
        with self._database.reading() as connection:
            current = held_collection(connection, collection.id)
            if filter is None:
                return current.items
            if split(filter, current.fields)[1] is None:
                query = select(func.count()).select_from(items).where(items.c.collection == collection.id)
                where = condition(self._database, collection.id, filter)
                return int(connection.execute(query.where(where)).scalar_one())
            rows = self._passing(connection, collection, filter, select(items.c.id, items.c.metadata))
            return sum(1 for _ in rows)

    def hashes(self, collection: Collection, keys: Sequence[str]) -> dict[str, bytes]:
        """Content hashes (32 bytes) of the held items among these keys."""
        return {key: item.content_hash for key, item in self.held(collection, keys).items()}

    def content_hashes(self) -> Iterator[str]:
        """Content hash (hex) of every item of every collection that keeps bytes: the blobs that must stay."""
        return log.content_hashes(self._database)

    def changes(self, collection: Collection, after: int, limit: int) -> Changes:
        """At most ``limit`` changes of the sequence log behind sequence number ``after``; NotFound."""
        with self._database.reading() as connection:
            return log.changes(connection, collection, after, limit)

    def standing(self, collection: Collection, upto: int, count: int) -> Changes:
        """The newest rows up to sequence number ``upto`` that no later write replaced; see :func:`log.standing`."""
        with self._database.reading() as connection:
            return log.standing(connection, collection, upto, count)

    def misfiled(self, collection: Collection, ids: Sequence[int]) -> builtins.list[int]:
        """Which of these items an indexed filter does not find by their metadata; see :func:`attributes.misfiled`."""
        with self._database.reading() as connection:
            return attributes.misfiled(self._database, connection, collection, ids)

    def digest(self, collection: Collection) -> str:
        """sha256 (hex) over key, content hash, code and metadata of every item by id; never sequence or time."""
        with self._database.reading() as connection:
            return log.digest(connection, collection)

    def _passing(
        self,
        connection: Connection,
        collection: Collection,
        filter: Node | None,
        query: Select[Any],
        limit: int | None = None,
    ) -> Generator[Row[Any], None, None]:
        """Rows of ``query`` whose items pass: indexed fields decide in SQL, the others where metadata is read."""
        fields: Mapping[str, Any] = held_collection(connection, collection.id).fields
        ready, rest = split(filter, fields) if filter is not None else (None, None)
        query = query.where(items.c.collection == collection.id)
        if ready is not None:
            query = query.where(condition(self._database, collection.id, ready))
        if rest is None:
            yield from connection.execute(query.limit(limit))
            return
        # Who has enough stops in the middle: the server's cursor must not wait for the garbage collector.
        with connection.execution_options(yield_per=ROWS).execute(query) as found:
            for row in found:
                if matches(rest, read_metadata(row.metadata)):
                    yield row


def _columns() -> Select[Any]:
    return select(
        items.c.id,
        items.c.key,
        items.c.content_hash,
        items.c.code,
        items.c.metadata,
        items.c.sequence,
        items.c.reference,
        items.c.features,
    )


def _item(row: Row[Any]) -> StoredItem:
    number, key, content_hash, code, metadata, sequence, reference, features = tuple(row)
    return StoredItem(number, key, content_hash, code, read_metadata(metadata), sequence, reference, features)
