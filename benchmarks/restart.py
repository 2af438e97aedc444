"""A restart at 10 M codes of 64 bits: memory by purpose, and the time from process start to the first answer.

Publishes a snapshot of the scan kind with hash tables under a scratch folder, then starts new processes that load it,
checksums and all, warm the kernel and answer one query. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from codesets import half_clustered

from hashsvc.domain.kinds import IndexKind
from hashsvc.index import LiveIndex, publish, warm

BITS = 64
STARTS = 3
READY = """
import sys
from pathlib import Path
import numpy as np
from hashsvc.domain.kinds import IndexKind
from hashsvc.index import LiveIndex, warm
warm(bits=(64,))
live = LiveIndex.from_snapshot(Path(sys.argv[1]), IndexKind(sys.argv[2]))
assert len(live.view().search(np.zeros((1, 8), np.uint8), 10).ids) == 10
"""


def seconds_to_ready(folder: Path, kind: IndexKind) -> float:
    """Median wall time of a new process until it has answered a query."""
    taken = []
    for _ in range(STARTS):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", READY, str(folder), str(kind)], check=True)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="where the snapshot is published; a scratch folder by default")
    parser.add_argument("--json", action="store_true", help="the last line is JSON in any case")
    chosen = parser.parse_args()
    warm(bits=(BITS,))
    codes, _, _ = half_clustered(chosen.items, BITS, 1)
    live = LiveIndex(BITS, IndexKind.TABLES)
    start = time.perf_counter()
    live.apply(np.arange(chosen.items), codes, np.zeros(0, np.int64), 1)
    built = time.perf_counter() - start
    memory = live.memory()
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        start = time.perf_counter()
        publish(live.view(), Path(folder))
        published = time.perf_counter() - start
        ready = {str(kind): round(seconds_to_ready(Path(folder), kind), 2) for kind in (IndexKind.SCAN, IndexKind.AUTO)}
    found = {
        "items": memory.items,
        "distinct": memory.distinct,
        "scan_bytes_per_item": round(memory.scan_per_item, 2),
        "tables_bytes_per_item": round(memory.tables_per_item, 2),
        "id_bytes_per_item": round(memory.ids / memory.items, 2),
        "build_seconds": round(built, 2),
        "publish_seconds": round(published, 2),
        "ready_seconds": ready,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
