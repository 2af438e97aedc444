"""Overload: calls of 256 queries offered at four times what the server can do; what it still does, and how it refuses.

The peak is what closed-loop callers get. Then calls arrive at four times that rate, answered or not; each
refused call ends without a message. Afterwards the closed-loop callers come back, in windows of a quarter of a second,
until they get the peak again.

    python benchmarks/flood.py --json [--seconds 30] [--items 1000000] [--folder KEEP]

The last line is one JSON object: goodput_ratio (answered calls a second under the flood against the peak), refusals in
milliseconds, recovery_s, and own_work_ms: CPU time of the server for one call.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from caller import Connection, percentile
from serve import BATCH, METHOD, SERVER_CORE, Role, batched_bodies, build, process, rate

TIMES = 4
DEPTHS = (2, 4, 8)
PEAK_CALLS = 300
WINDOW = 0.25
BACK = 0.9


def peak(server: Role, bodies: list[bytes]) -> tuple[float, float]:
    """The most answered calls a second that closed-loop callers get, and CPU seconds of each."""
    return max(rate(server, bodies, PEAK_CALLS, depth) for depth in DEPTHS)


def recovery(server: Role, bodies: list[bytes], wanted: float) -> float:
    """Seconds until closed-loop callers get ``wanted`` calls a second again."""
    begin = time.perf_counter()
    connection = Connection(server.line, METHOD)
    try:
        while True:
            told = connection.run(bodies, max(4, int(wanted * WINDOW)), 4)
            if not told.refusals and told.rate >= wanted:
                return time.perf_counter() - begin
            if time.perf_counter() - begin > 60:
                raise RuntimeError("the server did not come back within a minute")
    finally:
        connection.close()


def measure(folder: Path, bits: int, seconds: float) -> dict[str, object]:
    """All figures of one flood."""
    others = os.sched_getaffinity(0) - {SERVER_CORE}
    os.sched_setaffinity(0, others or {SERVER_CORE})
    bodies = batched_bodies(bits)
    with process("--role", "store", "--folder", str(folder)) as server:
        best, work = peak(server, bodies)
        connection = Connection(server.line, METHOD)
        told = connection.offer(bodies, TIMES * best, seconds)
        connection.close()
        back = recovery(server, bodies, BACK * best)
    goodput = len(told.latencies) / told.seconds
    return {
        "peak_rps": round(best, 1),
        "offered_rps": round(TIMES * best, 1),
        "goodput_rps": round(goodput, 1),
        "goodput_ratio": round(goodput / best, 3),
        "refused": len(told.refusals),
        "refusal_p50_ms": round(1e3 * percentile(told.refusals, 0.5), 2),
        "refusal_p99_ms": round(1e3 * percentile(told.refusals, 0.99), 2),
        "refusal_max_ms": round(1e3 * max(told.refusals, default=0.0), 2),
        "answer_p50_ms": round(1e3 * percentile(told.latencies, 0.5), 1),
        "answer_p99_ms": round(1e3 * percentile(told.latencies, 0.99), 1),
        "recovery_s": round(back, 2),
        "own_work_ms": round(1e3 * work, 2),
        "queries_a_call": BATCH,
        "seconds": seconds,
    }


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--bits", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--folder", type=Path, help="keep the store here and use it again")
    parser.add_argument("--json", action="store_true", help="print one JSON object (always does)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.folder or Path(scratch) / "store"
        build(folder, chosen.items, chosen.bits)
        print(json.dumps(measure(folder, chosen.bits, chosen.seconds)))


if __name__ == "__main__":
    main()
