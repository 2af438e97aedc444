"""``hashsvc dedup`` and files: report, export, evaluate, advise."""

from __future__ import annotations

import csv
import json as texts
from collections.abc import Iterator, Sequence
from os import strerror
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashsvc.cli import options
from hashsvc.cli.doors import local_store, service
from hashsvc.cli.screen import facts, show, table
from hashsvc.errors import InvalidArgument, NotFound

if TYPE_CHECKING:
    from rich.table import Table

    from hashsvc.app import Store
    from hashsvc.domain.dedup import Advised, Agreement, Run
    from hashsvc.domain.service import Service

PAGE = 1_000
COLUMNS = ("key", "decision", "witness", "stage", "distance", "score", "run", "radius", "rule", "encoder", "metadata")
TRUE, FALSE = {"1", "true", "yes", "same"}, {"0", "false", "no", "different"}

Number = Annotated[int, typer.Argument(metavar="RUN", help="Number of the run, which is that of its job")]


def register(verbs: typer.Typer) -> None:
    """Add the verbs to ``hashsvc dedup``."""
    for name, verb in (("report", report), ("export", export), ("evaluate", evaluate), ("advise", advise)):
        verbs.command(name)(verb)


def write_report(store: Store, number: int, path: Path) -> None:
    """Write the report of a run."""
    from hashsvc.app.dedupreading import reported
    from hashsvc.report.dedup import write

    write(reported(store, number), path)


