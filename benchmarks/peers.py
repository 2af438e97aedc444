"""Exact search of binary codes by other stores, one query a call: queries a second and recall, one client and eight.

Each runs in a process of its own, embedded as it is meant to be: milvus-lite with BIN_FLAT, LanceDB with a flat Hamming
search, sqlite-vec with a bit column. Ours is a gRPC server in another process, asked through its Python client. Recall
is counted by distance: a hit is a match no farther than the farthest true one.

    python benchmarks/peers.py --json [--items 1000000] [--bits 64] [--python INTERPRETER]

The peers are the extra "peers", best installed into an environment of their own.

The last line is one JSON object: {name: {qps, qps_8, recall, ours_qps, ours_qps_8, ours_recall}}; a peer that is not
installed is missing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Ask = Callable[[NDArray[np.uint8]], list[int]]

K, CLIENTS, SECONDS, QUERIES = 10, 8, 4.0, 200
PEERS = ("sqlite-vec", "lancedb", "milvus-lite")


def rates(new_client: Callable[[], Ask], queries: NDArray[np.uint8]) -> tuple[float, float]:
    """Queries a second of one client, and of eight at once."""
    return _rate(new_client, queries, 1), _rate(new_client, queries, CLIENTS)


def _rate(new_client: Callable[[], Ask], queries: NDArray[np.uint8], clients: int) -> float:
    counts, ready, stop = [0] * clients, threading.Barrier(clients + 1), threading.Event()

    def run(number: int) -> None:
        ask = new_client()
        ask(queries[0])
        ready.wait()
        while not stop.is_set():
            ask(queries[(number + counts[number]) % len(queries)])
            counts[number] += 1

    threads = [threading.Thread(target=run, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    ready.wait()
    begin = time.perf_counter()
    time.sleep(SECONDS)
    stop.set()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - begin)


def recall(ask: Ask, codes: NDArray[np.uint8], queries: NDArray[np.uint8]) -> float:
    """Share of matches that are no farther than the farthest true one, over some queries."""
    hits = 0
    for query in queries[:20]:
        distances = np.bitwise_count(codes ^ query).sum(axis=1)
        hits += int((distances[ask(query)] <= np.partition(distances, K - 1)[K - 1]).sum())
    return hits / (20 * K)


def sqlite_vec(folder: Path, codes: NDArray[np.uint8]) -> Callable[[], Ask]:
    """A table with a bit column."""
    import sqlite3

    import sqlite_vec as extension

    bits, path = 8 * codes.shape[1], str(folder / "peer.db")

    def connected() -> sqlite3.Connection:
        connection = sqlite3.connect(path)
        connection.enable_load_extension(True)
        extension.load(connection)
        return connection

    with connected() as connection:
        connection.execute(f"create virtual table peer using vec0(code bit[{bits}])")
        rows = ((number, code.tobytes()) for number, code in enumerate(codes))
        connection.executemany("insert into peer(rowid, code) values (?, vec_bit(?))", rows)

    def new_client() -> Ask:
        own = connected()
        query = "select rowid from peer where code match vec_bit(?) and k = ? order by distance"
        return lambda code: [row[0] for row in own.execute(query, (code.tobytes(), K))]

    return new_client


def lance(folder: Path, codes: NDArray[np.uint8]) -> Callable[[], Ask]:
    """A table without an index: an exact scan."""
    import lancedb
    import pyarrow

    width = codes.shape[1]
    column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(codes.reshape(-1)), width)
    data = pyarrow.table({"number": pyarrow.array(np.arange(len(codes))), "vector": column})
    table = lancedb.connect(str(folder)).create_table("peer", data)

    def ask(code: NDArray[np.uint8]) -> list[int]:
        query = table.search(code.tolist(), vector_column_name="vector").distance_type("hamming")
        found: list[int] = query.select(["number"]).limit(K).to_arrow()["number"].to_pylist()
        return found

    return lambda: ask


def milvus(folder: Path, codes: NDArray[np.uint8]) -> Callable[[], Ask]:
    """A collection with BIN_FLAT."""
    from pymilvus import DataType, MilvusClient

    client = MilvusClient(str(folder / "peer.db"))
    schema = MilvusClient.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("code", DataType.BINARY_VECTOR, dim=8 * codes.shape[1])
    index = client.prepare_index_params()
    index.add_index("code", index_type="BIN_FLAT", metric_type="HAMMING")
    client.create_collection("peer", schema=schema, index_params=index)
    for start in range(0, len(codes), 10_000):
        rows = [{"id": start + i, "code": code.tobytes()} for i, code in enumerate(codes[start : start + 10_000])]
        client.insert("peer", rows)

    def ask(code: NDArray[np.uint8]) -> list[int]:
        [found] = client.search("peer", [code.tobytes()], limit=K, search_params={"metric_type": "HAMMING"})
        return [int(one["id"]) for one in found]

    return lambda: ask


ROLES: dict[str, Callable[[Path, NDArray[np.uint8]], Callable[[], Ask]]] = {
    "sqlite-vec": sqlite_vec,
    "lancedb": lance,
    "milvus-lite": milvus,
}


def run_peer(name: str, folder: Path) -> None:
    """One peer, in a process of its own."""
    codes, queries = np.load(folder / "codes.npy"), np.load(folder / "queries.npy")
    begin = time.perf_counter()
    new_client = ROLES[name](folder / name, codes)
    built = time.perf_counter() - begin
    one, eight = rates(new_client, queries)
    share = recall(new_client(), codes, queries)
    print(json.dumps({"qps": round(one, 1), "qps_8": round(eight, 1), "recall": share, "build_s": round(built, 1)}))


def ours(store: Path, codes: NDArray[np.uint8], queries: NDArray[np.uint8]) -> dict[str, float]:
    """Our server, asked through its client."""
    from serve import process

    from hashsvc.client import Client
    from hashsvc.domain.queries import CodeQuery

    with process("--role", "store", "--folder", str(store), "--cores", "all") as role:
        clients: list[Client] = []

        def new_client() -> Ask:
            client = Client(role.line)
            clients.append(client)
            return lambda code: [m.id for m in client.search("bench", [CodeQuery(code.tobytes())], k=K)[0].matches]

        one, eight = rates(new_client, queries)
        hits = 0
        for query in queries[:20]:
            [answer] = clients[0].search("bench", [CodeQuery(query.tobytes())], k=K)
            farthest = np.partition(np.bitwise_count(codes ^ query).sum(axis=1), K - 1)[K - 1]
            hits += sum(match.distance <= farthest for match in answer.matches)
        for client in clients:
            client.close()
    return {"ours_qps": round(one, 1), "ours_qps_8": round(eight, 1), "ours_recall": hits / (20 * K)}


def measure(store: Path, items: int, bits: int, python: str, names: tuple[str, ...] = PEERS) -> dict[str, Any]:
    """All peers that are installed for ``python``, and ours, on the same codes."""
    from serve import draw

    told: dict[str, Any] = {}
    codes, queries = draw(items, bits, 1), draw(QUERIES, bits, 2)
    own = ours(store, codes, queries)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        np.save(folder / "codes.npy", codes)
        np.save(folder / "queries.npy", queries)
        for name in names:
            (folder / name).mkdir()
            command = [python, __file__, "--role", name, "--folder", scratch]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            if run.returncode == 0:
                told[name] = {**json.loads(run.stdout.splitlines()[-1]), **own}
            else:
                print(f"{name}: {run.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
    return told


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--bits", type=int, default=64)
    parser.add_argument("--store", type=Path, help="keep our store here and use it again")
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has the peers")
    parser.add_argument("--only", choices=PEERS, action="append", help="only these peers")
    parser.add_argument("--json", action="store_true", help="print one JSON object (always does)")
    parser.add_argument("--role", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.role:
        run_peer(chosen.role, chosen.folder)
        return
    from serve import build

    with tempfile.TemporaryDirectory() as scratch:
        store = chosen.store or Path(scratch) / "store"
        build(store, chosen.items, chosen.bits)
        names = tuple(chosen.only or PEERS)
        print(json.dumps(measure(store, chosen.items, chosen.bits, chosen.python, names)))


if __name__ == "__main__":
    main()
