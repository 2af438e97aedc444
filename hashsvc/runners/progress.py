"""Where a job stands while it runs: what is done, how fast, how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from hashsvc.domain.jobs import Counts, Job


@dataclass(frozen=True, slots=True)
class Progress:
    """A running job.

    Args:
        done: units finished, of ``units``.
        counts: rows so far, of the whole job.
        rate: rows a second of this run; 0 before the first unit.
        left: seconds until the last unit at this pace; None before the first.
    """

    job: int
    done: int
    units: int
    counts: Counts
    rate: float = 0.0
    left: float | None = None


OnProgress = Callable[[Progress], None]


class Pace:
    """Measures rate and time left of one run; units finished before it count as done, not as speed."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._began = time.monotonic()

    def at(self, job: Job) -> Progress:
        """The progress of the job as it is now."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        fresh = job.units_done - self._job.units_done
        if fresh <= 0:
            return Progress(job.id, job.units_done, job.units, job.counts)
        rate = (job.counts.read - self._job.counts.read) / seconds
        left = seconds / fresh * (job.units - job.units_done)
        return Progress(job.id, job.units_done, job.units, job.counts, rate, left)
