"""A store's parts in a temporary folder, with a tiny encoder, for the tests of ingest, runners and worker."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from hashsvc.catalog import Catalog, migrate, open_catalog
from hashsvc.content import Blobs
from hashsvc.domain.collections import Collection
from hashsvc.domain.encoders import EncoderVersion
from hashsvc.domain.jobs import Job
from hashsvc.domain.kinds import ContentMode, FieldType, Kind
from hashsvc.encoders import Encoder, fit, load, save
from hashsvc.ingest import Bench, IngestSpec

NOUNS = ("cats", "dogs", "fish", "cars", "trees", "ships", "stars")
COLOURS = ("red", "blue", "green", "black", "white")


def text(number: int) -> str:
    return f"{COLOURS[number % 5]} {NOUNS[number % 7]} and {NOUNS[number // 7 % 7]} number {number % 97} in {number}"


@cache
def tiny_encoder() -> Encoder:
    return fit([text(i).encode() for i in range(200)], kind=Kind.TEXT, bits=32, model="itq").encoder


def write_rows(path: Path, count: int, *, bad: Sequence[int] = (), first: int = 0) -> Path:
    """A .jsonl of texts; the rows in ``bad`` are broken: every other one by its JSON, the rest by an empty text."""
    with path.open("w") as out:
        for i in range(count):
            row = {"id": f"row-{first + i}", "text": "" if i in bad else text(first + i), "part": i % 3}
            out.write("{broken\n" if i in bad and i % 2 else json.dumps(row) + "\n")
    return path


@dataclass(frozen=True)
class Workplace:
    """Catalog, blobs and one collection of texts."""

    folder: Path
    catalog: Catalog
    blobs: Blobs
    collection: Collection

    @property
    def url(self) -> str:
        return database_url(self.folder)

    def bench(self, spec: IngestSpec, collection: Collection | None = None) -> Bench:
        held = collection or self.collection
        encoder = None if held.kind is Kind.CODE else tiny_encoder()
        return Bench(self.catalog, self.blobs, held, encoder, spec.open(held))

    def digest(self) -> str:
        return self.catalog.items.digest(self.collection)

    def counts_add_up(self, job: Job) -> bool:
        units = self.catalog.jobs.units(job)
        totals = [sum(getattr(unit.counts, name) for unit in units) for name in ("read", "stored", "unchanged", "dead")]
        counts = self.catalog.jobs.get(job).counts
        return (
            totals == [counts.read, counts.stored, counts.unchanged, counts.dead]
            and counts.read == counts.stored + counts.unchanged + counts.dead
            and counts.dead == len(self.catalog.jobs.dead_letters(job))
        )


def database_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'catalog.sqlite3'}"


def open_workplace(folder: Path) -> Workplace:
    """The workplace that :func:`workplace` made, from another process."""
    catalog = open_catalog(database_url(folder))
    return Workplace(folder, catalog, Blobs(str(folder / "blobs")), catalog.collections.get("texts"))


@contextmanager
def workplace(folder: Path, content: ContentMode = ContentMode.NONE) -> Iterator[Workplace]:
    encoder = tiny_encoder()
    save(encoder, folder / "encoder")
    migrate(database_url(folder))
    catalog = open_catalog(database_url(folder))
    label = catalog.encoders.register(
        EncoderVersion("tiny", 0, encoder.spec, encoder.model, str(folder / "encoder"), datetime.now(UTC))
    ).label
    catalog.collections.create(
        Collection(
            "texts",
            Kind.TEXT,
            32,
            encoder=label,
            fingerprint=encoder.spec.fingerprint,
            content=content,
            fields={"part": FieldType.INTEGER},
        )
    )
    try:
        yield Workplace(folder, catalog, Blobs(str(folder / "blobs")), catalog.collections.get("texts"))
    finally:
        catalog.close()


def open_bench(folder: Path, spec: dict[str, object]) -> Bench:
    """A bench in another process: everything comes from the folder."""
    place = open_workplace(folder)
    parsed = IngestSpec.of(spec)
    return Bench(place.catalog, place.blobs, place.collection, load(folder / "encoder"), parsed.open(place.collection))
