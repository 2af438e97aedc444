"""Verifying a store: what it holds against its checksums and its laws, and its indexes against SQL.

Damaged snapshots are set aside; nothing else is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.app.history import missing
from hashsvc.codes import hamming
from hashsvc.domain.items import content_hash
from hashsvc.domain.kinds import ContentMode, Kind
from hashsvc.errors import HashsvcError, NotFound
from hashsvc.index import LiveIndex

if TYPE_CHECKING:
    from hashsvc.app.store import Store
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.items import StoredItem
    from hashsvc.index import View

    OnChecked = Callable[[int, int], None]

PAGE = 500
LOG_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be: where, and what."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at and what was found.

    Args:
        encoders: encoder folders loaded and compared with their golden codes.
        items: items whose row was checked.
        contents: of them, items whose bytes were read and compared with their content hash.
        codes: of them, items whose code was computed again.
        snapshots: snapshots whose files were compared with their checksums.
        findings: empty when all is well.
        digests: sha256 over key, content hash, code and metadata of every item, by collection.
    """

    encoders: int
    items: int
    contents: int
    codes: int
    snapshots: int
    findings: tuple[Finding, ...]
    digests: Mapping[str, str] = field(default_factory=dict)


class _Count:
    """What was looked at so far."""

    def __init__(self) -> None:
        self.encoders = self.items = self.contents = self.codes = self.snapshots = 0
        self.findings: list[Finding] = []

    def found(self, where: str, what: str) -> None:
        self.findings.append(Finding(where, what))


def verify(store: Store, *, on_checked: OnChecked = lambda _done, _total: None) -> Verified:
    """Check every encoder, every item with its bytes, code and indexed metadata, and every index against the catalog.

    Codes are computed again from the bytes that are kept (law 1). On the path that the collection records they are the
    same bit for bit; on another one, bits whose feature lies within the encoder's margin may differ, and are told.

    Args:
        store: the store, in any role.
        on_checked: told how many items of how many are done.
    """
    count = _Count()
    _check_encoders(store, count)
    collections = store.collections()
    total = sum(collection.items for collection in collections)
    for collection in collections:
        index = _index(store, collection, count)
        for page in _pages(store, collection):
            _check_items(store, collection, page, count)
            _check_indexed(collection, page, index, count)
            _check_filed(store, collection, page, count)
            on_checked(count.items, total)
        _check_count(store, collection, index, count)
    digests = {collection.name: store.catalog.items.digest(collection) for collection in collections}
    return Verified(
        count.encoders, count.items, count.contents, count.codes, count.snapshots, tuple(count.findings), digests
    )


def _check_encoders(store: Store, count: _Count) -> None:
    for version in store.encoders():
        try:
            store.loaded.get(version.spec.fingerprint)
        except HashsvcError as error:
            count.found(f"encoder {version.label}", error.message)
        count.encoders += 1


def _pages(store: Store, collection: Collection) -> Iterator[list[StoredItem]]:
    page = store.catalog.items.list(collection, limit=PAGE)
    while page:
        yield page
        page = store.catalog.items.list(collection, limit=PAGE, after_id=page[-1].id)


def _check_items(store: Store, collection: Collection, page: list[StoredItem], count: _Count) -> None:
    held: list[tuple[StoredItem, bytes]] = []
    for item in page:
        if len(item.code) * 8 != collection.bits:
            count.found(_where(collection, item), f"its code has {len(item.code) * 8} bits, not {collection.bits}")
        elif collection.kind is Kind.CODE and item.content_hash != content_hash(item.code):
            count.found(_where(collection, item), "its code does not match its content hash")
        elif collection.content is ContentMode.BYTES and collection.encoder is not None:
            try:
                held.append((item, store.blobs.get(item.content_hash.hex())))
            except HashsvcError as error:
                count.found(_where(collection, item), error.message)
    count.items += len(page)
    count.contents += len(held)
    _check_codes(store, collection, held, count)


def _check_codes(store: Store, collection: Collection, held: list[tuple[StoredItem, bytes]], count: _Count) -> None:
    """Compute codes again; nothing to compare with where the encoder is damaged, which is found with the encoders."""
    try:
        encoder = store.loaded.get(collection.fingerprint) if held else None
    except HashsvcError:
        return
    if encoder is None:
        return
    readable = []
    for item, content in held:
        try:
            readable.append((item, encoder.decode(content)))
        except HashsvcError as error:
            count.found(_where(collection, item), error.message)
    computed = encoder.encode([decoded for _, decoded in readable])
    for code, (item, _) in zip(computed, readable, strict=True):
        away = int(hamming(np.frombuffer(item.code, np.uint8), code))
        if away:
            count.found(
                _where(collection, item),
                f"its code is {away} bits away from what encoder {collection.encoder} makes of its bytes here "
                f"(it was computed on {collection.path or 'an unknown path'})",
            )
    count.codes += len(readable)


def _index(store: Store, collection: Collection, count: _Count) -> View:
    """The index as an owner would open it: the newest sound snapshot, followed to the end of the sequence log."""
    folder = store.layout.snapshots / str(collection.id)
    live = LiveIndex(collection.bits)
    try:
        live = LiveIndex.from_snapshot(folder)
        count.snapshots += 1
    except NotFound:
        pass
    except HashsvcError as error:
        count.found(f"collection {collection.name}, snapshot", error.message)
        count.snapshots += 1
    if live.watermark > store.collection(collection.name).watermark:
        count.found(f"collection {collection.name}, snapshot", "it is ahead of the catalog, which was set back")
        live = LiveIndex(collection.bits)
    more = True
    while more:
        part = store.catalog.items.changes(collection, live.watermark, LOG_ROWS)
        live.apply(part.upsert_ids, part.upsert_codes, part.deleted_ids, part.watermark)
        more = part.more
    return live.view()


def _check_indexed(collection: Collection, page: list[StoredItem], index: View, count: _Count) -> None:
    """Every item that was there when the index was read is in it, under its code."""
    items = [item for item in page if item.sequence <= index.watermark and len(item.code) * 8 == collection.bits]
    codes = np.frombuffer(b"".join(item.code for item in items), np.uint8).reshape(-1, collection.bits // 8)
    lost = missing(index, np.array([item.id for item in items], np.int64), codes)
    for item in items:
        if item.id in lost:
            count.found(_where(collection, item), "the index does not hold it under its code")


def _check_filed(store: Store, collection: Collection, page: list[StoredItem], count: _Count) -> None:
    """Filters find every item by the declared fields of its metadata."""
    if not collection.fields:
        return
    wrong = set(store.catalog.items.misfiled(collection, [item.id for item in page]))
    for item in page:
        if item.id in wrong:
            count.found(_where(collection, item), "filters do not find it by its metadata")


def _check_count(store: Store, collection: Collection, index: View, count: _Count) -> None:
    """The index holds nothing more, unless somebody wrote meanwhile."""
    now = store.collection(collection.name)
    if index.watermark == now.watermark and index.items != now.items:
        count.found(
            f"collection {collection.name}, index",
            f"snapshot and sequence log lead to {index.items:,} items, the catalog counts {now.items:,}",
        )


def _where(collection: Collection, item: StoredItem) -> str:
    return f"collection {collection.name}, item {item.key!r}"
