"""``hashsvc picture``: what an encoder with a decoder knows, as a PNG a person can look at, or as words of texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hashsvc.cli import options
from hashsvc.cli.looking import asking, drawn, looking
from hashsvc.cli.made import (
    Line,
    file_for,
    interleaved,
    path_lines,
    pixels_of,
    pixels_seen,
    said,
    told,
    worded,
    write_lines,
    write_pictures,
)
from hashsvc.cli.screen import facts, show
from hashsvc.domain.kinds import Kind
from hashsvc.errors import FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hashsvc.domain.encoders import EncoderVersion
    from hashsvc.domain.items import Item
    from hashsvc.domain.service import Service

verbs = typer.Typer(
    no_args_is_help=True, help="Look at what an encoder with a decoder has learned: pictures, or the words of texts."
)

Label = Annotated[str, typer.Argument(metavar="ENCODER", help="NAME or NAME@VERSION of an encoder with a decoder")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="Where the PNG is written; words of texts go to stdout")
]
Png = Annotated[Path, typer.Option("--out", metavar="FILE.png", help="Where the picture is written")]
Seed = Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Of every random choice")]
Count = Annotated[int, typer.Option("--count", min=1, max=100, help="Items shown")]
SIDE_BY_SIDE = 10


def register(tree: typer.Typer) -> None:
    """Add the verbs to the program."""
    tree.add_typer(verbs, name="picture")


@verbs.command("reconstruct")
def reconstruct(
    label: Label,
    sources: options.Sources,
    *,
    out: Out = None,
    count: Count = SIDE_BY_SIDE,
    seed: Seed = 0,
    content: options.ContentColumn = None,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Items beside what is rebuilt from their latents."""
    with asking(label, store, server, out) as (door, version):
        kind = version.spec.kind
        items = drawn(sources, kind, count, content, seed)
        made = door.reconstruct(version.label, [item.content or b"" for item in items])
    if kind is Kind.TEXT:
        texts = [told(item) for item in items]
        write_lines(interleaved(texts, [worded("  rebuilt", one) for one in made]), out, json=json)
        return
    rebuilt = pixels_of(kind, made)
    rows = [("items", pixels_seen(kind, items, rebuilt)), ("rebuilt", rebuilt)]
    write_pictures(rows, file_for(out), json=json)


