"""``hashsvc dedup``: run, and what is done with a run: runs, why, pairs, mark, apply, undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hashsvc.cli import dedupfiles, deduprun, options
from hashsvc.cli.doors import service
from hashsvc.cli.screen import facts, show, table
from hashsvc.domain.dedup import Stage

if TYPE_CHECKING:
    from rich.table import Table

    from hashsvc.domain.dedup import Applied, Decision, Pair, Run

verbs = typer.Typer(no_args_is_help=True, help="Near-duplicates: found, explained, taken away and brought back.")
verbs.command("run")(deduprun.run)

Number = Annotated[int, typer.Argument(metavar="RUN", help="Number of the run, which is that of its job")]


def register(tree: typer.Typer) -> None:
    """Add the verbs to the program."""
    dedupfiles.register(verbs)
    tree.add_typer(verbs, name="dedup")


@verbs.command("runs")
def list_runs(
    name: Annotated[str, typer.Argument(metavar="[COLLECTION]", help="Only those of this collection")] = "",
    *,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Every run, newest first."""
    with service(store, server, role="worker") as door:
        runs = door.dedup.runs(name)
    rows = [(r.job, r.collection, r.mode, r.state, r.radius, r.items, r.dropped, r.reason) for r in runs]
    columns = ("run", "collection", "mode", "state", "radius", "items", "dropped", "stopped by")
    show({"runs": runs}, table(columns, rows), json=json)


@verbs.command("why")
def why(
    name: options.CollectionName,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Key of an item")],
    *,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Why an item was dropped: its witness, their distance and score, and the run."""
    with service(store, server, role="worker") as door:
        decisions = door.dedup.why(name, key)
        runs = {one.job: door.dedup.run(one.job) for one in decisions}
    lines = [_reason(one, runs[one.job]) for one in decisions] or [f"{key} was never dropped"]
    show({"decisions": decisions, "runs": list(runs.values())}, *lines, json=json)


def _reason(one: Decision, run: Run) -> str:
    score = "not verified" if one.score is None else f"score {one.score:.3f}, least {run.threshold:g}"
    where = f" of {run.reference}" if run.reference else ""
    return (
        f"run {one.job} ({run.state}): dropped for {one.witness}{where} ({_stage(one)}; distance {one.distance}, "
        f"radius {run.radius}; {score}; kept by rule {run.keep}; encoder {run.encoder or 'none'})"
    )


def _stage(one: Decision) -> str:
    """The stage, and for whose sake where the equal of an item was dropped too: the witness of both is another."""
    if one.stage is Stage.EXACT and one.content_hash != one.witness_hash:
        return "exact: an item before it has the same bytes"
    return str(one.stage)


@verbs.command("pairs")
def list_pairs(
    number: Number,
    *,
    low: Annotated[float | None, typer.Option("--from", help="Least score; by default the borderline")] = None,
    high: Annotated[float | None, typer.Option("--to", help="Most score")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most so many")] = 100,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Pairs by score, by default the borderline: the least sure drops and the nearest misses."""
    with service(store, server, role="worker") as door:
        pairs = door.dedup.pairs(number, low=low, high=high, limit=limit)
    more = [f"The {limit:,} nearest to the threshold; for more: --limit"] if len(pairs) == limit else []
    none = "no pairs with such a score: near misses are kept down to .1 below the threshold"
    show({"pairs": pairs}, *([_pairs_table(pairs), *more] if pairs else [none]), json=json)


def _pairs_table(pairs: list[Pair]) -> Table:
    rows = [(p.score, p.distance, "dropped" if p.dropped else "both kept", p.left, p.right) for p in pairs]
    return table(("score", "distance", "verdict", "item", "kept item"), rows)


@verbs.command("mark")
def mark(
    name: options.CollectionName,
    one: Annotated[str, typer.Argument(metavar="KEY")],
    other: Annotated[str, typer.Argument(metavar="KEY")],
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Forget the mark")] = False,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Remember that two items are no duplicates; later runs do not pair them."""
    with service(store, server, role="worker") as door:
        changed = door.dedup.mark(name, one, other, remove=remove)
    if remove:
        said = "forgotten" if changed else "there was no mark"
    else:
        said = "remembered" if changed else "remembered already"
    show({"changed": changed}, f"{said}: {one} and {other} are no duplicates", json=json)


@verbs.command("apply")
def apply_run(
    number: Number,
    *,
    tag: Annotated[
        str, typer.Option("--tag", metavar="FIELD", help="Write the witness's key into this field, delete nothing")
    ] = "",
    accept: Annotated[bool, typer.Option("--accept", help="Also where the run stopped at a limit")] = False,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Delete what a run dropped, or tag it; items that changed since, or lost their witness, stay as they are."""
    with service(store, server, role="worker") as door:
        done = door.dedup.apply(number, tag=tag, accept=accept)
    show(done, _done(done, "tagged" if tag else "deleted"), json=json)


@verbs.command("undo")
def undo_run(
    number: Number, *, store: options.Store = None, server: options.Server = None, json: options.Json = False
) -> None:
    """Bring back what applying a run took away; its decisions count no more."""
    with service(store, server, role="worker") as door:
        done = door.dedup.undo(number)
    show(done, _done(done, "brought back"), json=json)


def _done(done: Applied, verb: str) -> Table:
    left = [(f"left alone, {reason}", count) for reason, count in done.skipped.items()]
    return facts([("run", done.job), ("state", done.state), (verb, done.changed), *left])
