"""Lanes: one bounded thread pool a class of methods. A call that finds its lane full is refused at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hashsvc.server.methods import Lane

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SMOOTHING = 0.1
SHORTEST_WAIT = 0.05
LONGEST_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class Size:
    """Threads of a lane, and calls that may wait for one."""

    threads: int
    waiting: int


def sizes(threads: int) -> Mapping[Lane, Size]:
    """The sizes of all lanes for a server of ``threads`` search threads.

    A thread of the search lane mostly waits for its batch (see gathering.py): the more of them, the larger the batches,
    and the more of them to wake. Streams wait for nothing: each holds its thread, which is cheap, until it ends.
    """
    return {
        Lane.SEARCH: Size(2 * threads, 10 * threads),
        Lane.READ: Size(threads, 16 * threads),
        Lane.WRITE: Size(threads, 16 * threads),
        Lane.STREAM: Size(16 * threads, 0),
        Lane.CONTROL: Size(8, 256),
        Lane.OPEN: Size(8, 0),
    }


class AtOnce(ThreadPoolExecutor):
    """Runs what it is given on the thread that gives it: for refusals, which must not wait in a queue."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As ThreadPoolExecutor; done when it returns."""
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done


class Pool(ThreadPoolExecutor):
    """A thread pool that knows how many calls it holds and about how long each takes.

    gRPC asks ``full`` and then submits from one and the same thread, so that the two need no common lock.
    """

    def __init__(self, lane: Lane, size: Size) -> None:
        super().__init__(max_workers=size.threads, thread_name_prefix=f"hashsvc-{lane}")
        self.lane = lane
        self.size = size
        self._held = 0
        self._seconds = 0.0
        self._guard = threading.Lock()
        self._coming = 0
        self._own = threading.local()

    @property
    def coming(self) -> int:
        """Calls that have a thread and whose request is still being read."""
        return self._coming

    def arrived(self) -> None:
        """The request of this thread's call was read; of no consequence on a thread of another pool."""
        if getattr(self._own, "coming", False):
            self._own.coming = False
            with self._guard:
                self._coming -= 1

    @property
    def held(self) -> int:
        """Calls that run or wait."""
        return self._held

    @property
    def running(self) -> int:
        """Calls that have a thread."""
        return min(self._held, self.size.threads)

    @property
    def full(self) -> bool:
        """Whether one more call would have to be refused: no place to wait, or too long to wait there."""
        if self._held < self.size.threads:
            return False
        return self._held >= self.size.threads + self.size.waiting or self._queue > LONGEST_WAIT

    @property
    def wait(self) -> float:
        """Seconds after which a refused call may find room: the time in which half of what waits will be done."""
        return max(SHORTEST_WAIT, self._queue / 2)

    @property
    def _queue(self) -> float:
        """Seconds until all that is held will be done."""
        return self._seconds * self._held / self.size.threads

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As ThreadPoolExecutor."""
        with self._guard:
            self._held += 1
        try:
            return super().submit(self._run, fn, args, kwargs)
        except RuntimeError:
            self._let_go()
            raise

    def _run(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        start = time.perf_counter()
        self._own.coming = True
        with self._guard:
            self._coming += 1
        try:
            return fn(*args, **kwargs)
        finally:
            self.arrived()
            self._seconds += SMOOTHING * (time.perf_counter() - start - self._seconds)
            self._let_go()

    def _let_go(self) -> None:
        with self._guard:
            self._held -= 1
