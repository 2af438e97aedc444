"""``hashsvc jobs``: list, show, watch, cancel, dead-letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from hashsvc.cli import options
from hashsvc.cli.doors import service
from hashsvc.cli.screen import facts, progress, show, table
from hashsvc.domain.jobs import JobState
from hashsvc.errors import FailedPrecondition

if TYPE_CHECKING:
    from rich.table import Table

    from hashsvc.domain.jobs import DeadLetter, Job
    from hashsvc.domain.service import Service

verbs = typer.Typer(no_args_is_help=True, help="Long work, as it stands.")

Number = Annotated[int, typer.Argument(metavar="JOB", help="Number of the job")]


def register(tree: typer.Typer) -> None:
    """Add the verbs to the program."""
    tree.add_typer(verbs, name="jobs")


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
    job = door.job(number)
    with progress(f"{job.kind} job {job.id}") as advance:
        for seen in door.watch_job(number):
            job = seen
            advance(job.units_done, job.units, f"{job.state}, {job.counts.stored:,} stored")
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


@verbs.command("dead-letters")
def dead_letters(
    number: Number, *, store: options.Store = None, server: options.Server = None, json: options.Json = False
) -> None:
    """Rows of a job that could not be stored: file, row and reason."""
    with service(store, server, role="worker") as door:
        letters = door.dead_letters(number)
    show({"dead_letters": letters}, dead_letters_table(letters), json=json)
