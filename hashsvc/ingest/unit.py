"""One unit of an ingest job: read -> check against what is held -> decode and encode -> bytes kept -> one transaction.

Running a unit again is harmless: one that is done is refused; rows that are held already are counted as unchanged and
nothing is written for them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from hashsvc.catalog import UnitKeys, UnitProgress
from hashsvc.domain.collections import Collection
from hashsvc.domain.items import Item
from hashsvc.domain.jobs import Counts, DeadLetter, Unit, twice
from hashsvc.domain.kinds import ContentMode
from hashsvc.errors import Unavailable
from hashsvc.failpoints import reach
from hashsvc.ingest.prepare import Checked, check, decode_each, encode, keep, keep_first
from hashsvc.readers import Source

if TYPE_CHECKING:
    from hashsvc.catalog import Catalog
    from hashsvc.content import Blobs
    from hashsvc.encoders import Encoder
    from hashsvc.encoders.contract import Decoded
    from hashsvc.errors import InvalidContent
    from hashsvc.ingest.prepare import Decode


@dataclass(frozen=True, slots=True)
class Bench:
    """What a unit is worked with: the collaborators of one job.

    Args:
        sources: the job's, in the order of its spec; a unit's spec names one by its position.
        encoder: None for a CODE collection.
        decode: decodes a batch of contents; by default in this process.
    """

    catalog: Catalog
    blobs: Blobs
    collection: Collection
    encoder: Encoder | None
    sources: Sequence[Source]
    decode: Decode | None = None

    def pinned(self) -> AbstractContextManager[None]:
        """No blob that a unit finds in place, or in a row, is swept while the block runs."""
        return self.blobs.pinned() if self.collection.content is ContentMode.BYTES else nullcontext()

    def run_units(self, units: Iterable[Unit], *, stop: threading.Event) -> Iterator[tuple[Unit, Counts]]:
        """Run units as they come; each is given with its counts once it is committed."""
        from hashsvc.ingest.pipeline import run_units  # which works with benches

        return run_units(self, units, decode=self.decode, stop=stop)


@dataclass(slots=True)
class Batch:
    """The rows of a unit between two steps; ``keyed`` where they brought their keys."""

    unit: Unit
    items: list[Item]
    letters: list[DeadLetter]
    checked: Checked | None = None
    decoded: Sequence[Decoded | InvalidContent] = ()
    keyed: bool = False


def run_unit(bench: Bench, unit: Unit) -> Counts:
    """Run one unit to its commit.

    Raises:
        FailedPrecondition: a source changed since the job was planned.
        Unavailable: a source or the database does not answer; the unit may be run again.
        Aborted: the unit is done, or another worker's by now (reason UNIT_TAKEN); nothing was stored.
    """
    with bench.pinned():
        batch = compare(bench, read(bench, unit))
        assert batch.checked is not None
        if batch.checked.contents and bench.encoder is not None:
            batch.decoded = decode_each(bench.encoder, list(batch.checked.contents.values()))
        return store(bench, kept(bench, encoded(bench, batch)))


def read(bench: Bench, unit: Unit) -> Batch:
    """Read the unit's rows."""
    source = bench.sources[int(unit.spec["source"])]
    batch = Batch(unit, [], [])
    taken = frozenset(unit.spec.get("taken", ()))
    try:
        for row in islice(source.read(dict(unit.spec)), unit.spec.get("limit")):
            if isinstance(row, Item) and row.key in taken:
                batch.letters.append(_letter(source, row, unit, twice(row.key)))
            elif isinstance(row, Item):
                batch.items.append(row)
            else:
                batch.letters.append(replace(row, unit=unit.number))
    except OSError as error:
        raise Unavailable(f"{source.location} cannot be read: {error}") from error
    batch.keyed = source.keyed(dict(unit.spec))
    return batch


def compare(bench: Bench, batch: Batch) -> Batch:
    """Check the rows, and set aside those that are held already."""
    held = bench.catalog.items.held(bench.collection, (item.key for item in batch.items))
    batch.checked = check(bench.collection, batch.items, held)
    return batch


def encoded(bench: Bench, batch: Batch) -> Batch:
    """Encode what was decoded."""
    assert batch.checked is not None
    if bench.encoder is not None:
        encode(batch.checked, batch.decoded, bench.encoder)
        batch.decoded = ()
    keep_first(batch.checked.prepared, batch.items)
    return batch


def kept(bench: Bench, batch: Batch) -> Batch:
    """Put the bytes on disk, where the collection keeps them: before the rows that name them."""
    assert batch.checked is not None
    if bench.collection.content is ContentMode.BYTES:
        keep(batch.checked, bench.blobs)
    return batch


def store(bench: Bench, batch: Batch) -> Counts:
    """Put rows, progress and dead letters into one transaction; the bytes are on disk already.

    The counts are the unit's own; rows whose keys another unit of the job has are counted there as dead in the catalog.
    """
    assert batch.checked is not None
    prepared = batch.checked.prepared
    source = bench.sources[int(batch.unit.spec["source"])]
    letters = batch.letters + [
        _letter(source, batch.items[position], batch.unit, error.message) for position, error in prepared.errors.items()
    ]
    counts = Counts(
        read=len(batch.items) + len(batch.letters),
        stored=len(prepared.rows),
        unchanged=len(prepared.unchanged),
        dead=len(letters),
    )
    progress = UnitProgress(
        batch.unit.job, batch.unit.number, counts, tuple(letters), batch.unit.worker, _keys(source, batch)
    )
    reach("ingest.encoded")
    bench.catalog.items.write(bench.collection, list(prepared.rows.values()), progress=progress)
    reach("ingest.unit_done")
    return counts


def _keys(source: Source, batch: Batch) -> UnitKeys | None:
    assert batch.checked is not None
    prepared, items = batch.checked.prepared, batch.items
    good = [items[position] for position in (*prepared.rows, *prepared.unchanged)]
    if not batch.keyed or not good:
        return None
    rows = {item.key: source.place(item)[1] for item in good}
    return UnitKeys(source.place(good[0])[0], rows, {row.key: row for row in prepared.unchanged.values()})


def _letter(source: Source, item: Item, unit: Unit, reason: str) -> DeadLetter:
    where, row = source.place(item)
    return DeadLetter(where, row, reason, item.key, unit.number)
