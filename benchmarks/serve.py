"""What the gRPC door costs: unary Search against a bare echo server, and 256 queries a call against the engine alone.

Both servers run one after the other on the same core, driven over plain sockets from another one (see caller.py), with
2,000 different queries in rotation. The collection holds ready codes that lie in small groups, as learned codes do:
20 items around each centre, every bit flipped with probability 0.06; queries are fresh draws around the same centres.

    python benchmarks/serve.py --json [--items 1000000] [--bits 64] [--folder KEEP]

The last line is one JSON object: echo_rps, search_rps, echo_ratio (unary, k = 10, keys and metadata in the answer);
batched_qps, engine_qps, batch_ratio (256 queries a call, ids and distances). The CPU microseconds beside them say the
same where the machine is not quiet. With --peers other stores are asked too (see peers.py).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from caller import Connection

from hashsvc.v1 import search_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

GROUP, FLIP = 20, 0.06
QUERIES, K, BATCH, DEPTH = 2_000, 10, 256, 32
CALLS, BATCHED_CALLS, ROUNDS = 4_000, 60, 5
METHOD = "/hashsvc.v1.Search/Search"
SERVER_CORE = 0


def draw(count: int, bits: int, seed: int) -> NDArray[np.uint8]:
    """Codes ``uint8[count, bits/8]`` around the centres, which do not depend on ``seed``."""
    centres = np.random.default_rng(0).integers(0, 256, (50_000, bits // 8), dtype=np.uint8)
    random = np.random.default_rng(seed)
    chosen = centres[random.integers(0, len(centres), count)]
    flips = np.concatenate(
        [np.packbits(random.random((min(100_000, count - i), bits)) < FLIP, axis=1) for i in range(0, count, 100_000)]
    )
    codes: NDArray[np.uint8] = chosen ^ flips
    return codes


def build(folder: Path, items: int, bits: int) -> None:
    """Fill a store with one collection, unless the folder holds it already."""
    from hashsvc.app import open_store
    from hashsvc.domain.items import Item

    if (folder / "catalog.sqlite3").exists():
        return
    codes = draw(items, bits, 1)
    start = time.perf_counter()
    with open_store(str(folder)) as store:
        store.create_collection("bench", bits=bits)
        rows = (
            Item(
                f"document-{i}",
                code=codes[i].tobytes(),
                metadata={"title": f"Title of document {i}", "year": 1990 + i % 30, "language": "en"},
            )
            for i in range(items)
        )
        for _ in store.upsert_stream("bench", rows):
            pass
    print(f"stored {items} items in {time.perf_counter() - start:.0f} s", file=sys.stderr)


def run_store(folder: Path) -> None:
    """The server under test, in a process of its own."""
    from hashsvc.app import open_store
    from hashsvc.domain.queries import CodeQuery
    from hashsvc.index import warm
    from hashsvc.server import serve, settle_process

    warm()
    with open_store(str(folder), eager=False) as store:
        store.warm()
        bits = store.collection("bench").bits
        for code in draw(QUERIES, bits, 2):
            store.search("bench", [CodeQuery(code.tobytes())], k=K)
        settle_process()
        with serve(store, "127.0.0.1:0") as server:
            print(server.address, flush=True)
            server.wait()


def run_echo(size: int) -> None:
    """A bare server of the same kind that answers ``size`` bytes."""
    from concurrent import futures

    import grpc

    answer = bytes(size)
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(lambda *_: answer)
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_registered_method_handlers("hashsvc.v1.Search", {"Search": handler})
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("hashsvc.v1.Search", {"Search": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


def run_engine(items: int, bits: int) -> None:
    """The engine alone in a process of its own: queries a second, 256 at a time."""
    from hashsvc.index import LiveIndex, warm

    warm()
    live = LiveIndex(bits)
    ids = np.sort(np.random.default_rng(3).choice(2**62, items, replace=False))
    live.apply(ids, draw(items, bits, 1), np.empty(0, np.int64), items)
    view, queries = live.view(), draw(QUERIES, bits, 2)
    for start in range(0, QUERIES - BATCH, BATCH):
        view.search(queries[start : start + BATCH], K)
    rates, costs = [], []
    for start in [*range(0, QUERIES - BATCH, BATCH)] * 3:
        begin, used = time.perf_counter(), time.process_time()
        view.search(queries[start : start + BATCH], K)
        rates.append(BATCH / (time.perf_counter() - begin))
        costs.append(1e6 * (time.process_time() - used) / BATCH)
    print(statistics.median(rates), statistics.median(costs), flush=True)


@dataclass(frozen=True)
class Role:
    """A process in a role: the line it printed when it was ready, and its number."""

    line: str
    number: int

    def seconds(self) -> float:
        """CPU seconds it has used so far (Linux)."""
        fields = Path(f"/proc/{self.number}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def process(*arguments: str) -> Iterator[Role]:
    """This file in another role, alone on the server's core unless ``--cores all`` is given."""
    command = [sys.executable, str(Path(__file__).parent / "serve.py"), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        if "--cores" not in arguments:
            os.sched_setaffinity(child.pid, {SERVER_CORE})
        assert child.stdout is not None
        try:
            line = child.stdout.readline().strip()
            if not line:
                raise RuntimeError(f"{' '.join(arguments)} did not start")
            yield Role(line, child.pid)
        finally:
            child.terminate()


def unary_bodies(bits: int) -> list[bytes]:
    """One query a call, metadata in the answer."""
    return [
        search_pb2.SearchRequest(
            collection="bench", k=K, queries=[search_pb2.Query(code=code.tobytes())]
        ).SerializeToString()
        for code in draw(QUERIES, bits, 2)
    ]


def batched_bodies(bits: int) -> list[bytes]:
    """256 queries a call, ids and distances in the answer."""
    codes = draw(QUERIES, bits, 2)
    bodies = []
    for start in range(0, QUERIES - BATCH, BATCH):
        request = search_pb2.SearchRequest(
            collection="bench", k=K, queries=[search_pb2.Query(code=c.tobytes()) for c in codes[start : start + BATCH]]
        )
        request.read_mask.paths.extend(["ids", "distances"])
        bodies.append(request.SerializeToString())
    return bodies


def answer_size(address: str, body: bytes) -> int:
    """Bytes of one answer."""
    import grpc

    with grpc.insecure_channel(address) as channel:
        method: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
        return len(method(body))


def rate(server: Role, bodies: list[bytes], calls: int, depth: int) -> tuple[float, float]:
    """Answered calls a second, and CPU seconds of the server for each."""
    connection = Connection(server.line, METHOD)
    try:
        connection.run(bodies, calls // 10, depth)
        before = server.seconds()
        told = connection.run(bodies, calls, depth)
    finally:
        connection.close()
    if told.refusals:
        raise RuntimeError(f"{len(told.refusals)} of {calls} calls were not answered")
    return told.rate, (server.seconds() - before) / calls


def medians(rates: list[tuple[float, float]]) -> tuple[float, float]:
    """The middle rate and the middle cost, each by itself."""
    return statistics.median(rate for rate, _ in rates), statistics.median(cost for _, cost in rates)


def measure(folder: Path, items: int, bits: int) -> dict[str, object]:
    """All figures; echo and search take turns, medians count."""
    others = os.sched_getaffinity(0) - {SERVER_CORE}
    os.sched_setaffinity(0, others or {SERVER_CORE})
    with process("--role", "engine", "--items", str(items), "--bits", str(bits)) as told:
        engine, engine_cpu = (float(part) for part in told.line.split())
    unary, batched = unary_bodies(bits), batched_bodies(bits)
    echo_rates, search_rates = [], []
    with process("--role", "store", "--folder", str(folder)) as store:
        size = answer_size(store.line, unary[0])
        with process("--role", "echo", "--size", str(size)) as echo:
            for _ in range(ROUNDS):
                echo_rates.append(rate(echo, unary, CALLS, DEPTH))
                search_rates.append(rate(store, unary, CALLS, DEPTH))
        batched_rates = [rate(store, batched, BATCHED_CALLS, 4) for _ in range(ROUNDS)]
    echo_rps, echo_cpu = medians(echo_rates)
    search_rps, search_cpu = medians(search_rates)
    calls, batched_cpu = medians(batched_rates)
    batched_qps = BATCH * calls
    return {
        "echo_rps": round(echo_rps),
        "search_rps": round(search_rps),
        "echo_ratio": round(search_rps / echo_rps, 3),
        "batched_qps": round(batched_qps),
        "engine_qps": round(engine),
        "batch_ratio": round(batched_qps / engine, 3),
        "peers": {},
        "items": items,
        "bits": bits,
        "answer_bytes": size,
        "echo_cpu_us": round(1e6 * echo_cpu),
        "search_cpu_us": round(1e6 * search_cpu),
        "batched_cpu_us_a_query": round(1e6 * batched_cpu / BATCH),
        "engine_cpu_us_a_query": round(engine_cpu),
    }


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--bits", type=int, default=64)
    parser.add_argument("--folder", type=Path, help="keep the store here and use it again")
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter that has the peers: see peers.py")
    parser.add_argument("--json", action="store_true", help="print one JSON object (always does)")
    parser.add_argument("--role", choices=("store", "echo", "engine"), help=argparse.SUPPRESS)
    parser.add_argument("--cores", choices=("all",), help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.role == "store":
        run_store(chosen.folder)
    elif chosen.role == "echo":
        run_echo(chosen.size)
    elif chosen.role == "engine":
        run_engine(chosen.items, chosen.bits)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            folder = chosen.folder or Path(scratch) / "store"
            build(folder, chosen.items, chosen.bits)
            told = measure(folder, chosen.items, chosen.bits)
            if chosen.peers:
                from peers import measure as measure_peers

                told["peers"] = measure_peers(folder, chosen.items, chosen.bits, chosen.peers)
            print(json.dumps(told))


if __name__ == "__main__":
    main()
