"""``hashsvc dedup run``: decide which items of a collection are duplicates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashsvc.cli import options
from hashsvc.cli.dedupfiles import write_report
from hashsvc.cli.doors import local_store, service
from hashsvc.cli.hands import Processes, RayAddress, RunnerName, hands_of
from hashsvc.cli.jobs import watched
from hashsvc.cli.screen import facts, progress, show
from hashsvc.domain.dedup import RunState, Stage, Verify
from hashsvc.domain.jobs import JobKind
from hashsvc.errors import FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    from rich.table import Table

    from hashsvc.app.running import Hands
    from hashsvc.dedup.spec import DedupSpec
    from hashsvc.domain.dedup import Run
    from hashsvc.runners.progress import Progress

Radius = Annotated[int | None, typer.Option("--radius", min=0, help="Inclusive; advised where not given")]
Target = Annotated[
    float | None, typer.Option("--target-precision", min=0, max=1, help="Precision the advised radius must reach")
]
Against = Annotated[
    str, typer.Option("--against", metavar="REFERENCE", help="Compare with this collection, which is never touched")
]
Incremental = Annotated[
    bool, typer.Option("--incremental", help="Compare only items written since the last run with all")
]
Keep = Annotated[
    str, typer.Option("--keep", help="Who is kept: first, longest, newest, FIELD (greatest) or -FIELD (least)")
]
Look = Annotated[
    str, typer.Option("--verify", metavar="content|none|SCORE", help="Second look at each pair; SCORE is the least")
]
Source = Annotated[
    str, typer.Option("--source", metavar="FIELD", help="Metadata field to count by; by default the key's place")
]
MaxShare = Annotated[float, typer.Option("--max-share", min=0, max=1, help="Stop beyond this share of one source")]
MaxCluster = Annotated[int, typer.Option("--max-cluster", min=1, help="Stop beyond this many items in a cluster")]
MaxDiameter = Annotated[
    int | None, typer.Option("--max-diameter", min=0, help="Stop beyond so many bits across a cluster")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count, and decide nothing")]
UnitRows = Annotated[int, typer.Option("--unit-rows", min=1, help="Items of a unit")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the report here")]


def run(
    name: options.CollectionName,
    *,
    radius: Radius = None,
    target: Target = None,
    against: Against = "",
    incremental: Incremental = False,
    keep: Keep = "first",
    verify: Look = "content",
    source: Source = "",
    max_share: MaxShare = 0.5,
    max_cluster: MaxCluster = 1_000,
    max_diameter: MaxDiameter = None,
    dry: DryRun = False,
    rows: UnitRows = 20_000,
    runner: RunnerName = None,
    processes: Processes = 1,
    ray_address: RayAddress = None,
    html: Html = None,
    store: options.Store = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Decide which items are duplicates; nothing is deleted before `hashsvc dedup apply`.

    The same command goes on where an interrupted one stopped.
    """
    from hashsvc.dedup.spec import DedupSpec

    asked: dict[str, Any] = {
        "collection": name,
        "radius": radius,
        "target_precision": target,
        "reference": against,
        "keep": keep,
    }
    asked |= {"incremental": incremental, "source": source, "dry": dry, "rows": rows, **_second_look(verify)}
    asked["limits"] = {"share": max_share, "cluster": max_cluster, "diameter": max_diameter}
    spec = DedupSpec.of(asked)
    if not server:
        found = _here(store, spec, hands_of(runner, processes, 0, ray_address), html)
    elif html or runner or ray_address or processes > 1:
        raise InvalidArgument("--html, and who runs the job, are for a store in this process", field="--server")
    else:
        with service(store, server) as door:
            job = watched(door, door.create_job(JobKind.DEDUP, spec.as_json()).id)
            found = door.dedup.run(job.id)
    show(found, described(found, html), json=json)


def _second_look(verify: str) -> dict[str, Any]:
    if verify in set(Verify):
        return {"verify": verify}
    try:
        score = float(verify)
    except ValueError:
        score = 0.0
    if not 0.01 <= score <= 1:
        raise InvalidArgument(f"--verify is content, none or a score of 0.01 to 1, not {verify!r}", field="--verify")
    return {"threshold": score}


def _here(store: str | None, spec: DedupSpec, hands: Hands, html: Path | None) -> Run:
    with local_store(store, role="worker") as held:
        from hashsvc.app import dedup

        with progress(f"dedup of {spec.collection}") as advance:

            def seen(at: Progress) -> None:
                advance(at.done, at.units, "")

            try:
                found = dedup.run(held, spec, hands, seen)
            except FailedPrecondition as error:
                if error.reason == "LIMIT_EXCEEDED" and html is not None:  # now it is wanted most
                    write_report(held, held.dedup.runs(spec.collection)[0].job, html)
                raise
        if html is not None:
            write_report(held, found.job, html)
        return found


def described(run: Run, html: Path | None) -> Table:
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
        ("radius", _radius(run)),
        ("kept by", run.keep),
        ("encoder", run.encoder),
        ("digest", run.digest[:16]),
        ("report", html or ""),
    ]
    if run.state is RunState.DECIDED and run.dropped:
        pairs.append(("next", f"hashsvc dedup pairs {run.job}, then hashsvc dedup apply {run.job}"))
    return facts([pair for pair in pairs if pair[1] != ""])


def _radius(run: Run) -> str:
    """The radius, where it comes from, and the second look."""
    parts = [str(run.radius)]
    if advice := run.summary.get("advice"):
        target = advice["target_precision"]
        reached = any(row["precision"] >= target for row in advice["table"])
        parts.append("advised" if reached else f"the most precise: none reaches {target:g}")
    if run.verify is Verify.CONTENT:
        parts.append(f"verified at {run.threshold:g}")
    return ", ".join(parts)
