"""The job door: claims jobs from SQL, runs them, and finishes or fails them. Any number of workers, on any machine."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hashsvc.domain.jobs import Job, JobKind, JobState
from hashsvc.errors import Aborted, Cancelled, FailedPrecondition, HashsvcError, Unavailable
from hashsvc.runners.lease import LEASE_S, Lease, name_worker

if TYPE_CHECKING:
    from hashsvc.catalog import Catalog

POLL_S = 1.0
PAUSE_S = 10.0
MAX_ERROR = 2000
log = logging.getLogger(__name__)

Flow = Callable[[Job, Lease], Mapping[str, Any]]
"""Runs one claimed job to its end and gives its result as JSON; asks ``lease.going()`` between two units, and raises
what ``lease.check()`` raises when it stopped for that."""


def run(
    catalog: Catalog,
    flows: Mapping[JobKind, Flow],
    *,
    once: bool = False,
    stop: threading.Event | None = None,
    worker: str = "",
    lease_s: float = LEASE_S,
    poll_s: float = POLL_S,
) -> int:
    """Claim and run jobs until ``stop`` is set; returns how many were run.

    A job that fails takes its error as one line with it; the worker goes on. A job whose source or database is away is
    left, and tried again after a pause by whoever claims it then. A job held when ``stop`` is set ends after
    the unit in hand and is left to others. While no job waits, it helps others with the units of theirs.

    Args:
        catalog: where the jobs are.
        flows: how each kind of job is run; kinds that are missing fail with a line that says so.
        once: return as soon as no job waits.
        stop: set it to end; by default nobody does.
        worker: name in the catalog; must differ from every other worker's.
        lease_s: seconds without a heartbeat after which another worker may take over.
        poll_s: seconds between two looks while nothing waits.
    """
    stop = stop or threading.Event()
    worker = worker or name_worker()
    count = 0
    while not stop.is_set():
        job = _claim(catalog, worker, lease_s)
        if job is not None:
            _run(catalog, flows, job, Lease(catalog, job.id, worker, seconds=lease_s, stop=stop))
            count += 1
        elif once:
            break
        elif not _assist(catalog, flows, worker, lease_s, stop):
            stop.wait(poll_s)
    return count


def _claim(catalog: Catalog, worker: str, lease_s: float) -> Job | None:
    try:
        return catalog.leases.claim(worker, lease_s)
    except (Unavailable, Aborted) as error:
        log.warning("no job could be claimed: %s", error)
        return None


def _run(catalog: Catalog, flows: Mapping[JobKind, Flow], job: Job, lease: Lease) -> None:
    log.info("job %d (%s) begins", job.id, job.kind)
    try:
        flow = flows.get(job.kind)
        if flow is None:
            raise FailedPrecondition(f"this worker runs no {job.kind} jobs")
        with lease:
            result = flow(job, lease)
        if lease.going():
            catalog.leases.finish(job.id, lease.worker, result)
            log.info("job %d is done", job.id)
    except Aborted as error:
        log.warning("job %d goes on elsewhere: %s", job.id, error)
    except Exception as error:
        # A defect in one job must not take the worker, and with it every other job, down.
        try:
            _settle(catalog, job, lease, error)
        except HashsvcError as further:
            log.warning("job %d is left as it is (%s) after: %s", job.id, further, error)


def _settle(catalog: Catalog, job: Job, lease: Lease, error: Exception) -> None:
    """What becomes of a job that stopped: cancelled, left to whoever comes after a pause, or failed."""
    if isinstance(error, Cancelled):
        catalog.leases.cancelled(job.id, lease.worker)
        log.info("job %d is cancelled", job.id)
    elif isinstance(error, Unavailable):
        pause = min(PAUSE_S, lease.seconds)
        catalog.leases.put_back(job.id, lease.worker, f"{error.message}; it is tried again", pause)
        log.warning("job %d waits %.0f s: %s", job.id, pause, error)
    elif isinstance(error, HashsvcError):
        _fail(catalog, job, lease, error.message)
    else:
        log.exception("job %d stopped on a defect", job.id)
        _fail(catalog, job, lease, f"internal error: {type(error).__name__}: {error}")


def _assist(
    catalog: Catalog, flows: Mapping[JobKind, Flow], worker: str, lease_s: float, stop: threading.Event
) -> bool:
    """Help another worker with the units of its job; whether there was one. It stays that worker's to finish."""
    try:
        running = [job for job in catalog.jobs.list(JobState.RUNNING) if _shareable(job) and job.kind in flows]
        if not running:
            return False
        job = running[-1]
        with Lease(catalog, job.id, worker, seconds=lease_s, stop=stop, alone=False) as lease:
            flows[job.kind](job, lease)
    except HashsvcError as error:
        log.warning("helping with a job ended: %s", error)
        stop.wait(lease_s / 10)
    except Exception:  # as in a job of one's own
        log.exception("helping with a job stopped on a defect")
        stop.wait(lease_s / 10)
    return True


def _shareable(job: Job) -> bool:
    return job.kind is JobKind.INGEST and 0 < job.units_done < job.units - 1


def _fail(catalog: Catalog, job: Job, lease: Lease, message: str) -> None:
    line = " ".join(message.split())[:MAX_ERROR]
    log.error("job %d failed: %s", job.id, line)
    catalog.leases.fail(job.id, lease.worker, line)
