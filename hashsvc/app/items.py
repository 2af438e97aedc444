"""The items of a store: writes through codes, blobs, SQL and the live index; reads from SQL."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from hashsvc import ingest
from hashsvc.app.gate import Gate
from hashsvc.app.novelty import near_ones
from hashsvc.app.paging import read_token, write_token
from hashsvc.app.refusing import check_count, check_radius, checked
from hashsvc.catalog import Novelty
from hashsvc.domain.items import Outcome, Row, Witness, Written, check_key
from hashsvc.domain.kinds import ContentMode
from hashsvc.domain.service import Page
from hashsvc.errors import Aborted, FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from hashsvc.app.encoding import LoadedEncoders
    from hashsvc.catalog import Catalog, Commit
    from hashsvc.content import Blobs
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.filters import Node
    from hashsvc.domain.items import Item, StoredItem
    from hashsvc.domain.shards import Shard
    from hashsvc.encoders import Encoder
    from hashsvc.index import View
    from hashsvc.settings import Limits

STREAM_ITEMS = 1_000
ATTEMPTS = 16
RETRY_SECONDS = 0.1
SWITCHED = "SWITCHED"


class Items:
    """Writes and reads of items by collection; a write is acknowledged after its commit is applied.

    Args:
        applied: brings a commit with the codes of its upserts into the live index.
        newest: a view of everything that is committed.

    Every write passes ``gate``.
    """

    def __init__(
        self,
        catalog: Catalog,
        blobs: Blobs,
        loaded: LoadedEncoders,
        limits: Limits,
        *,
        applied: Callable[[Collection, Commit, Sequence[bytes]], None],
        newest: Callable[[Collection], View],
    ) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._loaded = loaded
        self._limits = limits
        self._applied = applied
        self._newest = newest
        self.gate = Gate()

    def upsert(
        self, collection: Collection, items: Sequence[Item], request_id: str, novelty: int | None = None
    ) -> Written:
        """Store all items or none; see :meth:`Service.upsert`."""
        check_radius(novelty, collection.bits)
        check_count(len(items), "items", self._limits.max_items)

        def store(current: Collection) -> Written:
            prepared = self._prepare(current, items, whole=bool(request_id))
            for position, error in prepared.errors.items():
                raise error.at(f"items[{position}]")
            return self._write(current, items, prepared, request_id, novelty)

        return self._under_its_name(collection, store)

    def upsert_stream(
        self, collection: Collection, items: Iterable[Item], novelty: int | None = None
    ) -> Iterator[Written]:
        """Store what can be stored, one acknowledgement a batch; see :meth:`Service.upsert_stream`."""
        check_radius(novelty, collection.bits)
        stream = iter(items)
        while batch := list(islice(stream, STREAM_ITEMS)):

            def store(current: Collection, batch: Sequence[Item] = batch) -> Written:
                return self._write(current, batch, self._prepare(current, batch), "", novelty)

            yield self._under_its_name(collection, store)

    def _under_its_name(self, collection: Collection, write: Callable[[Collection], Written]) -> Written:
        """Write to what has the collection's name: when that was switched in the middle, once more."""
        for _ in range(ATTEMPTS):
            try:
                with self.gate.passing(), self._pinned(collection):
                    return write(collection)
            except Aborted as error:
                if error.reason != SWITCHED:
                    raise
            collection = self._catalog.collections.get(collection.name)
        raise Aborted(f"collection {collection.name!r} is switched all the time: try again", retry_after=RETRY_SECONDS)

    def _pinned(self, collection: Collection) -> AbstractContextManager[None]:
        """No blob that a write finds in place, or in a row, is swept before the write is committed."""
        return self._blobs.pinned() if collection.content is ContentMode.BYTES else nullcontext()

    def get(self, collection: Collection, keys: Sequence[str]) -> list[StoredItem]:
        """See :meth:`Service.get_items`."""
        check_count(len(keys), "keys", self._limits.max_page)
        _check_keys(keys)
        return self._catalog.items.get(collection, keys)

    def content(self, collection: Collection, key: str) -> bytes:
        """See :meth:`Service.content`."""
        if collection.content is not ContentMode.BYTES:
            raise FailedPrecondition(
                f"collection {collection.name!r} keeps {collection.content} of its items, not their bytes",
                reason="CONTENT_NOT_KEPT",
            )
        [item] = self._catalog.items.get(collection, [check_key(key)])
        return self._blobs.get(item.content_hash.hex())

    def list(self, collection: Collection, *, filter: Node | None, page_size: int, page_token: str) -> Page:
        """See :meth:`Service.list_items`."""
        check_count(page_size, "page_size", self._limits.max_page)
        listing = f"{collection.id} {filter!r}"
        after = read_token(listing, page_token)
        items = self._catalog.items.list(collection, filter=checked(filter), limit=page_size + 1, after_id=after)
        page = tuple(items[:page_size])
        return Page(page, write_token(listing, page[-1].id) if len(items) > page_size else "")

    def count(self, collection: Collection, filter: Node | None, shard: Shard | None) -> int:
        """How many items pass a filter; of a shard those that are its."""
        if shard is None:
            return self._catalog.items.count(collection, filter)
        if filter is None:
            return self._newest(collection).items
        ids, _ = self._catalog.items.passing(collection, filter)
        return int(shard.holds(ids).sum())

    def delete(self, collection: Collection, *, keys: Sequence[str], filter: Node | None, request_id: str) -> Written:
        """See :meth:`Service.delete_items`."""
        if bool(keys) == (filter is not None):
            raise InvalidArgument("give keys or a filter, exactly one of the two", field="keys")
        asked = "" if filter is None else repr(checked(filter))
        _check_keys(keys)

        def remove(current: Collection) -> Written:
            doomed = keys if filter is None else self._catalog.items.keys(current, filter)
            commit = self._catalog.items.write(current, [], doomed, request_id=request_id, asked=asked, passing=filter)
            self._applied(current, commit, [])
            return Written(commit.outcomes, commit.watermark)

        return self._under_its_name(collection, remove)

    def writing_encoder(self, collection: Collection) -> Encoder | None:
        """The encoder that computes codes for a collection; None for ready codes. The first use is recorded (law 1)."""
        if collection.encoder is None:
            return None
        encoder = self._loaded.get(collection.fingerprint)
        if not collection.path:
            self._catalog.collections.update(collection.name, path=encoder.path)
        return encoder

    def _prepare(self, collection: Collection, items: Sequence[Item], *, whole: bool = False) -> ingest.Prepared:
        """Rows to write; ``whole``: unchanged ones go along, so that the catalog knows a repeated request again."""
        held = self._catalog.items.held(collection, [item.key for item in items])
        encoder = self.writing_encoder(collection)
        prepared = ingest.prepare(collection, items, held, encoder=encoder, blobs=self._blobs)
        if whole:
            prepared.rows |= {position: _as_row(held[items[position].key]) for position in prepared.unchanged}
            prepared.rows = dict(sorted(prepared.rows.items()))
        return prepared

    def _write(
        self,
        collection: Collection,
        items: Sequence[Item],
        prepared: ingest.Prepared,
        request_id: str,
        novelty: int | None = None,
    ) -> Written:
        """One transaction, then the live index; acknowledged when this returns."""
        rows = prepared.rows
        if novelty is not None and rows:
            commit, near = self._write_novel(collection, list(rows.values()), request_id, novelty)
        else:
            commit, near = self._catalog.items.write(collection, list(rows.values()), request_id=request_id), {}
        self._applied(*_stored(collection, commit, [row.code for row in rows.values()]))
        outcomes = [Outcome.UNCHANGED] * len(items)
        for position, outcome in zip(rows, commit.outcomes, strict=True):
            outcomes[position] = outcome
        for position in prepared.errors:
            outcomes[position] = Outcome.REFUSED
        positions = list(rows)
        witnesses = {positions[place]: witness for place, witness in near.items()}
        return Written(tuple(outcomes), commit.watermark, prepared.errors, witnesses)

    def _write_novel(
        self, collection: Collection, rows: Sequence[Row], request_id: str, radius: int
    ) -> tuple[Commit, dict[int, Witness]]:
        """Look, then write if nothing was committed in between; look again if something was."""
        ids = self._catalog.items.numbers(collection, [row.key for row in rows])
        for _ in range(ATTEMPTS):
            view = self._newest(collection)
            near = near_ones(view, rows, ids, radius)
            novelty = Novelty(radius, {place: number for place, (_, number) in near.items()}, view.watermark)
            try:
                commit = self._catalog.items.write(collection, rows, request_id=request_id, novelty=novelty)
            except Aborted as error:
                if error.reason == SWITCHED:
                    raise
                continue
            return commit, self._witnesses(collection, rows, commit)
        raise Aborted(
            f"other writes to collection {collection.name!r} came between {ATTEMPTS} times: try again",
            retry_after=RETRY_SECONDS,
        )

    def _witnesses(self, collection: Collection, rows: Sequence[Row], commit: Commit) -> dict[int, Witness]:
        """The witness of each KNOWN row, by its position; one that was deleted since the first answer is missing."""
        known = [place for place, outcome in enumerate(commit.outcomes) if outcome is Outcome.KNOWN]
        numbers = {place: int(commit.ids[place]) for place in known}
        held = self._catalog.items.by_ids(collection, set(numbers.values()))
        return {
            place: Witness(held[number].key, number, _distance(rows[place].code, held[number].code))
            for place, number in numbers.items()
            if number in held
        }


def _stored(collection: Collection, commit: Commit, codes: Sequence[bytes]) -> tuple[Collection, Commit, list[bytes]]:
    """A commit and its codes without the rows that were not stored."""
    keep = [place for place, outcome in enumerate(commit.outcomes) if outcome is not Outcome.KNOWN]
    if len(keep) == len(commit.outcomes):
        return collection, commit, list(codes)
    outcomes = tuple(commit.outcomes[place] for place in keep)
    return collection, replace(commit, ids=commit.ids[keep], outcomes=outcomes), [codes[place] for place in keep]


def _distance(left: bytes, right: bytes) -> int:
    return (int.from_bytes(left) ^ int.from_bytes(right)).bit_count()


def _check_keys(keys: Sequence[str]) -> None:
    for position, key in enumerate(keys):
        check_key(key, f"keys[{position}]")


def _as_row(item: StoredItem) -> Row:
    return Row(item.key, item.content_hash, item.code, item.metadata, item.reference, item.features)
