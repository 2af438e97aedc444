"""``hashsvc jobs``: list, show, watch, cancel, retry, dead-letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hashsvc.cli import options
from hashsvc.cli.doors import local_store, service
from hashsvc.cli.hands import Cpus, Gpus, Helpers, Processes, RayAddress, RunnerName, hands_of
from hashsvc.cli.screen import Advance, facts, progress, show, table, tell
from hashsvc.domain.jobs import Counts, DeadLetter, JobState
from hashsvc.errors import FailedPrecondition

if TYPE_CHECKING:
    from rich.table import Table

    from hashsvc.domain.jobs import Job
    from hashsvc.domain.service import Service
    from hashsvc.runners.progress import OnProgress, Progress

SHOWN = 10
verbs = typer.Typer(no_args_is_help=True, help="Long work, as it stands.")

Number = Annotated[int, typer.Argument(metavar="JOB", help="Number of the job")]


def register(tree: typer.Typer) -> None:
    """Add the verbs to the program."""
    tree.add_typer(verbs, name="jobs")


@dataclass(frozen=True, slots=True)
class Ingested:
    """What came of an ingest: counts of rows, the rows that could not be stored, and the job if there was one."""

    collection: str
    counts: Counts
    dead_letters: Sequence[DeadLetter]
    job: int | None = None


def show_ingested(done: Ingested, *, json: bool) -> None:
    """Print what came of an ingest: ``read`` is the sum of the three behind it."""
    counts, letters = done.counts, done.dead_letters
    pairs = [
        ("collection", done.collection),
        ("job", done.job),
        ("read", counts.read),
        ("stored", counts.stored),
        ("unchanged", counts.unchanged),
        ("dead letters", counts.dead),
    ]
    shown: list[Any] = [facts([pair for pair in pairs if pair[1] is not None])]
    if letters:
        more = f", the first {SHOWN} of {len(letters):,}" if len(letters) > SHOWN else ""
        shown += [f"Rows that could not be stored{more}:", dead_letters_table(letters[:SHOWN])]
        if done.job is not None:
            shown.append(f"After mending their files: hashsvc jobs retry {done.job}")
    show(done, *shown, json=json)


def advancing(advance: Advance) -> OnProgress:
    """Tells a bar of the progress of an ingest job: what is stored, how fast, how long it will take."""

    def seen(at: Progress) -> None:
        advance(at.done, at.units, note(at))

    return seen


def note(at: Progress) -> str:
    """``2,048 stored, 3 set aside, 5,120 rows/s, 12 s left``."""
    parts = [f"{at.counts.stored:,} stored"]
    if at.counts.dead:
        parts.append(f"{at.counts.dead:,} set aside")
    if at.rate:
        parts.append(f"{at.rate:,.0f} rows/s")
    if at.left:
        parts.append(f"{duration(at.left)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """``45 s``, ``3 min`` or ``2 h 5 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def described(job: Job) -> Table:
    """A job as a list of facts."""
    counts = job.counts
    rows = (
        f"{counts.read:,} read, {counts.stored:,} stored, {counts.unchanged:,} unchanged, {counts.dead:,} dead letters"
    )
    pairs = [
        ("job", job.id),
        ("kind", job.kind),
        ("collection", job.collection),
        ("state", job.state),
        ("units", f"{job.units_done:,} of {job.units:,}"),
        ("rows", rows),
        ("error", job.error),
    ]
    return facts([pair for pair in pairs if pair[1] != ""])


def dead_letters_table(letters: Sequence[DeadLetter]) -> Table:
    """Rows that could not be stored, and why."""
    return table(("source", "row", "key", "reason"), [(d.source, str(d.row), d.key or "", d.reason) for d in letters])


def watched(door: Service, number: int) -> Job:
    """Follow a job with progress until it is final; raises FailedPrecondition when it failed."""
    from hashsvc.runners.progress import Pace

    job = door.job(number)
    pace = Pace(job)
    if job.state is JobState.PLANNED:
        tell(f"{job.kind} job {job.id} waits for a worker: `hashsvc work` on the store runs it")
    with progress(f"{job.kind} job {job.id}") as advance:
        for seen in door.watch_job(number):
            job = seen
            advance(job.units_done, job.units, f"{job.state}, {note(pace.at(job))}")
    return finished(job)


def finished(job: Job) -> Job:
    """The job, unless it failed: then FailedPrecondition says why."""
    if job.state is JobState.FAILED:
        raise FailedPrecondition(f"{job.kind} job {job.id} failed: {job.error}", reason="JOB_FAILED")
    return job


@verbs.command("list")
def list_jobs(*, store: options.Store = None, server: options.Server = None, json: options.Json = False) -> None:
    """Every job, newest first."""
    with service(store, server, role="worker") as door:
        jobs = door.jobs()
    rows = [(j.id, j.kind, j.collection, j.state, f"{j.units_done}/{j.units}", j.counts.stored, j.error) for j in jobs]
    columns = ("job", "kind", "collection", "state", "units", "stored", "error")
    show({"jobs": jobs}, table(columns, rows), json=json)


@verbs.command("show")
def show_job(
    number: Number, *, store: options.Store = None, server: options.Server = None, json: options.Json = False
) -> None:
    """One job as it stands."""
    with service(store, server, role="worker") as door:
        job = door.job(number)
    show(job, described(job), json=json)


@verbs.command("watch")
def watch_job(
    number: Number, *, store: options.Store = None, server: options.Server = None, json: options.Json = False
) -> None:
    """Follow a job until it is final; exit status 2 when it failed."""
    with service(store, server, role="worker") as door:
        job = watched(door, number)
    show(job, described(job), json=json)


@verbs.command("cancel")
def cancel_job(
    number: Number, *, store: options.Store = None, server: options.Server = None, json: options.Json = False
) -> None:
    """Ask a job to stop after the unit in hand."""
    with service(store, server, role="worker") as door:
        job = door.cancel_job(number)
    show(job, described(job), json=json)


@verbs.command("retry")
def retry_job(
    number: Number,
    *,
    runner: RunnerName = None,
    processes: Processes = 1,
    helpers: Helpers = 0,
    ray_address: RayAddress = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """Read the dead letters of an ingest job again, in the same job, after their files were mended.

    Units that a failed or cancelled job has left are run too. The counts are those of the whole job. A server may own
    the store meanwhile.
    """
    from hashsvc.app import bulk

    hands = hands_of(runner, processes, helpers, ray_address, cpus=cpus, gpus=gpus)
    with local_store(store, role="worker") as held:
        with progress(f"retry of job {number}") as advance:
            job = bulk.retry(held, number, hands, advancing(advance))
        letters = held.dead_letters(number) if job.counts.dead else []
    show_ingested(Ingested(job.collection, finished(job).counts, letters, job.id), json=json)


@verbs.command("dead-letters")
def dead_letters(
    number: Number, *, store: options.Store = None, server: options.Server = None, json: options.Json = False
) -> None:
    """Rows of a job that could not be stored: file, row and reason."""
    with service(store, server, role="worker") as door:
        letters = door.dead_letters(number)
    show({"dead_letters": letters}, dead_letters_table(letters), json=json)