def report(
    number: Number,
    html: Annotated[Path, typer.Argument(metavar="FILE", help="Write the report here")],
    *,
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """Write a run as one HTML file: counts, clusters, distances, and pairs side by side."""
    with local_store(store, role="worker") as held:
        write_report(held, number, html)
    show({"html": str(html)}, f"report in {html}", json=json)


def export(
    number: Number,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .parquet or .jsonl file to write")],
    *,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Write one row for each item of a run's collection: kept, or dropped with its witness."""
    if file.suffix not in {".parquet", ".jsonl"}:
        raise InvalidArgument(f"{file} is neither .parquet nor .jsonl", field="FILE")
    with service(store, server, role="worker") as door:
        from hashsvc.app.dedupreading import decided

        run = decided(door.dedup, number)
        written = _written(file, _rows(door, run))
    show({"file": str(file), "rows": written}, f"{written:,} rows in {file}", json=json)


def _written(file: Path, rows: Iterator[dict[str, Any]]) -> int:
    """Write all rows or no file; how many there were."""
    begun = file.with_name(f".{file.name}.begun")
    try:
        count = (_to_parquet if file.suffix == ".parquet" else _to_jsonl)(begun, rows)
        begun.replace(file)
    except OSError as error:
        raise InvalidArgument(f"{file} cannot be written: {strerror(error.errno or 0)}", field="FILE") from error
    finally:
        begun.unlink(missing_ok=True)
    return count


def _rows(door: Service, run: Run) -> Iterator[dict[str, Any]]:
    from hashsvc.app.dedupreading import every_decision

    about = {"run": run.job, "radius": run.radius, "rule": run.keep, "encoder": run.encoder}
    decisions = {one.key: one for one in every_decision(door.dedup, run.job)}
    token = None
    while token != "":
        page = door.list_items(run.collection, page_size=PAGE, page_token=token or "")
        for item in page.items:
            one = decisions.pop(item.key, None)
            metadata = texts.dumps(dict(item.metadata), ensure_ascii=False, sort_keys=True)
            yield {**_decided(item.key, one), **about, "metadata": metadata}
        token = page.next_token
    for key in sorted(decisions):  # deleted since
        yield {**_decided(key, decisions[key]), **about, "metadata": None}


def _decided(key: str, one: Any) -> dict[str, Any]:
    if one is None:
        return {"key": key, "decision": "kept", **dict.fromkeys(("witness", "stage", "distance", "score"))}
    return {
        "key": key,
        "decision": "dropped",
        "witness": one.witness,
        "stage": str(one.stage),
        "distance": one.distance,
        "score": one.score,
    }


def _to_jsonl(file: Path, rows: Iterator[dict[str, Any]]) -> int:
    count = 0
    with file.open("w", encoding="utf-8") as out:
        for row in rows:
            count += 1
            out.write(texts.dumps({name: row[name] for name in COLUMNS}, ensure_ascii=False) + "\n")
    return count


def _to_parquet(file: Path, rows: Iterator[dict[str, Any]]) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds: dict[str, pa.DataType] = {
        "distance": pa.int32(),
        "score": pa.float64(),
        "run": pa.int64(),
        "radius": pa.int32(),
    }
    schema = pa.schema([pa.field(name, kinds.get(name, pa.string())) for name in COLUMNS])
    count = 0
    with pq.ParquetWriter(file, schema) as writer:
        batch: list[dict[str, Any]] = []
        for row in rows:
            batch.append(row)
            count += 1
            if len(batch) == 10 * PAGE:
                writer.write_table(pa.Table.from_pylist(batch, schema))
                batch = []
        if batch:
            writer.write_table(pa.Table.from_pylist(batch, schema))
    return count


def evaluate(
    number: Number,
    *,
    pairs: Annotated[
        Path | None, typer.Option("--pairs", metavar="FILE", help="Two keys a line: every true pair")
    ] = None,
    clusters: Annotated[
        Path | None, typer.Option("--clusters", metavar="FILE", help="Key and cluster a line; absent keys are alone")
    ] = None,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Compare a run with the truth: pairwise precision, recall and F1, B-cubed, adjusted Rand index."""
    if (pairs is None) == (clusters is None):
        raise InvalidArgument("give --pairs or --clusters, one of the two", field="--pairs")
    with service(store, server, role="worker") as door:
        from hashsvc.app.dedupreading import evaluated

        if clusters is not None:
            found = evaluated(door.dedup, number, clusters={row[0]: row[1] for row in lines_of(clusters, 2)})
        else:
            assert pairs is not None
            found = evaluated(door.dedup, number, pairs=[(one, other) for one, other in lines_of(pairs, 2)])
    show(found, _agreement(found), json=json)


def _agreement(found: Agreement) -> Table:
    def shown(pairs: Sequence[tuple[str, str]]) -> str:
        return ", ".join(f"{one} {other}" for one, other in pairs)

    rows = [
        ("pairs", f"{found.found_pairs:,} found, {found.true_pairs:,} true, of {found.items:,} items"),
        ("precision", found.precision),
        ("recall", found.recall),
        ("F1", found.f1),
        ("B-cubed", f"{found.bcubed_precision:.4f}, {found.bcubed_recall:.4f}, F1 {found.bcubed_f1:.4f}"),
        ("adjusted Rand", found.rand),
        ("wrong", shown(found.wrong)),
        ("missed", shown(found.missed)),
    ]
    return facts([row for row in rows if row[1] != ""])


def advise(
    name: options.CollectionName,
    *,
    target: Annotated[float, typer.Option("--target-precision", min=0, max=1, help="Precision to reach")] = 0.99,
    strength: Annotated[
        str, typer.Option("--strength", help="Of the planted edits: light, medium or strong")
    ] = "medium",
    items: Annotated[int, typer.Option("--items", min=20, help="Plant edits in at most this many items")] = 1_000,
    pairs: Annotated[
        Path | None, typer.Option("--pairs", metavar="FILE", help="Labelled pairs instead: two keys and 1 or 0 a line")
    ] = None,
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """A table of radius against recall and precision, and the radius that it speaks for."""
    with local_store(store, role="worker") as held:
        from hashsvc.app import dedupreading
        from hashsvc.dedup.edits import Strength

        if strength not in set(Strength):
            raise InvalidArgument(f"--strength is light, medium or strong, not {strength!r}", field="--strength")
        labelled = [] if pairs is None else [(a, b, _same(pairs, word)) for a, b, word in lines_of(pairs, 3)]
        found = dedupreading.advise(held, name, target=target, items=items, strength=Strength(strength), pairs=labelled)
    show(found, _advice(found), json=json)


def _advice(found: Advised) -> Table:
    rows = [
        (
            f"{row.radius}{' *' if row.radius == found.radius else ''}",
            f"{row.recall:.4f} ({row.recall_low:.4f} to {row.recall_high:.4f})",
            f"{row.precision:.4f} ({row.precision_low:.4f} to {row.precision_high:.4f})",
            f"{row.within:.2f}",
        )
        for row in found.table
    ]
    title = f"{found.source}; {found.positives:,} duplicates, {found.lost:,} of them refused by the second look"
    if not any(row.precision >= found.target_precision for row in found.table):
        title += f"; no radius reaches a precision of {found.target_precision:g}"
    return table(("radius", "recall", "precision", "pairs an item"), rows, title=title)


def _same(file: Path, word: str) -> bool:
    if word.lower() not in TRUE | FALSE:
        raise InvalidArgument(f"{file}: {word!r} is neither 1 nor 0", field="--pairs")
    return word.lower() in TRUE


def lines_of(file: Path, width: int) -> Iterator[list[str]]:
    """The first ``width`` columns of each line of a .csv, .tsv, or a file of words.

    Raises:
        NotFound: no such file.
        InvalidArgument: a line has fewer columns, or there is none.
    """
    if not file.is_file():
        raise NotFound(f"no file {file}", field=str(file))
    with file.open(encoding="utf-8", newline="") as lines:
        split = csv.reader(lines, delimiter="\t" if file.suffix == ".tsv" else ",")
        rows = split if file.suffix in {".csv", ".tsv"} else (line.split() for line in lines)
        empty = True
        for number, row in enumerate(rows, 1):
            if not row:
                continue
            if len(row) < width:
                raise InvalidArgument(f"{file}, line {number}: {width} columns are needed", field=str(file))
            empty = False
            yield row[:width]
    if empty:
        raise InvalidArgument(f"{file} is empty", field=str(file))
