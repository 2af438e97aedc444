"""Writers and searchers on one live index: every answer is checked against a replay of the writes at its watermark.

Two threads add, replace and delete; six search; one merges in the background. The same six run first without writers.
Each searcher keeps a sample of its answers, with their watermarks; at the end the writes are replayed by brute force
and every kept answer is compared. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from dataclasses import dataclass, field

import numpy as np
from codesets import half_clustered
from numpy.typing import NDArray

from hashsvc.codes import hamming
from hashsvc.domain.kinds import IndexKind
from hashsvc.domain.neighbours import Neighbours
from hashsvc.index import LiveIndex, warm
from hashsvc.index.background import Merging

BITS = 64
K = 10
RADIUS = 4
SEARCHERS = 6
WRITERS = 2
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

    def search(self, seed: int, keep_every: int) -> None:
        """Search until told to stop; keep every so many answers."""
        rng = np.random.default_rng(seed)
        number, taken, kept = 0, [], []
        while not self.stop.is_set():
            number += 1
            query = self.pool[rng.integers(len(self.pool))][None] ^ np.uint8(rng.integers(4))
            radius = RADIUS if number % 3 == 0 else None
            start = time.perf_counter()
            view = self.live.view()
            found = view.search(query, K) if radius is None else view.within(query, radius)
            taken.append(time.perf_counter() - start)
            if number % keep_every == 0:
                kept.append(Answered(query[0], radius, found, view.watermark))
        with self.lock:
            self.latencies += taken
            self.answers += kept

    def run(self, seconds: float, writers: int, *, rows: int, pause: float, keep_every: int) -> None:
        """Run the threads for so long; an error in one of them is raised here."""
        self.stop.clear()
        self.latencies.clear()
        errors: list[BaseException] = []

        def guarded(run: object, *arguments: object) -> None:
            try:
                run(*arguments)  # type: ignore[operator]
            except BaseException as error:
                errors.append(error)
                self.stop.set()

        threads = [threading.Thread(target=guarded, args=(self.write, n, rows, pause)) for n in range(writers)]
        threads += [threading.Thread(target=guarded, args=(self.search, 100 + n, keep_every)) for n in range(SEARCHERS)]
        with Merging(lambda: [self.live]):
            for thread in threads:
                thread.start()
            self.stop.wait(seconds)
            self.stop.set()
            for thread in threads:
                thread.join()
        if errors:
            raise errors[0]


def wrong_answers(traffic: Traffic) -> int:
    """Replay the writes and count kept answers that differ from brute force at their watermark."""
    items: dict[int, NDArray[np.uint8]] = {}
    wrong, done = 0, 0
    for answer in sorted(traffic.answers, key=lambda answer: answer.watermark):
        for write in traffic.log[done : answer.watermark]:
            items.update(zip(write.ids.tolist(), write.codes, strict=True))
            for number in write.deleted.tolist():
                items.pop(number, None)
        done = max(done, answer.watermark)
        wrong += _expected(items, answer) != _given(answer.found)
    return wrong


def _given(found: Neighbours) -> list[tuple[int, int]]:
    return list(zip(found.distances.tolist(), found.ids.tolist(), strict=True))


def _expected(items: dict[int, NDArray[np.uint8]], answer: Answered) -> list[tuple[int, int]]:
    ids = np.fromiter(items, np.int64, len(items))
    distances = hamming(np.array(list(items.values()), np.uint8).reshape(-1, BITS // 8), answer.query)
    if answer.radius is None:
        near = distances <= np.partition(distances, min(K, len(ids)) - 1)[min(K, len(ids)) - 1]
    else:
        near = distances <= answer.radius
    order = np.lexsort((ids[near], distances[near]))
    pairs = list(zip(distances[near][order].tolist(), ids[near][order].tolist(), strict=True))
    return pairs[:K] if answer.radius is None else pairs


def measure(
    seconds: float, items: int, *, rows: int = 50, pause: float = 0.01, checked: int = 3000
) -> dict[str, object]:
    """Six searchers alone, then with two writers; the latencies, and how many of the checked answers are wrong."""
    codes, _, _ = half_clustered(items, BITS, 1)
    traffic = Traffic(LiveIndex(BITS, IndexKind.AUTO), codes)
    traffic.log.append(Write(np.arange(items), codes, NONE))
    traffic.live.apply(np.arange(items), codes, NONE, 1)
    traffic.run(seconds / 3, 0, rows=rows, pause=pause, keep_every=1 << 40)
    alone = np.percentile(traffic.latencies, [50, 99])
    each = max(1, int(len(traffic.latencies) * 3 / checked))
    traffic.run(seconds, WRITERS, rows=rows, pause=pause, keep_every=each)
    busy = np.percentile(traffic.latencies, [50, 99])
    return {
        "seconds": seconds,
        "items": items,
        "writes": len(traffic.log) - 1,
        "rows_written": sum(len(write.ids) + len(write.deleted) for write in traffic.log[1:]),
        "searches": len(traffic.latencies),
        "checked": len(traffic.answers),
        "wrong": wrong_answers(traffic),
        "p50_ms": [round(1e3 * float(alone[0]), 3), round(1e3 * float(busy[0]), 3)],
        "p99_ms": [round(1e3 * float(alone[1]), 3), round(1e3 * float(busy[1]), 3)],
        "p99_ratio": round(float(busy[1] / alone[1]), 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--json", action="store_true", help="the last line is JSON in any case")
    chosen = parser.parse_args()
    warm(bits=(BITS,))
    print(json.dumps(measure(chosen.seconds, chosen.items)))


if __name__ == "__main__":
    main()
