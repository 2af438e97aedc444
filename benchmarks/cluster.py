"""The claim: a collection split over shards answers as one index does, at less than three times its latency.

Each shard is a server process of its own on this machine, and the router asks them over gRPC; the same items in one
process, asked over gRPC by the same loop, are the baseline of the same run. Example:

    python benchmarks/cluster.py --items 200000 --shards 2 4 --json
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hashsvc.app import open_store
from hashsvc.client import Client
from hashsvc.client.router import Router, shard_of
from hashsvc.domain.items import Item
from hashsvc.domain.neighbours import Match
from hashsvc.domain.queries import CodeQuery

NAME, BITS, K = "codes", 64, 10
BATCH = 10_000
WARM = 50
DEADLINE_S = 20.0


def make_codes(count: int, seed: int) -> list[bytes]:
    """Codes in clusters, so that distances tie as learned codes do."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 256, (1000, BITS // 8), dtype=np.uint8)
    flips = np.packbits(rng.random((count, BITS)) < 0.1, axis=1)
    return [code.tobytes() for code in centres[rng.integers(0, 1000, count)] ^ flips]


def fill(folder: Path, items: Sequence[Item]) -> None:
    """A store with these items."""
    with open_store(str(folder)) as store:
        store.create_collection(NAME, bits=BITS)
        for start in range(0, len(items), BATCH):
            store.upsert(NAME, items[start : start + BATCH])


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A server process over a store; its address."""
    command = [sys.executable, "-m", "hashsvc", "serve", "--store", str(folder), "--listen", "127.0.0.1:0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["listening"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def ask(search: Callable[[CodeQuery], Sequence[Match]], queries: Sequence[bytes]) -> tuple[float, list[Any]]:
    """Median latency in ms of one query after another, and the matches of each."""
    for code in queries[:WARM]:
        search(CodeQuery(code))
    times, found = [], []
    for code in queries:
        began = time.perf_counter()
        matches = search(CodeQuery(code))
        times.append(time.perf_counter() - began)
        found.append(matches)
    return statistics.median(times) * 1e3, found


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One process, then each number of shards."""
    items = [Item(f"k{i}", None, code) for i, code in enumerate(make_codes(options.items, 0))]
    queries = make_codes(options.queries, 1)
    fill(folder / "one", items)
    with server(folder / "one") as address, Client(address, timeout=DEADLINE_S) as client:
        base, expected = ask(lambda query: client.search(NAME, [query], k=K)[0].matches, queries)
    result: dict[str, Any] = {"items": options.items, "single_p50_ms": round(base, 3), "shards": {}}
    for shards in options.shards:
        p50, found = measure_shards(folder / f"of{shards}", items, queries, shards)
        facts = {"p50_ms": round(p50, 3), "p50_ratio": round(p50 / base, 2), "equal": found == expected}
        result["shards"][str(shards)] = facts
    return result


def measure_shards(
    folder: Path, items: Sequence[Item], queries: Sequence[bytes], shards: int
) -> tuple[float, list[Any]]:
    """The router over so many server processes: median latency in ms, and the matches of each query."""
    for number in range(shards):
        fill(folder / str(number), [item for item in items if shard_of(item.key, shards) == number])
    with ExitStack() as stack:
        clients = [
            stack.enter_context(Client(stack.enter_context(server(folder / str(n))), timeout=DEADLINE_S))
            for n in range(shards)
        ]
        router = stack.enter_context(Router(clients))
        return ask(lambda query: router.search(NAME, [query], k=K).answers[0].matches, queries)


def main() -> None:
    """Measure, and print one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--shards", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--json", action="store_true", help="accepted for uniformity: the last line is JSON anyway")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hashsvc-cluster-", ignore_cleanup_errors=True) as folder:
        print(json.dumps(measure(Path(folder), options)))


if __name__ == "__main__":
    main()
