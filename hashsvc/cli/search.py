"""``hashsvc search`` and ``hashsvc within``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hashsvc.cli import options
from hashsvc.cli.documents import as_document
from hashsvc.cli.doors import service
from hashsvc.cli.filters import parse_filters
from hashsvc.cli.queries import Asked, parse_queries
from hashsvc.cli.screen import show, table
from hashsvc.domain.queries import RankBy, Rerank
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from rich.table import Table

    from hashsvc.domain.neighbours import Answer, Match

Text = Annotated[str | None, typer.Argument(metavar="[TEXT]", help="Text to search for")]
Image = Annotated[Path | None, typer.Option("--image", metavar="FILE", help="Picture to search for")]
Vector = Annotated[
    str | None, typer.Option("--vector", metavar="FILE.npy|1,2,3", help="Vector, or vectors, to search for")
]
Code = Annotated[str | None, typer.Option("--code", metavar="HEX", help="Ready code to search for")]
Key = Annotated[str | None, typer.Option("--key", metavar="KEY", help="Stored item to find the neighbours of")]

Oversampling = Annotated[
    int, typer.Option("--oversampling", metavar="N", min=0, help="Rank the nearest k x N by a finer distance")
]
Ranking = Annotated[
    RankBy | None,
    typer.Option("--rank-by", help="The finer distance: of stored features or codes, or of the items' own bytes"),
]

Effort = Annotated[
    int, typer.Option("--effort", metavar="N", min=0, help="Lists (IVF) or candidates (HNSW) to look at; 0 for its own")
]
Exact = Annotated[bool, typer.Option("--exact", help="Answer exactly, also where the index is approximate")]


def register(tree: typer.Typer) -> None:
    """Add the verbs to the program."""
    tree.command("search")(search)
    tree.command("within")(within)


def search(
    name: options.CollectionName,
    text: Text = None,
    *,
    image: Image = None,
    vector: Vector = None,
    code: Code = None,
    key: Key = None,
    k: Annotated[int, typer.Option("-k", "--k", help="How many nearest items")] = 10,
    oversampling: Oversampling = 0,
    rank_by: Ranking = None,
    effort: Effort = 0,
    exact: Exact = False,
    where: options.Where = None,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """The nearest items of a text, picture, vector, code or stored item."""
    asked = parse_queries(text=text, image=image, vector=vector, code=code, key=key)
    passing = parse_filters(where or ())
    rerank = _second_stage(oversampling, rank_by)
    with service(store, server, searches=len(asked)) as door:
        queries = [one.query for one in asked]
        answers = door.search(name, queries, k=k, filter=passing, rerank=rerank, effort=effort, exact=exact)
    _show(asked, answers, json=json)


def _second_stage(oversampling: int, rank_by: RankBy | None) -> Rerank | None:
    if rank_by is not None and not oversampling:
        raise InvalidArgument("ranking needs candidates: say --oversampling N", field="--rank-by")
    return Rerank(oversampling, rank_by or RankBy.STORED) if oversampling else None


def within(
    name: options.CollectionName,
    text: Text = None,
    *,
    radius: Annotated[int, typer.Option("-r", "--radius", help="Largest Hamming distance, inclusive")],
    image: Image = None,
    vector: Vector = None,
    code: Code = None,
    key: Key = None,
    where: options.Where = None,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Every item within a Hamming distance of a text, picture, vector, code or stored item."""
    asked = parse_queries(text=text, image=image, vector=vector, code=code, key=key)
    passing = parse_filters(where or ())
    with service(store, server, searches=len(asked)) as door:
        answers = [door.within(name, one.query, radius=radius, filter=passing) for one in asked]
    _show(asked, answers, json=json)


def _show(asked: Sequence[Asked], answers: Sequence[Answer], *, json: bool) -> None:
    documents = [{"query": a.label, **as_document(b)} for a, b in zip(asked, answers, strict=True)]
    tables = [matches_table(a.label, b) for a, b in zip(asked, answers, strict=True)]
    show({"answers": documents}, *tables, json=json)


def matches_table(label: str, answer: Answer) -> Table:
    """The matches of one query, nearest first; its title says what the answer does not promise."""
    columns, rows = ["distance", "key", "metadata"], [_row(match) for match in answer.matches]
    if any(match.score is not None for match in answer.matches):
        columns.append("score")
        rows = [[*row, match.score] for row, match in zip(rows, answer.matches, strict=True)]
    doubts = "" if answer.exact else ", approximate"
    doubts += "" if answer.complete else f", cut off: {answer.total:,} found"
    return table(columns, rows, title=f"{_short(label)}: {len(rows):,} matches{doubts}")


def _row(match: Match) -> list[object]:
    return [match.distance, match.key, "  ".join(f"{n}={_short(v)}" for n, v in match.metadata.items())]


def _short(value: object) -> str:
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 60 else text[:59] + "…"
