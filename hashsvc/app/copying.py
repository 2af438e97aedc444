"""Bringing what changed in one collection into another, under that one's encoder."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from hashsvc import ingest
from hashsvc.catalog import UNIT_TAKEN, UnitProgress
from hashsvc.domain.items import Item
from hashsvc.domain.jobs import Counts, DeadLetter, Unit
from hashsvc.errors import Aborted, HashsvcError

if TYPE_CHECKING:
    from hashsvc.app.store import Store
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.items import StoredItem

UNIT_CHANGES = 500


class Copy:
    """Brings what changed in one collection into another, its codes computed anew. Doing it again is harmless."""

    def __init__(self, store: Store, source: Collection, target: Collection) -> None:
        self._store = store
        self._source = source
        self._target = target
        self._encoder = store.writing_encoder(target)

    def run_units(self, units: Iterable[Unit], *, stop: threading.Event) -> Iterator[Counts]:
        """Copy unit by unit, each with its own transaction."""
        for unit in units:
            if stop.is_set():
                return
            try:
                yield self._part(int(unit.spec["after"]), unit)[0]
            except Aborted as error:
                if error.reason != UNIT_TAKEN:
                    raise

    def catch_up(self, after: int) -> int:
        """Copy every change behind sequence number ``after``; up to which one everything is copied now."""
        more = True
        while more:
            _, after, more = self._part(after, None)
        return after

    def _part(self, after: int, unit: Unit | None) -> tuple[Counts, int, bool]:
        with self._store.blobs.pinned():
            return self._copied(after, unit)

    def _copied(self, after: int, unit: Unit | None) -> tuple[Counts, int, bool]:
        catalog = self._store.catalog
        changes = catalog.items.changes(self._source, after, UNIT_CHANGES)
        last = int(unit.spec["until"]) if unit else changes.watermark
        found = catalog.items.by_ids(self._source, changes.upsert_ids)
        held = sorted((item for item in found.values() if item.sequence <= last), key=lambda item: item.sequence)
        items, letters = self._read(held)
        prepared = ingest.prepare(
            self._target,
            items,
            catalog.items.held(self._target, [item.key for item in items]),
            encoder=self._encoder,
            blobs=self._store.blobs,
        )
        places = {item.key: item for item in held}
        letters += [self._letter(places[items[i].key], error) for i, error in prepared.errors.items()]
        counts = Counts(len(held), len(prepared.rows), len(prepared.unchanged), len(letters))
        gone = [item.key for item in catalog.items.by_ids(self._target, changes.deleted_ids).values()]
        progress = UnitProgress(unit.job, unit.number, counts, letters, unit.worker) if unit else None
        catalog.items.write(self._target, list(prepared.rows.values()), gone, progress=progress)
        return counts, changes.watermark, changes.more

    def _read(self, held: Iterable[StoredItem]) -> tuple[list[Item], list[DeadLetter]]:
        items, letters = [], []
        for item in held:
            try:
                content = self._store.blobs.get(item.content_hash.hex())
            except HashsvcError as error:
                letters.append(self._letter(item, error))
                continue
            items.append(Item(item.key, content, metadata=item.metadata, reference=item.reference))
        return items, letters

    def _letter(self, item: StoredItem, error: HashsvcError) -> DeadLetter:
        return DeadLetter(self._source.name, item.sequence, error.message, item.key)
