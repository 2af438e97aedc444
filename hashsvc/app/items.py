"""The items of a store: writes through codes, blobs, SQL and the live index; reads from SQL."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from hashsvc import ingest
from hashsvc.app.paging import read_token, write_token
from hashsvc.app.refusing import check_count, checked
from hashsvc.domain.items import Outcome, Row, Written, check_key
from hashsvc.domain.kinds import ContentMode
from hashsvc.domain.service import Page
from hashsvc.errors import FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from hashsvc.app.encoding import LoadedEncoders
    from hashsvc.catalog import Catalog, Commit
    from hashsvc.content import Blobs
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.filters import Node
    from hashsvc.domain.items import Item, StoredItem
    from hashsvc.encoders import Encoder
    from hashsvc.settings import Limits

STREAM_ITEMS = 1_000


class Items:
    """Writes and reads of items by collection; a write is acknowledged after its commit is applied.

    Args:
        applied: brings a commit with the codes of its upserts into the live index.
    """

    def __init__(
        self,
        catalog: Catalog,
        blobs: Blobs,
        loaded: LoadedEncoders,
        limits: Limits,
        applied: Callable[[Collection, Commit, Sequence[bytes]], None],
    ) -> None:
        self._catalog = catalog
        self._blobs = blobs
        self._loaded = loaded
        self._limits = limits
        self._applied = applied

    def upsert(self, collection: Collection, items: Sequence[Item], request_id: str) -> Written:
        """Store all items or none; see :meth:`Service.upsert`."""
        check_count(len(items), "items", self._limits.max_items)
        prepared = self._prepare(collection, items, whole=bool(request_id))
        for position, error in prepared.errors.items():
            raise error.at(f"items[{position}]")
        return self._write(collection, items, prepared, request_id)

    def upsert_stream(self, collection: Collection, items: Iterable[Item]) -> Iterator[Written]:
        """Store what can be stored, one acknowledgement a batch; see :meth:`Service.upsert_stream`."""
        stream = iter(items)
        while batch := list(islice(stream, STREAM_ITEMS)):
            yield self._write(collection, batch, self._prepare(collection, batch), "")

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

    def delete(self, collection: Collection, *, keys: Sequence[str], filter: Node | None, request_id: str) -> Written:
        """See :meth:`Service.delete_items`."""
        if bool(keys) == (filter is not None):
            raise InvalidArgument("give keys or a filter, exactly one of the two", field="keys")
        if filter is not None:
            keys = self._catalog.items.keys(collection, checked(filter))
        _check_keys(keys)
        asked = "" if filter is None else repr(filter)
        commit = self._catalog.items.write(collection, [], keys, request_id=request_id, asked=asked, passing=filter)
        self._applied(collection, commit, [])
        return Written(commit.outcomes, commit.watermark)

    def writing_encoder(self, collection: Collection) -> Encoder | None:
        """The encoder that computes codes for a collection; None for ready codes. The first use is recorded (law 1)."""
        if collection.encoder is None:
            return None
        encoder = self._loaded.get(collection.fingerprint)
        if not collection.path:
            from hashsvc.encoders.path import encoding_path

            self._catalog.collections.update(collection.name, path=encoding_path())
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
        self, collection: Collection, items: Sequence[Item], prepared: ingest.Prepared, request_id: str
    ) -> Written:
        """One transaction, then the live index; acknowledged when this returns."""
        rows = prepared.rows
        commit = self._catalog.items.write(collection, list(rows.values()), request_id=request_id)
        self._applied(collection, commit, [row.code for row in rows.values()])
        outcomes = [Outcome.UNCHANGED] * len(items)
        for position, outcome in zip(rows, commit.outcomes, strict=True):
            outcomes[position] = outcome
        for position in prepared.errors:
            outcomes[position] = Outcome.REFUSED
        return Written(tuple(outcomes), commit.watermark, prepared.errors)


def _check_keys(keys: Sequence[str]) -> None:
    for position, key in enumerate(keys):
        check_key(key, f"keys[{position}]")


def _as_row(item: StoredItem) -> Row:
    return Row(item.key, item.content_hash, item.code, item.metadata, item.reference, item.features)
