"""``hashsvc encoders`` (list, show) and ``hashsvc encode``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashsvc.cli import options
from hashsvc.cli.doors import service
from hashsvc.cli.queries import parse_queries
from hashsvc.cli.screen import facts, show, table
from hashsvc.domain.queries import ContentQuery
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from rich.table import Table

    from hashsvc.domain.encoders import EncoderVersion

verbs = typer.Typer(no_args_is_help=True, help="Trained encoders, by name and version.")

Label = Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="An encoder; without a version the newest")]


def register(tree: typer.Typer) -> None:
    """Add the verbs to the program."""
    tree.add_typer(verbs, name="encoders")
    tree.command("encode")(encode)


def described(encoder: EncoderVersion) -> Table:
    """An encoder version as a list of facts."""
    pairs: list[tuple[str, Any]] = [
        ("encoder", encoder.label),
        ("kind", encoder.spec.kind),
        ("bits", encoder.spec.bits),
        ("model", encoder.model),
        ("fingerprint", encoder.spec.fingerprint),
        ("folder", encoder.location),
    ]
    told = [(name, value) for name, value in encoder.report.items() if isinstance(value, str | int | float)]
    return facts([*pairs, *told, *_losses(encoder)])


def _losses(encoder: EncoderVersion) -> list[tuple[str, str]]:
    """The terms of the last pass of each training that told them."""
    return [
        (f"loss of {stage}", ", ".join(f"{name} {value:.2f}" for name, value in terms.items()) + " nats an item")
        for stage, terms in encoder.report.get("loss_nats", {}).items()
    ]


@verbs.command("list")
def list_encoders(*, store: options.Store = None, server: options.Server = None, json: options.Json = False) -> None:
    """Every encoder version."""
    with service(store, server, role="worker") as door:
        held = door.encoders()
    rows = [(e.label, e.spec.kind, e.spec.bits, e.model, e.spec.fingerprint[:12]) for e in held]
    show({"encoders": held}, table(("encoder", "kind", "bits", "model", "fingerprint"), rows), json=json)


@verbs.command("show")
def show_encoder(
    label: Label, *, store: options.Store = None, server: options.Server = None, json: options.Json = False
) -> None:
    """One encoder version with the report of its training."""
    with service(store, server, role="worker") as door:
        held = door.encoder(label)
    show(held, described(held), json=json)


def encode(
    label: Label,
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="Text to encode")] = None,
    *,
    image: Annotated[Path | None, typer.Option("--image", metavar="FILE", help="Picture to encode")] = None,
    vector: Annotated[str | None, typer.Option("--vector", metavar="FILE.npy|1,2,3", help="Vectors to encode")] = None,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """The code of a text, a picture or vectors, in hexadecimal digits."""
    asked = parse_queries(text=text, image=image, vector=vector, code=None, key=None)
    contents = [one.query for one in asked if isinstance(one.query, ContentQuery)]
    with service(store, server, role="worker") as door:
        encoder = door.encoder(label)
        if contents[0].kind is not encoder.spec.kind:
            raise InvalidArgument(
                f"encoder {encoder.label} encodes {encoder.spec.kind}, not {contents[0].kind}", field="TEXT"
            )
        codes = door.encode(encoder.label, [one.content for one in contents])
    digits = [row.tobytes().hex() for row in codes]
    show({"encoder": encoder.label, "bits": encoder.spec.bits, "codes": digits}, *digits, json=json)
