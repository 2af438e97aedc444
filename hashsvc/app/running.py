"""Jobs run now: who works on one, and the claim, the lease and the settling that every kind of job has in common."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hashsvc.domain.jobs import Job, Runner
from hashsvc.errors import Aborted, Cancelled, FailedPrecondition, HashsvcError, InvalidArgument
from hashsvc.ingest.helpers import MEMORY
from hashsvc.runners import processes, ray
from hashsvc.runners.lease import LEASE_S, Lease, name_worker

if TYPE_CHECKING:
    from hashsvc.catalog import Catalog
    from hashsvc.runners.progress import OnProgress


@dataclass(frozen=True, slots=True)
class Hands:
    """Who works on a job.

    Args:
        runner: who runs the units.
        processes: how many processes or actors, each a worker of its own; 1 with the inline runner.
        helpers: processes that decode for each process at work, so that a poisoned file kills a helper and not the job.
        memory: bytes a helper may take beyond its decoder.
        cpus: processors, or shares of one, that Ray sets aside for each actor; 1 by default.
        gpus: the same of accelerators; none by default.
        ray_address: of the cluster, as ``ray.init`` takes it; "local" starts one on this machine for the job.

    Raises:
        InvalidArgument: the parts do not go together.
    """

    runner: Runner = Runner.INLINE
    processes: int = 1
    helpers: int = 0
    memory: int = MEMORY
    cpus: float | None = None
    gpus: float | None = None
    ray_address: str = "local"

    def __post_init__(self) -> None:
        if self.processes < 1 or self.helpers < 0:
            raise InvalidArgument("a job needs at least one process, and no fewer than no helpers", field="processes")
        if self.runner is Runner.INLINE and self.processes > 1:
            raise InvalidArgument("the inline runner is one process: choose processes or ray", field="runner")
        for name, share in (("cpus", self.cpus), ("gpus", self.gpus)):
            if share is not None and (self.runner is not Runner.RAY or share < 0):
                raise InvalidArgument(f"{name} are what Ray sets aside for each actor, 0 or more", field=name)

    @property
    def resources(self) -> dict[str, float]:
        """What Ray sets aside for each actor."""
        return {"num_cpus": 1.0 if self.cpus is None else self.cpus, "num_gpus": self.gpus or 0.0}


def run_now(catalog: Catalog, job: Job, work: Callable[[Lease], Mapping[str, Any]]) -> Job:
    """Claim a planned job, let ``work`` run what is left of it, settle it; returns it as it ended.

    Args:
        catalog: where the job is.
        job: as it was planned.
        work: gives the result as JSON.

    Raises:
        FailedPrecondition: another worker has it.
        Aborted: another worker took it over; it goes on there.
        Cancelled: the job was cancelled.
        HashsvcError: what stopped it; the job is then settled as failed.
        KeyboardInterrupt: the job is then left as it is, and may be gone on with.
    """
    name = name_worker()
    if catalog.leases.claim(name, LEASE_S, job=job.id) is None:
        raise FailedPrecondition(
            f"job {job.id} is run by another worker, or final: see it with `hashsvc jobs show {job.id}`"
        )
    stop = threading.Event()
    try:
        with Lease(catalog, job.id, name, stop=stop) as lease:
            try:
                result = work(lease)
            except KeyboardInterrupt:
                stop.set()  # the lease is given back: the same call goes on with the job at once
                raise
    except Aborted:
        raise  # it is another worker's by now, and that one's to settle
    except Cancelled:
        catalog.leases.cancelled(job.id, name)
        raise
    except Exception as error:
        with suppress(HashsvcError):  # what stopped it matters more; the lease then runs out by itself
            catalog.leases.fail(job.id, name, str(error) or type(error).__name__)
        raise
    return catalog.leases.finish(job.id, name, result)


def share_out(
    job: Job,
    catalog: Catalog,
    open_bench: processes.OpenBench,
    lease: Lease,
    *,
    hands: Hands,
    progress: OnProgress | None = None,
) -> Job:
    """Let other processes or Ray actors, as ``hands`` says, run what is left of a claimed job's units."""
    if hands.runner is Runner.PROCESSES:
        return processes.run(job, catalog, open_bench, lease, count=hands.processes, progress=progress)
    with ray.connected(hands.ray_address):
        return ray.run(
            job, catalog, open_bench, lease, count=hands.processes, resources=hands.resources, progress=progress
        )
