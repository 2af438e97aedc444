"""Writers and searchers on one live index: every answer is checked against a replay of the writes at its watermark.

Two threads add, replace and delete; six search; one merges. The same six run first without writers. Searchers keep
every answer with its watermark; at the end the writes are replayed, and each answer is compared with brute force over
the items as they stood. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from codesets import half_clustered
from numpy.typing import NDArray

from hashsvc.domain.kinds import IndexKind
from hashsvc.domain.neighbours import Neighbours
from hashsvc.index import LiveIndex, warm

BITS = 64
K = 10
RADIUS = 4
SEARCHERS = 6
WRITERS = 2
IDLE = 0.05
GONE = 128
NONE = np.zeros(0, np.int64)


@dataclass(slots=True)
class Write:
    """One write: ids, codes, deleted ids; its watermark is its place in the log."""

    ids: NDArray[np.int64]
    codes: NDArray[np.uint8]
    deleted: NDArray[np.int64]


@dataclass(slots=True)
class Answered:
    """One answer to check: query, radius (None: nearest), what came back and the watermark it spoke of."""

    query: NDArray[np.uint8]
    radius: int | None
    found: Neighbours
    watermark: int

    @property
    def bound(self) -> int:
        """No item at most this far may be missing from the answer, but ones that stand behind its last."""
        if self.radius is not None:
            return self.radius
        return int(self.found.distances[-1]) if len(self.found.ids) == K else BITS


@dataclass(slots=True)
class Traffic:
    """One live index under load."""

    live: LiveIndex
    pool: NDArray[np.uint8]
    log: list[Write] = field(default_factory=list)
    answers: list[Answered] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    stop: threading.Event = field(default_factory=threading.Event)

    def write(self, seed: int, rows: int, pause: float) -> None:
        """Add, replace and delete until told to stop."""
        rng = np.random.default_rng(seed)
        while not self.stop.is_set():
            ids = rng.choice(2 * len(self.pool), rows, replace=False).astype(np.int64)
            codes = self.pool[rng.integers(0, len(self.pool), rows)]
            deleted = rng.integers(0, 2 * len(self.pool), rows // 2)
            with self.lock:
                self.log.append(Write(ids, codes, deleted))
                self.live.apply(ids, codes, deleted, len(self.log))
            time.sleep(pause)

    def search(self, seed: int) -> None:
        """Search until told to stop, and keep every answer."""
        rng = np.random.default_rng(seed)
        taken: list[float] = []
        kept: list[Answered] = []
        while not self.stop.is_set():
            query = self.pool[rng.integers(len(self.pool))][None] ^ np.uint8(rng.integers(4))
            radius = RADIUS if len(taken) % 3 == 0 else None
            start = time.perf_counter()
            view = self.live.view()
            found = view.search(query, K) if radius is None else view.within(query, radius)
            taken.append(time.perf_counter() - start)
            kept.append(Answered(query[0], radius, found, view.watermark))
        with self.lock:
            self.latencies += taken
            self.answers += kept

    def merge(self) -> None:
        """Merge until told to stop."""
        while not self.stop.is_set():
            if not self.live.merge():
                self.stop.wait(IDLE)

    def run(self, seconds: float, writers: int, *, rows: int, pause: float) -> None:
        """Run the threads for so long; an error in one of them is raised here."""
        self.stop.clear()
        self.latencies.clear()
        tasks: list[Callable[[], None]] = [self.merge]
        tasks += [partial(self.write, number, rows, pause) for number in range(writers)]
        tasks += [partial(self.search, 100 + number) for number in range(SEARCHERS)]
        with ThreadPoolExecutor(len(tasks)) as pool:
            running = [pool.submit(self._guarded, task) for task in tasks]
            self.stop.wait(seconds)
            self.stop.set()
        for one in running:
            one.result()

    def _guarded(self, task: Callable[[], None]) -> None:
        try:
            task()
        finally:
            self.stop.set()


class Replay:
    """The items as they stood after so many writes, by id, and brute force over them."""

    def __init__(self, log: list[Write], ids: int) -> None:
        self._log = log
        self._done = 0
        self._words = np.zeros(ids, np.uint64)
        # Added to distances: it puts what is not there beyond everything.
        self._absent = np.full(ids, GONE, np.uint8)
        self._differing = np.empty(ids, np.uint64)
        self._distances = np.empty(ids, np.uint8)

    def forward(self, watermark: int) -> None:
        """Apply the writes up to ``watermark``."""
        for write in self._log[self._done : watermark]:
            self._words[write.ids] = write.codes.view(np.uint64)[:, 0]
            self._absent[write.ids] = 0
            self._absent[write.deleted] = GONE
        self._done = max(self._done, watermark)

    def agrees(self, answer: Answered) -> bool:
        """Whether an answer is what brute force finds; the ids of an answer up to its last distance say it all."""
        found, bound = answer.found, answer.bound
        np.bitwise_xor(self._words, answer.query.view(np.uint64)[0], out=self._differing)
        np.bitwise_count(self._differing, out=self._distances)
        np.add(self._distances, self._absent, out=self._distances)
        ids = np.flatnonzero(self._distances <= bound)
        distances = self._distances[ids]
        order = np.argsort(distances, kind="stable")[: K if answer.radius is None else None]
        return np.array_equal(ids[order], found.ids) and np.array_equal(distances[order], found.distances)


def wrong_answers(traffic: Traffic, threads: int = 2) -> int:
    """How many answers differ from brute force over the items at their watermark."""
    answers = sorted(traffic.answers, key=lambda answer: answer.watermark)
    size = -(-len(answers) // threads)

    def count(first: int) -> int:
        replay, wrong = Replay(traffic.log, 2 * len(traffic.pool)), 0
        for answer in answers[first : first + size]:
            replay.forward(answer.watermark)
            wrong += not replay.agrees(answer)
        return wrong

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(count, range(0, len(answers), size)))


def measure(seconds: float, items: int, *, rows: int = 50, pause: float = 0.01) -> dict[str, object]:
    """Six searchers alone, then with two writers; the latencies, and how many of all answers are wrong."""
    codes, _, _ = half_clustered(items, BITS, 1)
    traffic = Traffic(LiveIndex(BITS, IndexKind.AUTO), codes)
    traffic.log.append(Write(np.arange(items), codes, NONE))
    traffic.live.apply(np.arange(items), codes, NONE, 1)
    traffic.run(seconds / 3, 0, rows=rows, pause=pause)
    alone = np.percentile(traffic.latencies, [50, 99])
    traffic.run(seconds, WRITERS, rows=rows, pause=pause)
    busy = np.percentile(traffic.latencies, [50, 99])
    start = time.perf_counter()
    wrong = wrong_answers(traffic)
    print(f"checked in {time.perf_counter() - start:.0f} s")
    return {
        "seconds": seconds,
        "items": items,
        "writes": len(traffic.log) - 1,
        "rows_written": sum(len(write.ids) + len(write.deleted) for write in traffic.log[1:]),
        "searches": len(traffic.latencies),
        "checked": len(traffic.answers),
        "wrong": wrong,
        "p50_ms": [round(1e3 * float(alone[0]), 3), round(1e3 * float(busy[0]), 3)],
        "p99_ms": [round(1e3 * float(alone[1]), 3), round(1e3 * float(busy[1]), 3)],
        "p99_ratio": round(float(busy[1] / alone[1]), 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--json", action="store_true", help="the last line is JSON in any case")
    chosen = parser.parse_args()
    warm(bits=(BITS,))
    print(json.dumps(measure(chosen.seconds, chosen.items)))


if __name__ == "__main__":
    main()
