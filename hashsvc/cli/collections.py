"""``hashsvc collections``: list, create, show, update, delete, reencode, switch, export, import."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hashsvc.cli import options
from hashsvc.cli.doors import local_store, service
from hashsvc.cli.jobs import advancing, watched
from hashsvc.cli.screen import facts, progress, show, table
from hashsvc.domain.jobs import JobKind
from hashsvc.domain.kinds import ContentMode, FieldType, IndexKind
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from rich.table import Table

    from hashsvc.domain.collections import Collection

verbs = typer.Typer(no_args_is_help=True, help="Named sets of items under one encoder.")

EncoderName = Annotated[
    str | None, typer.Option("--encoder", metavar="NAME[@VERSION]", help="Encoder of a new collection")
]
Keep = Annotated[ContentMode, typer.Option("--keep", help="What a new collection keeps of an item beside its code")]
Fields = Annotated[
    list[str] | None,
    typer.Option("--field", metavar="NAME:TYPE", help="Declare a metadata field to filter by (string, integer, ...)"),
]
FaissFile = Annotated[Path, typer.Argument(metavar="FILE", help="FAISS binary index")]
Index = Annotated[
    IndexKind | None,
    typer.Option("--index", help="How its codes are searched; device: on HASHSVC_DEVICE where that costs less"),
]


def register(tree: typer.Typer) -> None:
    """Add the verbs to the program."""
    tree.add_typer(verbs, name="collections")


def parse_fields(pairs: Sequence[str]) -> dict[str, FieldType]:
    """Declared fields from ``NAME:TYPE`` pairs."""
    fields: dict[str, FieldType] = {}
    for pair in pairs:
        name, colon, type_name = pair.rpartition(":")
        if not colon or not name or type_name not in set(FieldType):
            raise InvalidArgument(f"{pair!r} is no NAME:TYPE; types are {', '.join(FieldType)}", field="--field")
        fields[name] = FieldType(type_name)
    return fields


def described(collection: Collection) -> Table:
    """A collection as a list of facts."""
    fields = ", ".join(f"{name}:{kind}" for name, kind in collection.fields.items())
    return facts(
        [
            ("collection", collection.name),
            ("items", collection.items),
            ("kind", collection.kind),
            ("bits", collection.bits),
            ("encoder", collection.encoder or "none: ready codes"),
            ("keeps", collection.content),
            ("fields", fields or "none declared"),
            ("index", collection.index),
            ("watermark", collection.watermark),
        ]
    )


@verbs.command("list")
def list_collections(*, store: options.Store = None, server: options.Server = None, json: options.Json = False) -> None:
    """Every collection, by name."""
    with service(store, server, role="worker") as door:
        held = door.collections()
    rows = [(c.name, c.items, c.kind, c.bits, c.encoder or "", c.content, c.index) for c in held]
    columns = ("collection", "items", "kind", "bits", "encoder", "keeps", "index")
    show({"collections": held}, table(columns, rows), json=json)


@verbs.command("show")
def show_collection(
    name: options.CollectionName,
    *,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """One collection, with its counts as of now."""
    with service(store, server, role="worker") as door:
        held = door.collection(name)
    show(held, described(held), json=json)


@verbs.command("create")
def create_collection(
    name: options.CollectionName,
    *,
    encoder: EncoderName = None,
    bits: Annotated[int | None, typer.Option("--bits", help="Code length of a collection of ready codes")] = None,
    keep: Keep = ContentMode.BYTES,
    field: Fields = None,
    index: Index = None,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Create a collection under an encoder, or one of ready codes (--bits)."""
    fields = parse_fields(field or ())
    with service(store, server, create=True) as door:
        made = door.create_collection(
            name, encoder=encoder, bits=bits, content=keep, fields=fields, index=index or IndexKind.AUTO
        )
    show(made, described(made), json=json)


@verbs.command("update")
def update_collection(
    name: options.CollectionName,
    *,
    field: Fields = None,
    index: Index = None,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Replace the declared fields (give all of them), or the index kind."""
    fields = parse_fields(field) if field else None
    if fields is None and index is None:
        raise InvalidArgument("nothing to change: give --field or --index", field="--field")
    with service(store, server) as door:
        held = door.update_collection(name, fields=fields, index=index)
    show(held, described(held), json=json)


@verbs.command("delete")
def delete_collection(
    name: options.CollectionName,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Really delete everything in it")] = False,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Delete a collection and everything in it."""
    if not yes:
        raise InvalidArgument(
            f"this deletes collection {name!r} and everything in it: repeat with --yes", field="--yes"
        )
    with service(store, server) as door:
        door.delete_collection(name)
    show({"deleted": name}, f"deleted {name}", json=json)


@verbs.command("reencode")
def reencode_collection(
    name: options.CollectionName,
    *,
    encoder: Annotated[str, typer.Option("--encoder", metavar="NAME@VERSION", help="Version that makes the new codes")],
    into: Annotated[str, typer.Option("--into", help="Collection that takes them; NAME.ENCODER by default")] = "",
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Re-encode a collection into another one beside it, which `switch` can then put in its place.

    Searches and writes go on meanwhile. With --server a worker does it.
    """
    if server:
        with service(store, server) as door:
            label = door.encoder(encoder).label
            spec = {"collection": name, "encoder": label, **({"into": into} if into else {})}
            job = watched(door, door.create_job(JobKind.REENCODE, spec).id)
    else:
        with local_store(store, role="worker") as held, progress(f"reencode {name}") as advance:
            job = held.reencode(name, encoder, into=into, progress=advancing(advance))
    made = str(job.result["collection"])
    text = (
        f"{job.counts.stored + job.counts.unchanged:,} items of {name} are in {made} under {encoder}, "
        f"{job.counts.dead:,} could not be encoded; put it in place with: hashsvc collections switch {name} {made}"
    )
    show({"job": job.id, **job.result}, text, json=json)


@verbs.command("switch")
def switch_collections(
    name: options.CollectionName,
    other: Annotated[
        str, typer.Argument(metavar="OTHER", help="The collection that takes the name, and gives its own")
    ],
    *,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Exchange the names of two collections in one step, the second first brought up to date; again to roll back."""
    with service(store, server) as door:
        held = door.switch_collection(name, other)
    show(held, described(held), json=json)


@verbs.command("export")
def export(
    name: options.CollectionName, file: FaissFile, *, store: options.Store = None, json: options.Json = False
) -> None:
    """Write a collection's codes as a FAISS file, with the keys of its ids beside it; a server may go on meanwhile."""
    from hashsvc.app.exchange import export_collection

    with local_store(store, role="worker") as held:
        count = export_collection(held, name, file)
    show({"items": count, "file": str(file)}, f"{count:,} items of {name} in {file}", json=json)


@verbs.command("import")
def import_(
    name: options.CollectionName, file: FaissFile, *, store: options.Store = None, json: options.Json = False
) -> None:
    """Store the codes of a FAISS file of your own, each under its id as its key; the collection is made if need be."""
    from hashsvc.app.exchange import import_collection

    with local_store(store, role="worker", create=True) as held:
        count = import_collection(held, name, file)
    show({"items": count, "file": str(file)}, f"{count:,} items of {file} in {name}", json=json)
