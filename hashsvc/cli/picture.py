"""``hashsvc picture``: what an encoder with a decoder knows, as a PNG a person can look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hashsvc.cli import options
from hashsvc.cli.doors import local_store
from hashsvc.cli.screen import facts, show
from hashsvc.domain.items import Item
from hashsvc.domain.kinds import Kind
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from hashsvc.encoders import Decoded, Encoder

    Row = tuple[str, NDArray[np.uint8]]

verbs = typer.Typer(no_args_is_help=True, help="Look at what an encoder with a decoder has learned.")

Label = Annotated[str, typer.Argument(metavar="ENCODER", help="NAME or NAME@VERSION of an encoder with a decoder")]
Out = Annotated[Path, typer.Option("--out", metavar="FILE.png", help="Where the picture is written")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Of every random choice")]
Count = Annotated[int, typer.Option("--count", min=1, max=100, help="Items shown")]
SIDE_BY_SIDE = 10


def register(tree: typer.Typer) -> None:
    """Add the verbs to the program."""
    tree.add_typer(verbs, name="picture")


@dataclass(frozen=True, slots=True)
class Looked:
    """An encoder as loaded, and items it has decoded with the group each belongs to."""

    encoder: Encoder
    items: Sequence[Decoded]
    groups: Sequence[str]


@verbs.command("reconstruct")
def reconstruct(
    label: Label,
    sources: options.Sources,
    *,
    out: Out,
    count: Count = SIDE_BY_SIDE,
    seed: Seed = 0,
    content: options.ContentColumn = None,
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """Items beside what is rebuilt from their latents."""
    with looking(label, store, sources, count, content, seed=seed) as at:
        from hashsvc.encoders.generation import looking as free

        rows = [
            ("items", free.pictures_of(at.encoder, free.shown(at.encoder, at.items))),
            ("rebuilt", free.pictures_of(at.encoder, free.reconstruct(at.encoder, at.items))),
        ]
    _write(rows, out, json=json)


@verbs.command("generate")
def generate(
    label: Label,
    *,
    out: Out,
    count: Count = 40,
    seed: Seed = 0,
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """New items, from latents drawn as they come."""
    with looking(label, store) as at:
        from hashsvc.encoders.generation import looking as free

        drawn = free.pictures_of(at.encoder, free.generate(at.encoder, count, seed=seed))
    lines = range(0, count, SIDE_BY_SIDE)
    _write([(f"drawn, seed {seed}" if not s else "", drawn[s : s + SIDE_BY_SIDE]) for s in lines], out, json=json)


@verbs.command("interpolate")
def interpolate(
    label: Label,
    sources: options.Sources,
    *,
    out: Out,
    count: Annotated[int, typer.Option("--count", min=1, max=50, help="Pairs of items, one a line")] = 4,
    steps: Annotated[int, typer.Option("--steps", min=2, max=50, help="Items on a path")] = SIDE_BY_SIDE,
    seed: Seed = 0,
    content: options.ContentColumn = None,
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """The path between two items through the latents: item after item, no mixture of pixels."""
    with looking(label, store, sources, 2 * count, content, seed=seed) as at:
        from hashsvc.encoders.generation import looking as free

        if len(at.items) < 2:
            raise InvalidArgument("a path needs two items: name sources that hold more", field="SOURCE")
        pairs = zip(at.items[::2], at.items[1::2], strict=False)
        paths = [free.pictures_of(at.encoder, free.interpolate(at.encoder, a, b, steps)) for a, b in pairs]
    _write([(f"path {place + 1}", path) for place, path in enumerate(paths)], out, json=json)


@verbs.command("denoise")
def denoise(
    label: Label,
    sources: options.Sources,
    *,
    out: Out,
    spread: Annotated[float, typer.Option("--spread", min=0.0, help="Spread of the noise; pixels lie in 0..1")] = 0.5,
    count: Count = SIDE_BY_SIDE,
    seed: Seed = 0,
    content: options.ContentColumn = None,
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """Items, the same under noise, and what the encoder leads them back to."""
    with looking(label, store, sources, count, content, seed=seed) as at:
        from hashsvc.encoders.generation import looking as free

        items = free.shown(at.encoder, at.items)
        damaged = free.noisy(items, spread, seed=seed)
        made = {"items": items, f"under noise of {spread:g}": damaged, "denoised": free.denoise(at.encoder, damaged)}
        rows = [(caption, free.pictures_of(at.encoder, values)) for caption, values in made.items()]
    _write(rows, out, json=json)


@verbs.command("inpaint")
def inpaint(
    label: Label,
    sources: options.Sources,
    *,
    out: Out,
    hole: Annotated[
        str, typer.Option("--hole", metavar="TOP,LEFT,HEIGHT,WIDTH", help="The hole, in the encoder's pixels")
    ],
    count: Count = SIDE_BY_SIDE,
    seed: Seed = 0,
    content: options.ContentColumn = None,
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """Pictures, the same with a hole, and the hole filled in."""
    with looking(label, store, sources, count, content, seed=seed) as at:
        from hashsvc.encoders.generation import looking as free

        place = _hole(hole)
        items = free.shown(at.encoder, at.items)
        made = {"pictures": items, "cut": free.cut(items, place), "filled in": free.inpaint(at.encoder, items, place)}
        rows = [(caption, free.pictures_of(at.encoder, values)) for caption, values in made.items()]
    _write(rows, out, json=json)


@verbs.command("map")
def latent_map(
    label: Label,
    sources: options.Sources,
    *,
    out: Out,
    by: Annotated[
        str | None, typer.Option("--by", metavar="FIELD", help="Metadata field that colours; by default the folder")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=3, help="Items shown")] = 5_000,
    seed: Seed = 0,
    content: options.ContentColumn = None,
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """Every item as a dot where its latent lies, in the latents' two strongest directions."""
    with looking(label, store, sources, count, content, by=by, seed=seed) as at:
        from hashsvc.encoders.generation import looking as free
        from hashsvc.report.sheet import scatter

        points = free.latent_map(at.encoder, at.items)
    scatter(points, at.groups, out, title=label)
    show({"picture": str(out), "items": len(points)}, facts([("picture", out), ("items", len(points))]), json=json)


