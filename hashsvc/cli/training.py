"""``hashsvc train``: an encoder of one's own files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashsvc.cli import options
from hashsvc.cli.doors import local_store, service
from hashsvc.cli.encoders import described
from hashsvc.cli.jobs import watched
from hashsvc.cli.screen import progress, show
from hashsvc.domain.jobs import JobKind
from hashsvc.domain.kinds import Kind
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from hashsvc.app import Store
    from hashsvc.domain.encoders import EncoderVersion
    from hashsvc.encoders import Progress


def register(tree: typer.Typer) -> None:
    """Add the verb to the program."""
    tree.command("train")(train)


def train(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the encoder; every training is a new version")],
    sources: options.Sources,
    *,
    kind: Annotated[Kind, typer.Option("--kind", help="What the items are")],
    bits: Annotated[int, typer.Option("--bits", help="Code length")] = 64,
    model: Annotated[str, typer.Option("--model", help="auto keeps the best of the models it tries")] = "auto",
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Of every random choice")] = 0,
    content: options.ContentColumn = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Train on at most this many rows")] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="cpu, or cuda:N; by default what HASHSVC_DEVICE says")
    ] = None,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Train an encoder on files and register it as the next version of its name.

    With --server a worker trains it, and the sources are read where the worker runs.
    """
    if kind is Kind.CODE:
        raise InvalidArgument("ready codes need no encoder: ingest them with --bits", field="--kind")
    asked = Training(name, sources, kind, bits, model, seed, content, limit)
    if server and device:
        raise InvalidArgument("the worker that trains says where, by its HASHSVC_DEVICE", field="--device")
    if server:
        with service(store, server) as door:
            job = watched(door, door.create_job(JobKind.TRAIN, asked.spec()).id)
            encoder = door.encoder(str(job.result["encoder"]))
    else:
        with local_store(store, create=True, role="worker", device=device) as held:
            encoder = train_here(held, asked)
    show(encoder, described(encoder), json=json)


@dataclass(frozen=True, slots=True)
class Training:
    """What to train: see the options of ``hashsvc train``."""

    name: str
    sources: Sequence[str]
    kind: Kind
    bits: int = 64
    model: str = "auto"
    seed: int = 0
    content: str | None = None
    limit: int | None = None

    def spec(self) -> dict[str, Any]:
        """The spec of a train job."""
        columns = {"content": self.content} if self.content else {}
        given = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in {"content", "limit"}}
        return {**given, "columns": columns, **({"limit": self.limit} if self.limit else {})}


def train_here(store: Store, asked: Training) -> EncoderVersion:
    """Train in this process, with progress; what ``hashsvc train`` and the demo do."""
    from hashsvc.readers import Columns

    with progress(f"train {asked.name}") as advance:

        def seen(at: Progress) -> None:
            advance(at.done, at.total, at.stage + _losses(at))

        return store.train(
            asked.name,
            asked.sources,
            kind=asked.kind,
            bits=asked.bits,
            model=asked.model,
            seed=asked.seed,
            columns=Columns(content=asked.content),
            limit=asked.limit,
            progress=seen,
        )


def _losses(at: Progress) -> str:
    if at.loss is None:
        return ""
    terms = ", ".join(f"{name} {value:.2f}" for name, value in at.terms.items())
    return f", loss {at.loss:.2f} ({terms}) nats" if terms else f", loss {at.loss:.4f}"
