"""Mixed load for ten minutes: memory, threads and file descriptors of the server after it has warmed up.

A server of its own process holds one collection of ready codes; clients search (one query and many, with and without
metadata and filter), ask for all within a radius, overwrite, delete, list and upload in streams, over a fixed set of
keys. Memory is sampled all the while; the first fifth of the time is warm-up.

    python benchmarks/soak.py --json [--seconds 600] [--items 20000] [--pause 0.01]

The last line is one JSON object: growth (resident memory of the last fifth against the second, medians), threads and
descriptors (least and most after warm-up), calls and errors.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from hashsvc.client import Client
    from hashsvc.domain.items import Item

BITS, K, RADIUS = 64, 10, 14
NAME = "soak"
SAMPLE_SECONDS = 0.5
WARM = 0.2


@dataclass
class Sample:
    """The server at one moment."""

    at: float
    mib: float
    threads: int
    descriptors: int


@dataclass
class Soak:
    """What happened so far."""

    items: int
    pause: float
    calls: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self, address: str, seed: int) -> None:
        """One client, until it is told to stop."""
        from hashsvc.client import Client
        from hashsvc.errors import HashsvcError

        with Client(address, timeout=300.0) as client:
            one = Visitor(client, random.Random(seed), self.items)
            while not self.stop.wait(self.pause):
                act = one.chance.choice(ACTS)
                try:
                    act(one)
                    self.calls[act.__name__] += 1
                except HashsvcError as error:
                    self.errors[f"{act.__name__}: {error.reason}"] += 1


@dataclass
class Visitor:
    """One client with its own chance."""

    client: Client
    chance: random.Random
    items: int


def code(chance: random.Random) -> bytes:
    """A code near one of a thousand centres."""
    centre = random.Random(chance.randrange(1_000)).getrandbits(BITS)
    return (centre ^ (1 << chance.randrange(BITS)) ^ (1 << chance.randrange(BITS))).to_bytes(BITS // 8)


def search(one: Visitor) -> None:
    """One query or a few, by code or by key."""
    from hashsvc.domain.queries import CodeQuery

    one.client.search(NAME, [CodeQuery(code(one.chance)) for _ in range(one.chance.choice((1, 1, 1, 20)))], k=K)


def filtered(one: Visitor) -> None:
    """One query over those that pass a filter."""
    from hashsvc.domain.filters import Comparison, Operator
    from hashsvc.domain.queries import CodeQuery

    one.client.search(
        NAME, [CodeQuery(code(one.chance))], k=K, filter=Comparison("n", Operator.LT, (one.chance.randrange(100),))
    )


def numbers(one: Visitor) -> None:
    """Arrays in and out."""
    one.client.neighbours(
        NAME, np.frombuffer(b"".join(code(one.chance) for _ in range(64)), np.uint8).reshape(64, -1), k=K
    )


def within(one: Visitor) -> None:
    """All within a radius."""
    from hashsvc.domain.queries import CodeQuery

    one.client.within(NAME, CodeQuery(code(one.chance)), radius=RADIUS)


def write(one: Visitor) -> None:
    """Overwrite a few."""
    one.client.upsert(NAME, some(one, 5))


def upload(one: Visitor) -> None:
    """Overwrite more, as a stream."""
    for _ in one.client.upsert_stream(NAME, some(one, 60), batch_items=20):
        pass


def delete(one: Visitor) -> None:
    """Delete one, which a later write brings back."""
    one.client.delete_items(NAME, keys=[f"k{one.chance.randrange(one.items)}"])


def page(one: Visitor) -> None:
    """Look around."""
    one.client.list_items(NAME, page_size=50)
    one.client.count_items(NAME)
    one.client.collections()


ACTS: list[Callable[[Visitor], None]] = [
    *[search] * 6,
    filtered,
    numbers,
    within,
    *[write] * 2,
    upload,
    delete,
    page,
]


def some(one: Visitor, count: int) -> list[Item]:
    """New states of a few items."""
    keys = sorted({f"k{one.chance.randrange(one.items)}" for _ in range(count)})
    return [item(key, one.chance) for key in keys]


def item(key: str, chance: random.Random) -> Item:
    """One state of an item."""
    from hashsvc.domain.items import Item

    return Item(key, code=code(chance), metadata={"n": chance.randrange(100), "text": key * 5})


def serve_here(folder: str, items: int) -> None:
    """The server, in a process of its own."""
    from hashsvc.app import open_store
    from hashsvc.domain.kinds import FieldType
    from hashsvc.index import warm
    from hashsvc.server import serve, settle_process

    warm(bits=(BITS,))
    chance = random.Random(1)
    with open_store(folder, eager=False) as store:
        store.create_collection(NAME, bits=BITS, fields={"n": FieldType.INTEGER})
        for _ in store.upsert_stream(NAME, (item(f"k{number}", chance) for number in range(items))):
            pass
        store.warm()
        settle_process()
        with serve(store, "127.0.0.1:0", threads=4) as server:
            print(server.address, flush=True)
            while True:
                time.sleep(0.25)
                store.upkeep()


def look(number: int, begin: float) -> Sample:
    """One sample of a process (Linux)."""
    process = Path(f"/proc/{number}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line)
    mib = int(status["VmRSS"].split()[0]) / 1024
    return Sample(time.perf_counter() - begin, mib, int(status["Threads"]), len(list((process / "fd").iterdir())))


def measure(seconds: float, items: int, clients: int, pause: float) -> dict[str, object]:
    """Run it, and look at the server."""
    soak = Soak(items, pause)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(Path(__file__).resolve()), "--role", "server", "--folder", folder]
        with subprocess.Popen([*command, "--items", str(items)], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            try:
                address = child.stdout.readline().strip()
                threads = [threading.Thread(target=soak.run, args=(address, n)) for n in range(clients)]
                for thread in threads:
                    thread.start()
                samples, begin = [], time.perf_counter()
                while time.perf_counter() - begin < seconds:
                    time.sleep(SAMPLE_SECONDS)
                    samples.append(look(child.pid, begin))
                soak.stop.set()
                for thread in threads:
                    thread.join()
            finally:
                child.kill()
    return found(samples, seconds, soak)


def found(samples: list[Sample], seconds: float, soak: Soak) -> dict[str, object]:
    """The figures of a run."""
    kept = [sample for sample in samples if sample.at >= WARM * seconds]
    first = statistics.median(sample.mib for sample in kept if sample.at < 2 * WARM * seconds)
    last = statistics.median(sample.mib for sample in kept if sample.at >= (1 - WARM) * seconds)
    return {
        "seconds": seconds,
        "calls": sum(soak.calls.values()),
        "by_kind": dict(sorted(soak.calls.items())),
        "errors": dict(soak.errors),
        "mib_after_warm_up": round(first, 1),
        "mib_at_the_end": round(last, 1),
        "growth": round(last / first - 1, 4),
        "threads": [min(s.threads for s in kept), max(s.threads for s in kept)],
        "descriptors": [min(s.descriptors for s in kept), max(s.descriptors for s in kept)],
    }


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--pause", type=float, default=0.01, help="seconds between two calls of a client")
    parser.add_argument("--json", action="store_true", help="print one JSON object (always does)")
    parser.add_argument("--role", choices=("server",), help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.role:
        serve_here(chosen.folder, chosen.items)
    else:
        print(json.dumps(measure(chosen.seconds, chosen.items, chosen.clients, chosen.pause)))


if __name__ == "__main__":
    main()
