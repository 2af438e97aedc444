"""The claim: on a GPU the default image encoder is trained in a tenth of the CPU's time, to the same quality.

The pictures of Fashion-MNIST are decoded once; then the encoder is trained on them on the CPU with two threads, and on
the device, directions and neighbour graph among what is timed. Quality is P@100 of the codes by class. Example:

    python benchmarks/train.py --device cuda --json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "2")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import datasets
import torch

from hashsvc.encoders.device import Placement, placed
from hashsvc.encoders.fronts.image import ImageFront
from hashsvc.encoders.registry import DEFAULT, MODELS
from hashsvc.encoders.training_set import TrainingSet
from hashsvc.evaluate.distances import hamming_levels, labelled_levels
from hashsvc.evaluate.levels import precision

BITS, FOUND, THREADS = 64, 100, 2


def measure(data: datasets.DataSet, count: int, queries: int, device: str, seeds: int) -> dict[str, Any]:
    """Seconds and quality of each seed on a device, and where it was."""
    front = ImageFront.fit(data.contents)
    items, asked = (
        [front.decode(content) for content in part] for part in (data.contents[:count], data.queries[:queries])
    )
    there = Placement.of(device)
    rows = []
    for seed in range(seeds):
        started = time.perf_counter()
        training = TrainingSet(front, items, seed=seed, device=there.device)
        training.graph  # noqa: B018 - made at first use
        prepared = time.perf_counter()
        encoder = MODELS[DEFAULT].fit(training, BITS, seed, lambda _: None)
        seconds = time.perf_counter() - started
        coder = placed(encoder, device)
        codes, query_codes = coder.encode(items), coder.encode(asked)
        counts = hamming_levels(query_codes, codes)
        related = labelled_levels(query_codes, codes, data.query_labels[:queries], data.labels[:count]).astype(float)
        rows.append(
            {
                "seconds": round(seconds, 2),
                "graph_seconds": round(prepared - started, 2),
                "p_at_100": round(float(precision(counts, related, FOUND).mean()), 4),
            }
        )
    return {"path": coder.path, "seeds": rows}


def mean(found: dict[str, Any], name: str) -> float:
    """The mean of a figure over seeds."""
    return float(sum(row[name] for row in found["seeds"]) / len(found["seeds"]))


def main() -> int:
    """Measure; the last line on stdout is the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--items", type=int, default=60_000)
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="only the JSON line on stdout")
    asked = parser.parse_args()
    torch.set_num_threads(THREADS)
    try:
        data = datasets.load("fashion")
    except datasets.Absent as absent:
        print(f"skipped: {absent}", file=sys.stderr)
        return 2
    devices = dict.fromkeys(["cpu", asked.device])
    if "cuda" in asked.device:
        measure(data, 2_000, 100, asked.device, 1)  # its libraries load at first use
    found = {device: measure(data, asked.items, asked.queries, device, asked.seeds) for device in devices}
    here, there = found["cpu"], found[asked.device]
    faster = None if len(found) == 1 else round(mean(here, "seconds") / mean(there, "seconds"), 2)
    p_at_100 = {device: round(mean(one, "p_at_100"), 4) for device, one in found.items()}
    report = {"items": asked.items, "threads": THREADS, "found": found, "p_at_100": p_at_100, "times_faster": faster}
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
