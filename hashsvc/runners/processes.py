"""The processes runner: several processes on this machine claim the units of one job; the dead are replaced.

The manifest and the steps are those of the inline runner. Processes are spawned, never forked.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING, Protocol

from hashsvc.domain.jobs import Counts, Job, Unit
from hashsvc.errors import HashsvcError, Internal, Unavailable
from hashsvc.runners.inline import claims
from hashsvc.runners.lease import Lease
from hashsvc.runners.progress import OnProgress, Pace

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

    from hashsvc.catalog import Catalog


class Bench(Protocol):
    """What the units of one job are worked with, and how."""

    @property
    def catalog(self) -> Catalog:
        """Where the job is."""
        ...

    def run_units(self, units: Iterable[Unit], *, stop: threading.Event) -> Iterator[tuple[Unit, Counts]]:
        """Run units as they come; each is given once it is committed."""
        ...


OpenBench = Callable[[], Bench]
LOOK_S = 0.2
DEATHS = 5


@dataclass(slots=True)
class _Member:
    name: str
    process: SpawnProcess
    pipe: Connection


@dataclass(frozen=True, slots=True)
class _Task:
    """What a member is told: everything it needs travels to it."""

    open_bench: OpenBench
    job: int
    worker: str
    seconds: float


def run(
    job: Job,
    catalog: Catalog,
    open_bench: OpenBench,
    lease: Lease,
    *,
    count: int,
    progress: OnProgress | None = None,
) -> Job:
    """Run what is left of a job's units in ``count`` processes; returns the job as it is.

    Args:
        job: as it was claimed.
        catalog: where the job is, for this process.
        open_bench: opens a bench inside a process: a function, or a partial of one, that can be imported there.
        lease: held by the caller, who goes on holding it.
        count: processes at work.
        progress: told whenever units were finished.

    Raises:
        Cancelled, Aborted: as the inline runner.
        Unavailable: processes died again and again without finishing a unit.
        HashsvcError: what a process ran into.
    """
    crew = Crew(job, catalog, open_bench, lease)
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


class Crew:
    """The processes of one run."""

    def __init__(self, job: Job, catalog: Catalog, open_bench: OpenBench, lease: Lease) -> None:
        self.members: list[_Member] = []
        self.deaths = 0
        self._catalog = catalog
        self._task = _Task(open_bench, job.id, lease.worker, lease.seconds)
        self._lease = lease
        self._context = multiprocessing.get_context("spawn")
        self._stop: Event = self._context.Event()
        self._hired = 0

    def fill(self, count: int) -> None:
        """Start processes until there are ``count``."""
        while len(self.members) < count:
            self._hired += 1
            name = f"{self._task.worker}#{self._hired}"
            task = _Task(self._task.open_bench, self._task.job, name, self._task.seconds)
            ours, theirs = self._context.Pipe(duplex=False)
            # No daemon: those may have no helpers of their own. It sees by itself when we are gone.
            process = self._context.Process(target=_work, args=(task, self._stop, theirs), name=name, daemon=False)
            process.start()
            theirs.close()
            self.members.append(_Member(name, process, ours))

    def look(self) -> None:
        """Wait a moment; see who ended, and replace who died."""
        if not self._lease.going():
            self._stop.set()
        ended = wait([member.process.sentinel for member in self.members], timeout=LOOK_S)
        for member in [member for member in self.members if member.process.sentinel in ended]:
            self.members.remove(member)
            self._settle(member)

    def _settle(self, member: _Member) -> None:
        member.process.join()
        died = member.process.exitcode != 0
        error = _last_word(member.pipe)
        member.process.close()
        if error is not None:
            raise error
        if not died:
            return
        self.deaths += 1
        self._catalog.leases.renew_units(self._task.job, member.name, 0.0)
        if self.deaths >= DEATHS:
            raise Unavailable(
                f"{DEATHS} processes died in a row without finishing a unit: give them more memory, or let helpers "
                "decode (--helpers), so that content which kills its decoder costs one row"
            )
        if not self._stop.is_set():
            self.fill(len(self.members) + 1)

    def dismiss(self) -> None:
        """End everybody; units in hand are given back."""
        self._stop.set()
        for member in self.members:
            member.process.join(self._lease.seconds)
            if member.process.is_alive():
                member.process.kill()
                member.process.join()
            member.process.close()
            member.pipe.close()
        self.members.clear()


def _last_word(pipe: Connection) -> HashsvcError | None:
    with pipe:
        try:
            error = pipe.recv() if pipe.poll() else None
        except (EOFError, OSError):
            return None
    return error if isinstance(error, HashsvcError) else None


def _work(task: _Task, stop: Event, pipe: Connection) -> None:
    """A member's life: claim and run units until none is left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which tells us to stop
    try:
        work(task.open_bench(), task.job, task.worker, task.seconds, _Orphan(stop))
    except HashsvcError as error:
        pipe.send(error)
    except Exception as error:  # its last word, told as one line
        pipe.send(Internal(f"a process of the job stopped on a defect: {type(error).__name__}: {error}"))
        raise


class _Orphan:
    """The parent's wish to stop, or its death."""

    def __init__(self, stop: Event) -> None:
        self._stop = stop

    def is_set(self) -> bool:
        parent = multiprocessing.parent_process()
        return self._stop.is_set() or (parent is not None and not parent.is_alive())


def work(bench: Bench, job: int, worker: str, seconds: float, stop: _Orphan | threading.Event) -> int:
    """Be one of several workers on a job that another holds; returns how many units were run."""
    over = threading.Event()
    count = 0
    with Lease(bench.catalog, job, worker, seconds=seconds, stop=stop, alone=False) as lease:
        for _ in bench.run_units(claims(bench.catalog, lease, over), stop=over):
            count += 1
    return count
