"""``hashsvc evaluate``: how much a collection's codes find, beside the floors, on the terminal and as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashsvc.cli import options
from hashsvc.cli.doors import local_store
from hashsvc.cli.screen import facts, show, table, tell

if TYPE_CHECKING:
    from rich.table import Table

    from hashsvc.domain.quality import Evaluation


def register(tree: typer.Typer) -> None:
    """Add the verb to the program."""
    tree.command("evaluate")(evaluate)


def evaluate(
    name: options.CollectionName,
    *,
    label: Annotated[
        str | None, typer.Option("--label", metavar="FIELD", help="Metadata field that says what belongs together")
    ] = None,
    items: Annotated[int, typer.Option("--items", min=2, help="Evaluate on at most this many items")] = 20_000,
    queries: Annotated[int, typer.Option("--queries", min=1, help="Items held back to ask the others")] = 1_000,
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="The k of P@k")] = 100,
    oversample: Annotated[
        int, typer.Option("--oversample", min=1, help="Short-list, in multiples of what is wanted")
    ] = 4,
    bits: Annotated[list[int] | None, typer.Option("--bits", help="Further lengths of the floors, repeatable")] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the report here")] = None,
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """Measure a collection's codes: precision, recall, use of the bits, and the floors fitted beside them.

    Without a label, what belongs together are the neighbours by the encoder's float features.
    """
    with local_store(store, role="worker") as held:
        from hashsvc.app.evaluating import evaluate_collection

        found = evaluate_collection(
            held,
            name,
            label=label,
            items=items,
            queries=queries,
            k=k,
            oversample=oversample,
            lengths=bits or (),
            pictures=html is not None,
            on_stage=tell,
        )
    document = found.document()
    if html is not None:
        from hashsvc.report import write

        document["html"] = str(write(found, html))
    show(document, _scores(found), _summary(found, html), json=json)


def _scores(found: Evaluation) -> Table:
    columns = ("method", "bits", "ranking", f"P@{found.k}", f"mAP@{found.depth}", "recall@10")
    rows = (
        (row.method, str(row.bits or "float"), str(row.column), *map(_figure, _values(row.scores)))
        for row in found.ranked
    )
    return table(columns, rows, title=found.title)


def _values(scores: Any) -> tuple[float | None, ...]:
    return scores.precision, scores.mean_average_precision, scores.recall


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _summary(found: Evaluation, html: Path | None) -> Table:
    health = found.health
    lines: list[tuple[str, Any]] = [
        ("items, queries", f"{found.items:,}, {found.queries:,}"),
        ("distinct codes", f"{health.distinct:,} of {health.items:,}"),
        ("ones a bit", f"{health.lowest:.1%} to {health.highest:.1%}"),
        ("entropy a bit", f"{health.entropy:.4f}"),
        ("correlation of bits", f"{health.correlation:.4f}, worst {health.worst_correlation:.4f}"),
        *found.facts.items(),
    ]
    return facts([*lines, ("report", html)] if html else lines)
