"""``hashsvc ingest``: files into a collection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashsvc.cli import options
from hashsvc.cli.collections import EncoderName, Fields, Index, parse_fields
from hashsvc.cli.doors import local_store, service
from hashsvc.cli.hands import Cpus, Gpus, Helpers, Processes, RayAddress, RunnerName, hands_of
from hashsvc.cli.jobs import Ingested, advancing, finished, show_ingested
from hashsvc.cli.screen import facts, progress, show, table
from hashsvc.cli.streaming import stream_sources
from hashsvc.cli.target import New, proposed, ready
from hashsvc.domain.items import Item
from hashsvc.domain.jobs import DeadLetter
from hashsvc.domain.kinds import ContentMode
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from hashsvc.app import Store
    from hashsvc.app.running import Hands
    from hashsvc.domain.service import Service
    from hashsvc.ingest import IngestSpec, Preview
    from hashsvc.readers import Columns

CUT = 60
Bits = Annotated[int | None, typer.Option("--bits", help="Code length of a new collection of ready codes")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Read at most this many rows")]
Keep = Annotated[
    ContentMode | None, typer.Option("--keep", help="What a new collection keeps of an item; by default its bytes")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Look at the sources, say what would be done, and store nothing")
]


def register(tree: typer.Typer) -> None:
    """Add the verb to the program."""
    tree.command("ingest")(ingest)


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

    def spec(self) -> IngestSpec:
        """What an ingest job of these rows is asked."""
        from hashsvc.ingest import IngestSpec

        return IngestSpec(tuple(self.sources), self.columns(), self.limit)


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
    keep: Keep = None,
    field: Fields = None,
    index: Index = None,
    dry_run: DryRun = False,
    runner: RunnerName = None,
    processes: Processes = 1,
    helpers: Helpers = 0,
    ray_address: RayAddress = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Store the items of files; a collection that does not exist yet is made under --encoder.

    A row that cannot be stored is reported and costs nobody else anything. Running the same command again
    goes on where it was stopped; once the job is done, a new one reads everything again and stores what is new or
    changed.
    """
    new = New(encoder, bits, keep, parse_fields(field or ()), index)
    rows = Rows(sources, key, content, metadata, limit)
    if server and (runner or processes > 1 or helpers or ray_address):
        raise InvalidArgument(
            "who runs the units is chosen without --server: with it, files are streamed", field="--server"
        )
    if dry_run:
        with service(store, server, role="worker") as door:
            _show_preview(name, _previewed(door, name, rows, new), json=json)
    elif server:
        with service(store, server) as door:
            show_ingested(_streamed(door, name, rows, new), json=json)
    else:
        hands = hands_of(runner, processes, helpers, ray_address, cpus=cpus, gpus=gpus)
        with local_store(store, create=bits is not None) as held:
            show_ingested(ingest_here(held, name, rows, new, hands), json=json)


def ingest_here(store: Store, name: str, rows: Rows, new: New, hands: Hands | None = None) -> Ingested:
    """Run an ingest job from this process, with progress; what ``hashsvc ingest`` and the demo do."""
    collection = ready(store, name, new, rows.spec())
    with progress(f"ingest into {name}") as advance:
        job = store.ingest(
            collection.name,
            rows.sources,
            columns=rows.columns(),
            limit=rows.limit,
            hands=hands,
            progress=advancing(advance),
        )
    letters = store.dead_letters(job.id) if job.counts.dead else []
    return Ingested(name, finished(job).counts, letters, job.id)


def _streamed(door: Service, name: str, rows: Rows, new: New) -> Ingested:
    """Read the sources here and stream their items to the server."""
    spec = rows.spec()
    sources = spec.open(ready(door, name, new, spec))
    with progress(f"ingest into {name}") as advance:
        stream = stream_sources(door, name, sources, rows.limit, advance)
    return Ingested(name, stream.counts, stream.dead_letters)


def _previewed(door: Service, name: str, rows: Rows, new: New) -> Preview:
    from hashsvc.ingest import preview

    return preview(proposed(door, name, new), rows.spec())


def _show_preview(name: str, seen: Preview, *, json: bool) -> None:
    pairs = [("collection", name), ("units", seen.units), ("stored", "nothing: this is a dry run")]
    described = [_described(row) for row in seen.rows]
    shown = table(("key", "content", "metadata"), [tuple(row.values()) for row in described], title="First rows:")
    show({"collection": name, "units": seen.units, "rows": described}, facts(pairs), shown, json=json)


def _described(row: Item | DeadLetter) -> dict[str, Any]:
    """A row as a person reads it: the start of its content, or why there is none."""
    if isinstance(row, DeadLetter):
        return {"key": row.key or f"{row.source}#{row.row}", "content": f"dead letter: {row.reason}", "metadata": ""}
    content = row.content if row.content is not None else (row.code or b"")
    try:
        text = " ".join(content.decode().split()) if row.code is None else content.hex()
        start = text if len(text) <= CUT else f"{text[:CUT]}..."
    except UnicodeDecodeError:
        start = f"{len(content):,} bytes"
    return {"key": row.key, "content": start, "metadata": ", ".join(f"{k}={v}" for k, v in row.metadata.items())}
