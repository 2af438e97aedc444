"""A line of steps, each in its own thread, with bounded queues between them: reading, encoding and storing overlap.

What is in flight is bounded: at most one item in every step's hands and ``depth`` before it, and of all steps together
at most ``most`` that the last has not finished.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from queue import Empty, Full, Queue
from typing import Any

PATIENCE_S = 0.05


@dataclass(slots=True)
class Clock:
    """Where the time of one step went, in seconds.

    Args:
        busy: working.
        starved: waiting for the step before it.
        blocked: waiting for the step behind it.
    """

    busy: float = 0.0
    starved: float = 0.0
    blocked: float = 0.0


@dataclass(slots=True)
class _End:
    """The end of the line's input, or the error that stopped a step."""

    error: BaseException | None = None


@dataclass(slots=True)
class Line:
    """Steps that items pass one after the other, in order.

    Args:
        steps: name and function of each.
        depth: items that may wait before a step.
        most: items between the source and the end of the last step, together; None sets no bound of its own.
    """

    steps: dict[str, Callable[[Any], Any]]
    depth: int = 1
    most: int | None = None
    clocks: dict[str, Clock] = field(default_factory=dict)

    def run(self, source: Iterable[Any], stop: threading.Event | None = None) -> Iterator[Any]:
        """Results of the last step, in order; drawing from ``source`` is a step of its own, called "source".

        The first error of any step stops the line and is raised here; what passed the last step before it is given
        first. Closing the iterator stops the line. ``stop`` is set when the line stops; a source that waits by itself
        must look at it.
        """
        stop = stop or threading.Event()
        queues: list[Queue[Any]] = [Queue(self.depth) for _ in range(len(self.steps) + 1)]
        self.clocks.update({name: Clock() for name in ("source", *self.steps)})
        room = threading.Semaphore(self.most) if self.most else None
        threads = [threading.Thread(target=self._draw, args=(source, queues[0], room, stop), daemon=True)]
        for position, (name, step) in enumerate(self.steps.items()):
            last = position == len(self.steps) - 1
            done = _leaving(step, room) if room and last else step
            arguments = (self.clocks[name], done, queues[position], queues[position + 1], stop)
            threads.append(threading.Thread(target=_work, args=arguments, daemon=True))
        for thread in threads:
            thread.start()
        try:
            while not isinstance(result := _get(queues[-1], stop), _End):
                yield result
            if result.error is not None:
                raise result.error
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    def _draw(
        self, source: Iterable[Any], out: Queue[Any], room: threading.Semaphore | None, stop: threading.Event
    ) -> None:
        clock = self.clocks["source"]
        items = iter(source)
        end = _End()
        try:
            while not stop.is_set():
                began = time.perf_counter()
                if room and not room.acquire(timeout=PATIENCE_S):
                    clock.blocked += time.perf_counter() - began
                    continue
                clock.blocked += time.perf_counter() - began
                began = time.perf_counter()
                item = next(items, end)
                clock.busy += time.perf_counter() - began
                if item is end:
                    break
                clock.blocked += _put(out, item, stop)
        except BaseException as error:  # whatever stopped it is raised where the line is drawn from
            end.error = error
        _put(out, end, stop)


def _leaving(step: Callable[[Any], Any], room: threading.Semaphore) -> Callable[[Any], Any]:
    """``step``, and room for another item once it has ended."""

    def leaving(item: Any) -> Any:
        try:
            return step(item)
        finally:
            room.release()

    return leaving


def _work(clock: Clock, step: Callable[[Any], Any], into: Queue[Any], out: Queue[Any], stop: threading.Event) -> None:
    while True:
        began = time.perf_counter()
        item = _get(into, stop)
        clock.starved += time.perf_counter() - began
        if not isinstance(item, _End):
            began = time.perf_counter()
            try:
                item = step(item)
            except BaseException as error:  # as above
                item = _End(error)
            clock.busy += time.perf_counter() - began
        clock.blocked += _put(out, item, stop)
        if isinstance(item, _End):
            return


def _get(queue: Queue[Any], stop: threading.Event) -> Any:
    while not stop.is_set():
        try:
            return queue.get(timeout=PATIENCE_S)
        except Empty:
            continue
    return _End()


def _put(queue: Queue[Any], item: Any, stop: threading.Event) -> float:
    """Seconds it took to find room; the item is dropped once the line stops."""
    began = time.perf_counter()
    while not stop.is_set():
        try:
            queue.put(item, timeout=PATIENCE_S)
            break
        except Full:
            continue
    return time.perf_counter() - began