@verbs.command("generate")
def generate(
    label: Label,
    *,
    out: Out = None,
    count: Count = 40,
    seed: Seed = 0,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """New items, from latents drawn as they come."""
    with asking(label, store, server, out) as (door, version):
        made = door.generate(version.label, count, seed=seed)
    if version.spec.kind is Kind.TEXT:
        write_lines([worded(f"{place + 1}", one) for place, one in enumerate(made)], out, json=json)
        return
    pictures = pixels_of(version.spec.kind, made)
    starts = range(0, count, SIDE_BY_SIDE)
    rows = [(f"drawn, seed {seed}" if not s else "", pictures[s : s + SIDE_BY_SIDE]) for s in starts]
    write_pictures(rows, file_for(out), json=json)


@verbs.command("interpolate")
def interpolate(
    label: Label,
    sources: options.Sources,
    *,
    out: Out = None,
    count: Annotated[int, typer.Option("--count", min=1, max=50, help="Pairs of items")] = 4,
    steps: Annotated[int, typer.Option("--steps", min=2, max=50, help="Items on a path")] = SIDE_BY_SIDE,
    seed: Seed = 0,
    content: options.ContentColumn = None,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """The path between two items through the latents: item after item, no mixture of pixels or words."""
    with asking(label, store, server, out) as (door, version):
        kind = version.spec.kind
        items = drawn(sources, kind, 2 * count, content, seed)
        if len(items) < 2:
            raise InvalidArgument("a path needs two items: name sources that hold more", field="SOURCE")
        pairs = list(zip(items[::2], items[1::2], strict=False))
        paths = [door.interpolate(version.label, a.content or b"", b.content or b"", steps=steps) for a, b in pairs]
    if kind is Kind.TEXT:
        lines = [line for (a, b), path in zip(pairs, paths, strict=True) for line in path_lines(a, b, path)]
        write_lines(lines, out, json=json)
        return
    rows = [(f"path {place + 1}", pixels_of(kind, path)) for place, path in enumerate(paths)]
    write_pictures(rows, file_for(out), json=json)


@verbs.command("denoise")
def denoise(
    label: Label,
    sources: options.Sources,
    *,
    out: Out = None,
    spread: Annotated[
        float | None, typer.Option("--spread", min=0.0, help="Spread of the noise (0.5); pixels lie in 0..1")
    ] = None,
    drop: Annotated[
        float | None, typer.Option("--drop", min=0.0, max=1.0, help="Share of a text's words left out (0.5)")
    ] = None,
    count: Count = SIDE_BY_SIDE,
    seed: Seed = 0,
    content: options.ContentColumn = None,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Items, the same under noise or without some of their words, and what the encoder leads them back to.

    Pictures and vectors need the store: noise is laid on what its encoder sees.
    """
    with asking(label, store, server, out) as (door, version):
        if version.spec.kind is Kind.TEXT:
            _only("--drop", "--spread", spread)
            items = drawn(sources, Kind.TEXT, count, content, seed)
            lines = _with_words_dropped(door, version, items, 0.5 if drop is None else drop, seed)
            write_lines(lines, out, json=json)
            return
    _only("--spread", "--drop", drop)
    if server:
        raise FailedPrecondition(
            "noise is laid on what the encoder sees: name the store itself with --store, not a server",
            field="--server",
        )
    spread = 0.5 if spread is None else spread
    file = file_for(out)
    with looking(label, store, sources, count, content, seed=seed) as at:
        from hashsvc.encoders.generation import looking as free

        seen = free.shown(at.encoder, at.items)
        damaged = free.noisy(seen, spread, seed=seed)
        made = {"items": seen, f"under noise of {spread:g}": damaged, "denoised": free.denoise(at.encoder, damaged)}
        rows = [(caption, free.pictures_of(at.encoder, values)) for caption, values in made.items()]
    write_pictures(rows, file, json=json)


def _only(asked: str, other: str, given: float | None) -> None:
    """Refuse an option that is for items of another kind."""
    if given is not None:
        what = "texts lose words" if asked == "--drop" else "only texts lose words"
        raise InvalidArgument(f"{what}: say {asked}, not {other}", field=other)


def _with_words_dropped(
    door: Service, version: EncoderVersion, items: Sequence[Item], share: float, seed: int
) -> list[Line]:
    from hashsvc.encoders.generation.words import drop_words

    left = [drop_words(item.content or b"", share, seed=seed + place) for place, item in enumerate(items)]
    made = door.reconstruct(version.label, left)
    return interleaved(
        [told(item) for item in items],
        [said("  left", text) for text in left],
        [worded("  denoised", one) for one in made],
    )


@verbs.command("inpaint")
def inpaint(
    label: Label,
    sources: options.Sources,
    *,
    out: Png,
    hole: Annotated[
        str, typer.Option("--hole", metavar="TOP,LEFT,HEIGHT,WIDTH", help="The hole, in the encoder's pixels")
    ],
    count: Count = SIDE_BY_SIDE,
    seed: Seed = 0,
    content: options.ContentColumn = None,
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """Pictures, the same with a hole, and the hole filled in; in the store itself, not through a server."""
    file = file_for(out)
    with looking(label, store, sources, count, content, seed=seed) as at:
        from hashsvc.encoders.generation import looking as free

        if at.encoder.spec.kind is not Kind.IMAGE:
            raise InvalidArgument(
                f"only pictures have holes, and {label!r} takes items of kind {at.encoder.spec.kind}: "
                "`hashsvc picture denoise` damages and repairs them",
                field="ENCODER",
            )
        place = _hole(hole)
        items = free.shown(at.encoder, at.items)
        made = {"pictures": items, "cut": free.cut(items, place), "filled in": free.inpaint(at.encoder, items, place)}
        rows = [(caption, free.pictures_of(at.encoder, values)) for caption, values in made.items()]
    write_pictures(rows, file, json=json)


@verbs.command("map")
def latent_map(
    label: Label,
    sources: options.Sources,
    *,
    out: Png,
    by: Annotated[
        str | None, typer.Option("--by", metavar="FIELD", help="Metadata field that colours; by default the folder")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=3, help="Items shown")] = 5_000,
    seed: Seed = 0,
    content: options.ContentColumn = None,
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """Every item as a dot where its latent lies, in the latents' two strongest directions.

    It is drawn in the store itself, not through a server, which gives no latents away.
    """
    file = file_for(out)
    with looking(label, store, sources, count, content, by=by, seed=seed) as at:
        from hashsvc.encoders.generation import looking as free
        from hashsvc.report.sheet import scatter

        points = free.latent_map(at.encoder, at.items)
    scatter(points, at.groups, file, title=label)
    show({"picture": str(file), "items": len(points)}, facts([("picture", file), ("items", len(points))]), json=json)


def _hole(words: str) -> tuple[int, int, int, int]:
    try:
        top, left, height, width = (int(part) for part in words.split(","))
    except ValueError:
        raise InvalidArgument(f"a hole is TOP,LEFT,HEIGHT,WIDTH in pixels, not {words!r}", field="--hole") from None
    return top, left, height, width
