"""The Ray runner: actors on the nodes of a Ray cluster claim the units of one job; the dead are replaced.

Ray Core only places and watches the actors. What is done is known by the manifest in SQL, not by Ray: every node must
reach the catalog, the sources, the blobs and the encoder folder under the names that ``open_bench`` uses.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hashsvc.domain.jobs import Job
from hashsvc.errors import FailedPrecondition, HashsvcError, Internal, Unavailable
from hashsvc.runners.lease import Lease
from hashsvc.runners.processes import DEATHS, LOOK_S, OpenBench, work
from hashsvc.runners.progress import OnProgress, Pace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hashsvc.catalog import Catalog


class Member:
    """One actor: a bench, and the loop of the processes runner over it."""

    def __init__(self, open_bench: OpenBench) -> None:
        self._stop = threading.Event()
        self._open = open_bench

    def work(self, job: int, worker: str, seconds: float) -> tuple[int, HashsvcError | None]:
        """Run units until none is left or :meth:`stop` is called; how many, and what stopped it."""
        try:
            return work(self._open(), job, worker, seconds, self._stop), None
        except HashsvcError as error:
            return 0, error
        except Exception as error:  # its last word, told as one line
            return 0, Internal(f"an actor of the job stopped on a defect: {type(error).__name__}: {error}")

    def stop(self) -> None:
        """Stop after the units in hand."""
        self._stop.set()


def run(
    job: Job,
    catalog: Catalog,
    open_bench: OpenBench,
    lease: Lease,
    *,
    count: int,
    resources: Mapping[str, float] | None = None,
    progress: OnProgress | None = None,
) -> Job:
    """Run what is left of a job's units in ``count`` actors of the connected Ray cluster; returns the job as it is.

    Args:
        job: as it was claimed.
        catalog: where the job is, for this process.
        open_bench: opens a bench inside an actor: a function, or a partial of one, that can be imported there.
        lease: held by the caller, who goes on holding it.
        count: actors at work, spread over the nodes.
        resources: what each takes: ``num_cpus``, ``num_gpus`` (shares are fine); one CPU by default.
        progress: told whenever units were finished.

    Raises:
        FailedPrecondition: Ray is not installed, or not connected.
        Cancelled, Aborted: as the inline runner.
        Unavailable: actors died again and again without finishing a unit.
        HashsvcError: what an actor ran into.
    """
    crew = _Crew(_connected(), catalog, open_bench, lease, dict(resources or {"num_cpus": 1}))
    try:
        crew.fill(count)
        pace = Pace(job)
        while crew.members:
            crew.look()
            now = catalog.jobs.get(job.id)
            if now.units_done != job.units_done:
                job = now
                crew.deaths = 0
                if progress is not None:
                    progress(pace.at(job))
    finally:
        crew.dismiss()
    lease.check()
    return catalog.jobs.get(job.id)


@contextmanager
def connected(address: str, *, namespace: str | None = None) -> Iterator[Any]:
    """Ray, connected to a cluster for the time of a ``with`` block; a connection that is there already stays.

    Args:
        address: HOST:PORT or ``ray://HOST:PORT``, "auto" for the one on this machine, "local" to start one.
        namespace: in which actors are named.

    Raises:
        FailedPrecondition: Ray is not installed.
        Unavailable: no cluster answers there.
    """
    ray = _installed()
    if ray.is_initialized():
        yield ray
        return
    try:
        ray.init(
            address=address,
            namespace=namespace,
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False if address == "local" else None,
        )
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise Unavailable(f"no Ray cluster answers at {address!r} ({reason}): start one with `ray start`") from None
    try:
        yield ray
    finally:
        ray.shutdown()


def _installed() -> Any:
    try:
        import ray
    except ImportError:
        raise FailedPrecondition("Ray is not installed: pip install 'hashsvc[ray]'") from None
    return ray


def _connected() -> Any:
    ray = _installed()
    if not ray.is_initialized():
        raise FailedPrecondition("no Ray cluster is connected: call ray.init(address=...) first")
    return ray


class _Crew:
    """The actors of one run, by the reference of the call that each is busy with."""

    def __init__(
        self, ray: Any, catalog: Catalog, open_bench: OpenBench, lease: Lease, resources: dict[str, float]
    ) -> None:
        self.members: dict[Any, tuple[str, Any]] = {}
        self.deaths = 0
        self._ray = ray
        self._catalog = catalog
        self._open_bench = open_bench
        self._lease = lease
        # Two threads: one works, the other hears the word to stop. SPREAD puts them on different nodes.
        options = {"max_concurrency": 2, "max_restarts": 0, "scheduling_strategy": "SPREAD", **resources}
        self._actor = ray.remote(Member).options(**options)
        self._hired = 0

    def fill(self, count: int) -> None:
        """Start actors until there are ``count``."""
        while len(self.members) < count:
            self._hired += 1
            name = f"{self._lease.worker}@{self._hired}"
            actor = self._actor.remote(self._open_bench)
            self.members[actor.work.remote(self._lease.job, name, self._lease.seconds)] = (name, actor)

    def look(self) -> None:
        """Wait a moment; see who ended, and replace who died."""
        if not self._lease.going():
            self._ask_to_stop()
        ended, _ = self._ray.wait(list(self.members), timeout=LOOK_S)
        for reference in ended:
            name, actor = self.members.pop(reference)
            try:
                _, error = self._ray.get(reference)
            except self._ray.exceptions.RayError:
                self._bury(name)
            else:
                self._ray.kill(actor)
                if error is not None:
                    raise error

    def _bury(self, name: str) -> None:
        self.deaths += 1
        self._catalog.leases.renew_units(self._lease.job, name, 0.0)
        if self.deaths >= DEATHS:
            raise Unavailable(f"{DEATHS} Ray actors died in a row without finishing a unit: look at their logs")
        if self._lease.going():
            self.fill(len(self.members) + 1)

    def _ask_to_stop(self) -> None:
        for _, actor in self.members.values():
            actor.stop.remote()

    def dismiss(self) -> None:
        """End everybody; units in hand are finished or given back."""
        if not self.members:
            return
        self._ask_to_stop()
        self._ray.wait(list(self.members), num_returns=len(self.members), timeout=self._lease.seconds)
        for name, actor in self.members.values():
            self._ray.kill(actor)
            self._catalog.leases.renew_units(self._lease.job, name, 0.0)
        self.members.clear()
