"""``hashsvc ingest``: files into a collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashsvc.cli import options
from hashsvc.cli.collections import EncoderName, Fields, Index, Keep, parse_fields
from hashsvc.cli.doors import local_store, service
from hashsvc.cli.jobs import dead_letters_table, finished
from hashsvc.cli.screen import facts, progress, show
from hashsvc.cli.streaming import stream_sources
from hashsvc.domain.jobs import Counts, DeadLetter
from hashsvc.domain.kinds import ContentMode, FieldType, IndexKind
from hashsvc.errors import FailedPrecondition, NotFound

if TYPE_CHECKING:
    from hashsvc.app import Store
    from hashsvc.domain.collections import Collection
    from hashsvc.domain.service import Service
    from hashsvc.readers import Columns
    from hashsvc.runners.progress import Progress

SHOWN = 10
Bits = Annotated[int | None, typer.Option("--bits", help="Code length of a new collection of ready codes")]
Limit = Annotated[int | None, typer.Option("--limit", help="Read at most this many rows")]


def register(tree: typer.Typer) -> None:
    """Add the verb to the program."""
    tree.command("ingest")(ingest)


@dataclass(frozen=True, slots=True)
class New:
    """What a collection is made with when it does not exist yet."""

    encoder: str | None = None
    bits: int | None = None
    content: ContentMode = ContentMode.BYTES
    fields: Mapping[str, FieldType] = field(default_factory=dict)
    index: IndexKind | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """What to read: locations as :func:`hashsvc.readers.open_source` takes them, and the columns of tables."""

    sources: Sequence[str]
    key: str | None = None
    content: str | None = None
    metadata: Sequence[str] | None = None
    limit: int | None = None

    def columns(self) -> Columns:
        """The choice of columns."""
        from hashsvc.readers import Columns

        return Columns(self.key, self.content, self.metadata or None)


@dataclass(frozen=True, slots=True)
class Ingested:
    """What came of an ingest: counts of rows, the rows that could not be stored, and the job if there was one."""

    collection: str
    counts: Counts
    dead_letters: Sequence[DeadLetter]
    job: int | None = None


def ingest(
    name: options.CollectionName,
    sources: options.Sources,
    *,
    encoder: EncoderName = None,
    bits: Bits = None,
    key: options.KeyColumn = None,
    content: options.ContentColumn = None,
    metadata: options.MetadataColumns = None,
    limit: Limit = None,
    keep: Keep = ContentMode.BYTES,
    field: Fields = None,
    index: Index = None,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Store the items of files; a collection that does not exist yet is made under --encoder.

    A row that cannot be stored is reported and costs nobody else anything. Running the same command again
    stores only what is new or changed.
    """
    new = New(encoder, bits, keep, parse_fields(field or ()), index)
    rows = Rows(sources, key, content, metadata, limit)
    if server:
        with service(store, server) as door:
            done = _streamed(door, name, rows, new)
    else:
        with local_store(store, create=bits is not None) as held:
            done = ingest_here(held, name, rows, new)
    _show(done, json=json)


def ready(door: Service, name: str, new: New) -> Collection:
    """The collection, made as ``new`` says if it does not exist.

    Raises:
        NotFound: it does not exist and nothing says how to make it.
        FailedPrecondition: it exists under another encoder than the one named.
    """
    try:
        held = door.collection(name)
    except NotFound as error:
        if new.encoder is None and new.bits is None:
            raise NotFound(f"{error.message}; name --encoder to make it", field="collection") from error
        return door.create_collection(
            name,
            encoder=new.encoder,
            bits=new.bits,
            content=new.content,
            fields=new.fields,
            index=new.index or IndexKind.AUTO,
        )
    if new.encoder is not None and held.encoder != door.encoder(new.encoder).label:
        raise FailedPrecondition(
            f"collection {name!r} is under encoder {held.encoder or 'none (ready codes)'}, not {new.encoder}: "
            "leave out --encoder, or ingest into another collection",
            field="--encoder",
        )
    return held


def ingest_here(store: Store, name: str, rows: Rows, new: New) -> Ingested:
    """Run an ingest job in this process, with progress; what ``hashsvc ingest`` and the demo do."""
    collection = ready(store, name, new)
    with progress(f"ingest into {name}") as advance:

        def seen(at: Progress) -> None:
            advance(at.done, at.units, _note(at.counts, at.rate))

        job = store.ingest(collection.name, rows.sources, columns=rows.columns(), limit=rows.limit, progress=seen)
    letters = store.dead_letters(job.id) if job.counts.dead else []
    return Ingested(name, finished(job).counts, letters, job.id)


def _note(counts: Counts, rate: float) -> str:
    dead = f", {counts.dead:,} set aside" if counts.dead else ""
    return f"{counts.stored:,} stored{dead}, {rate:,.0f} rows/s"


def _streamed(door: Service, name: str, rows: Rows, new: New) -> Ingested:
    """Read the sources here and stream their items to the server."""
    from hashsvc.ingest import IngestSpec

    spec = IngestSpec(tuple(rows.sources), rows.columns(), rows.limit)
    sources = spec.open(ready(door, name, new))
    with progress(f"ingest into {name}") as advance:
        stream = stream_sources(door, name, sources, rows.limit, advance)
    return Ingested(name, stream.counts, stream.dead_letters)


def _show(done: Ingested, *, json: bool) -> None:
    counts, letters = done.counts, done.dead_letters
    pairs = [
        ("collection", done.collection),
        ("read", counts.read),
        ("stored", counts.stored),
        ("unchanged", counts.unchanged),
        ("dead letters", counts.dead),
    ]
    shown: list[Any] = [facts(pairs)]
    if letters:
        more = f", the first {SHOWN} of {len(letters):,}" if len(letters) > SHOWN else ""
        shown += [f"Rows that could not be stored{more}:", dead_letters_table(letters[:SHOWN])]
    show(done, *shown, json=json)
