"""``hashsvc dedup``: run, and what is done with a run: runs, why, pairs, mark, apply, undo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashsvc.cli import dedupfiles, options
from hashsvc.cli.doors import local_store, service
from hashsvc.cli.jobs import watched
from hashsvc.cli.screen import facts, progress, show, table
from hashsvc.domain.dedup import RunState, Stage, Verify
from hashsvc.domain.jobs import JobKind, Runner
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from rich.table import Table

    from hashsvc.dedup.spec import DedupSpec
    from hashsvc.domain.dedup import Applied, Decision, Pair, Run
    from hashsvc.runners.progress import Progress

verbs = typer.Typer(no_args_is_help=True, help="Near-duplicates: found, explained, taken away and brought back.")
SHOWN = 10

Number = Annotated[int, typer.Argument(metavar="RUN", help="Number of the run, which is that of its job")]


def register(tree: typer.Typer) -> None:
    """Add the verbs to the program."""
    dedupfiles.register(verbs)
    tree.add_typer(verbs, name="dedup")


@verbs.command("run")
def run_dedup(
    name: options.CollectionName,
    *,
    radius: Annotated[int | None, typer.Option("--radius", min=0, help="Inclusive; advised where not given")] = None,
    target: Annotated[
        float | None, typer.Option("--target-precision", min=0, max=1, help="Precision the advised radius must reach")
    ] = None,
    against: Annotated[
        str, typer.Option("--against", metavar="REFERENCE", help="Compare with this collection, which is never touched")
    ] = "",
    incremental: Annotated[
        bool, typer.Option("--incremental", help="Compare only items written since the last run with all")
    ] = False,
    keep: Annotated[
        str, typer.Option("--keep", help="Who is kept: first, longest, newest, FIELD (greatest) or -FIELD (least)")
    ] = "first",
    verify: Annotated[
        str, typer.Option("--verify", metavar="content|none|SCORE", help="Second look at each pair; SCORE is the least")
    ] = "content",
    source: Annotated[
        str, typer.Option("--source", metavar="FIELD", help="Metadata field to count by; by default the key's place")
    ] = "",
    max_share: Annotated[float, typer.Option("--max-share", help="Stop beyond this share of one source")] = 0.5,
    max_cluster: Annotated[int, typer.Option("--max-cluster", help="Stop beyond this many items in a cluster")] = 1_000,
    max_diameter: Annotated[
        int | None, typer.Option("--max-diameter", help="Stop beyond so many bits across a cluster")
    ] = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="Count, and decide nothing")] = False,
    rows: Annotated[int, typer.Option("--unit-rows", min=1, help="Items of a unit")] = 20_000,
    processes: Annotated[int, typer.Option("--processes", min=1, help="Processes at work")] = 1,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the report here")] = None,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Decide which items are duplicates; nothing is deleted before `hashsvc dedup apply`.

    The same command goes on where an interrupted one stopped.
    """
    asked: dict[str, Any] = {
        "collection": name,
        "radius": radius,
        "target_precision": target,
        "reference": against,
        "incremental": incremental,
        "keep": keep,
        **_second_look(verify),
        "source": source,
        "limits": {"share": max_share, "cluster": max_cluster, "diameter": max_diameter},
        "dry": dry,
        "rows": rows,
    }
    from hashsvc.dedup.spec import DedupSpec

    spec = DedupSpec.of(asked)
    if server:
        if html or processes > 1:
            raise InvalidArgument("--html and --processes are for a store in this process", field="--server")
        with service(store, server) as door:
            job = watched(door, door.create_job(JobKind.DEDUP, spec.as_json()).id)
            found = door.dedup.run(job.id)
    else:
        found = _here(store, spec, processes, html)
    show(found, described(found), json=json)


def _second_look(verify: str) -> dict[str, Any]:
    if verify in set(Verify):
        return {"verify": verify}
    try:
        return {"threshold": float(verify)}
    except ValueError:
        raise InvalidArgument(f"--verify is content, none or a score, not {verify!r}", field="--verify") from None


def _here(store: str | None, spec: DedupSpec, processes: int, html: Path | None) -> Run:
    with local_store(store, role="worker") as held:
        from hashsvc.app import dedup
        from hashsvc.app.running import Hands

        hands = Hands(Runner.PROCESSES if processes > 1 else Runner.INLINE, processes)
        with progress(f"dedup of {spec.collection}") as advance:

            def seen(at: Progress) -> None:
                advance(at.done, at.units, "")

            found = dedup.run(held, spec, hands, seen)
        if html is not None:
            dedupfiles.write_report(held, found.job, html)
        return found


def described(run: Run) -> Table:
    """A run as a list of facts."""
    stages = run.summary.get("stages", {})
    counts = ", ".join(f"{stages.get(str(stage), 0):,} {stage}" for stage in Stage)
    pairs = [
        ("run", run.job),
        ("collection", run.collection),
        ("state", run.state),
        ("stopped", run.reason),
        ("against", run.reference),
        ("items", run.items),
        ("dropped", f"{run.dropped:,} ({counts})"),
        ("clusters", f"{run.summary.get('clusters', 0):,}, the largest {run.summary.get('largest_cluster', 0):,}"),
        ("radius", f"{run.radius}, verified at {run.threshold:g}" if run.verify is Verify.CONTENT else str(run.radius)),
        ("kept by", run.keep),
        ("encoder", run.encoder),
        ("digest", run.digest[:16]),
    ]
    if run.state is RunState.DECIDED:
        pairs.append(("next", f"hashsvc dedup pairs {run.job}, then hashsvc dedup apply {run.job}"))
    return facts([pair for pair in pairs if pair[1] != ""])


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
        f"run {one.job} ({run.state}): dropped for {one.witness}{where} ({one.stage}; distance {one.distance}, radius "
        f"{run.radius}; {score}; kept by {run.keep}; encoder {run.encoder or 'none'})"
    )


@verbs.command("pairs")
def list_pairs(
    number: Number,
    *,
    low: Annotated[float | None, typer.Option("--from", help="Least score; by default .1 below the threshold")] = None,
    high: Annotated[float | None, typer.Option("--to", help="Most score; by default .1 above the threshold")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show at most so many")] = 100,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Pairs by score, by default the borderline: the least sure drops and the nearest misses."""
    with service(store, server, role="worker") as door:
        pairs = door.dedup.pairs(number, low=low, high=high, limit=limit)
    show({"pairs": pairs}, _pairs_table(pairs), json=json)


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
    said = "forgotten" if remove else "remembered"
    show({"changed": changed}, f"{said}{'' if changed else ' already'}: {one} and {other} are no duplicates", json=json)


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
