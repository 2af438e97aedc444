"""Holding a job while it is worked on: a heartbeat renews the lease and brings back the word to stop."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from hashsvc.catalog import LEASE_LOST
from hashsvc.domain.jobs import JobState
from hashsvc.errors import Aborted, Cancelled, HashsvcError, NotFound

if TYPE_CHECKING:
    from hashsvc.catalog import Catalog

LEASE_S = 60.0
LOOK_S = 1.0


def name_worker() -> str:
    """A name that no other worker has: host, process and a few random digits."""
    return f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(3)}"


class Stop(Protocol):
    """A flag that several threads, or several processes, see."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...


class Lease:
    """A job held by one worker, as a context manager.

    At the end it is given back when nobody will settle it: ``stop`` was set, or another's write won. One of several
    workers always gives its units back: whoever leaves stores none of them any more.

    Args:
        job: number of the job.
        worker: name under which its units are claimed.
        seconds: after so long without a heartbeat others take over.
        stop: set by whoever wants this worker to stop between two units.
        alone: False for one of several workers on a job that another holds: only its own units are renewed.
    """

    def __init__(
        self,
        catalog: Catalog,
        job: int,
        worker: str,
        *,
        seconds: float = LEASE_S,
        stop: Stop | None = None,
        alone: bool = True,
    ) -> None:
        self.job = job
        self.worker = worker
        self.seconds = seconds
        self._alone = alone
        self._renew = catalog.leases.heartbeat if alone else catalog.leases.renew_units
        self._stop: Stop = stop or threading.Event()
        self._over = threading.Event()
        self._lost: HashsvcError | None = None
        self._thread = threading.Thread(target=self._beat, name=f"lease of job {job}", daemon=True)

    def going(self) -> bool:
        """Whether to take the next unit."""
        return self._lost is None and not self._stop.is_set()

    def check(self) -> None:
        """Raise Cancelled when the job was cancelled, Aborted when another worker holds it, else nothing."""
        if self._lost is not None:
            raise self._lost

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        unsettled = self._stop.is_set() or isinstance(error, Aborted) or not self._alone
        if self._lost is None and unsettled:
            with suppress(HashsvcError):  # the lease runs out by itself
                self._renew(self.job, self.worker, 0.0)

    def _beat(self) -> None:
        pause = min(LOOK_S, self.seconds / 3)
        while self._lost is None and not self._over.wait(pause):
            try:
                self._look()
            except HashsvcError as error:
                # Whatever else went wrong, the next beat may succeed; and who writes is checked with the write.
                if error.reason == LEASE_LOST or isinstance(error, NotFound):
                    self._lost = Aborted(error.message, reason=LEASE_LOST)

    def _look(self) -> None:
        job = self._renew(self.job, self.worker, self.seconds)
        if job.state in {JobState.CANCELLING, JobState.CANCELLED}:
            self._lost = Cancelled(f"job {self.job} was cancelled")
        elif job.state.final:
            self._lost = Aborted(f"job {self.job} is {job.state} already", reason=LEASE_LOST)