@contextmanager
def looking(
    label: str,
    store: str | None,
    sources: Sequence[str] = (),
    count: int = 0,
    content: str | None = None,
    *,
    by: str | None = None,
    seed: int = 0,
) -> Iterator[Looked]:
    """The encoder and ``count`` items of the sources, drawn by the seed.

    Raises:
        FailedPrecondition: the encoder keeps no decoder.
        InvalidArgument: the sources hold nothing that can be read.
    """
    with local_store(store, role="worker") as held:
        version = held.encoder(label)
        from hashsvc.encoders import load
        from hashsvc.encoders.generation.looking import decoder_of

        encoder, _ = decoder_of(load(held.folders.path(version.spec.fingerprint)))
        found = _drawn(sources, version.spec.kind, count, content, seed) if sources else []
        groups = [_group(item, by) for item in found]
        yield Looked(encoder, [encoder.decode(item.content or b"") for item in found], groups)


def _drawn(sources: Sequence[str], kind: Kind, count: int, content: str | None, seed: int) -> list[Item]:
    import numpy as np

    from hashsvc.readers import Columns, open_source, prefixes, read_all

    opened = [
        open_source(location, kind=kind, columns=Columns(content=content), prefix=prefix)
        for location, prefix in zip(sources, prefixes(sources), strict=True)
    ]
    try:
        for source in opened:
            source.check()
        found = [row for row in read_all(opened) if isinstance(row, Item) and row.content is not None]
    finally:
        for source in opened:
            source.close()
    if not found:
        raise InvalidArgument(f"the sources hold no {kind} that can be read", field="SOURCE")
    order = np.random.default_rng(seed).permutation(len(found)).tolist()
    return [found[place] for place in islice(order, count)]


def _group(item: Item, by: str | None) -> str:
    if by is None:
        return item.key.rpartition("/")[0].rpartition("/")[2]
    if by not in item.metadata:
        raise InvalidArgument(f"item {item.key!r} has no metadata field {by!r} to take its colour from", field="--by")
    return str(item.metadata[by])


def _hole(words: str) -> tuple[int, int, int, int]:
    try:
        top, left, height, width = (int(part) for part in words.split(","))
    except ValueError:
        raise InvalidArgument(f"a hole is TOP,LEFT,HEIGHT,WIDTH in pixels, not {words!r}", field="--hole") from None
    return top, left, height, width


def _write(rows: Sequence[Row], out: Path, *, json: bool) -> None:
    from hashsvc.report.sheet import grid

    grid(rows, out)
    shown = sum(len(pictures) for _, pictures in rows)
    show({"picture": str(out), "shown": shown}, facts([("picture", out), ("shown", shown)]), json=json)
