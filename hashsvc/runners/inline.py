"""The inline runner: this process claims a job's units and runs them one behind the other, the steps overlapping."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from hashsvc.domain.jobs import Job, Unit
from hashsvc.ingest import Bench, pipeline
from hashsvc.ingest.line import Clock
from hashsvc.ingest.pipeline import patient
from hashsvc.runners.lease import Lease
from hashsvc.runners.progress import OnProgress, Pace

if TYPE_CHECKING:
    from hashsvc.catalog import Catalog
    from hashsvc.ingest.pipeline import Decode

WAIT_S = 0.05
LONGEST_S = 1.0


def run(
    job: Job,
    bench: Bench,
    lease: Lease,
    *,
    progress: OnProgress | None = None,
    decode: Decode | None = None,
    clocks: dict[str, Clock] | None = None,
) -> Job:
    """Run what is left of a job's units, until none is left to claim or ``lease`` says stop; returns the job as it is.

    Args:
        job: as it was claimed.
        bench: what its units are worked with.
        lease: held by the caller.
        progress: told after every unit, in this thread.
        decode: decodes a batch of contents; by default in this process.
        clocks: filled with where the time of each step went.

    Raises:
        Cancelled: the job was cancelled; units in hand were finished or left to nobody.
        Aborted: another worker took the job over.
        FailedPrecondition: a source changed since the job was planned.
        Unavailable: a source or the database does not answer.
    """
    return drive(job, bench.catalog, lease, partial(pipeline.run_units, bench, decode=decode, clocks=clocks), progress)


def drive(
    job: Job,
    catalog: Catalog,
    lease: Lease,
    run_units: Callable[..., Iterator[object]],
    progress: OnProgress | None = None,
) -> Job:
    """The same for any kind of unit: ``run_units(units, stop=...)`` draws and runs them."""
    pace = Pace(job)
    stop = threading.Event()
    look = patient(catalog.jobs.get)
    for _ in run_units(claims(catalog, lease, stop), stop=stop):
        job = look(job.id)
        if progress is not None:
            progress(pace.at(job))
    lease.check()
    return look(job.id)


def claims(catalog: Catalog, lease: Lease, stop: threading.Event) -> Iterator[Unit]:
    """Units as this worker claims them, until all of the job are done, the lease ends or ``stop`` is set.

    While others hold the last units it waits: they may die, and then their units come free.
    """
    look = patient(catalog.jobs.get)
    claim = patient(partial(catalog.leases.claim_unit, worker=lease.worker, lease_s=lease.seconds))
    pause = WAIT_S
    while lease.going() and not stop.is_set():
        unit = claim(lease.job)
        if unit is not None:
            pause = WAIT_S
            yield unit
            continue
        job = look(lease.job)
        if job.units_done >= job.units:
            return
        stop.wait(pause)
        pause = min(2 * pause, LONGEST_S)
