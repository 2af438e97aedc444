"""All pairs within a radius against FAISS range_search asked with every code: 1 M x 64 bits, 200 k x 256; one thread.

FAISS answers a sample of the codes and its time is scaled to all of them; the partners of the sample are compared with
the join's. Ends with one JSON line.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
from codesets import half_clustered, one_thread

from hashsvc.index import warm
from hashsvc.index.selfjoin import self_join

SAMPLE = 500
CASES = ((64, 1_000_000, 3), (256, 200_000, 16))


def compare(bits: int, items: int, radius: int) -> dict[str, object]:
    """Seconds of both, their ratio, the number of pairs, and whether the sample's partners agree."""
    import faiss

    faiss.omp_set_num_threads(1)
    codes, _, _ = half_clustered(items, bits, 1)
    next(iter(self_join(codes[:1000], radius)), None)
    start = time.perf_counter()
    chunks = list(self_join(codes, radius))
    ours = time.perf_counter() - start
    left, right = (np.concatenate([chunk[side] for chunk in chunks]) for side in (0, 1))
    flat = faiss.IndexBinaryFlat(bits)
    flat.add(codes)
    start = time.perf_counter()
    limits, _, partners = flat.range_search(codes[:SAMPLE], radius + 1)
    theirs = (time.perf_counter() - start) / SAMPLE * items
    ends = limits.astype(np.int64)
    asked = np.repeat(np.arange(SAMPLE), ends[1:] - ends[:-1])
    expected = {(a, b) for a, b in zip(asked.tolist(), partners.tolist(), strict=True) if a < b}
    within = left < SAMPLE
    found = set(zip(left[within].tolist(), right[within].tolist(), strict=True))
    return {
        "bits": bits,
        "items": items,
        "radius": radius,
        "pairs": len(left),
        "seconds": round(ours, 2),
        "faiss_seconds": round(theirs, 1),
        "ratio": round(theirs / ours, 1),
        "equal": found == expected,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the items to measure with")
    parser.add_argument("--json", action="store_true", help="the last line is JSON in any case")
    chosen = parser.parse_args()
    one_thread()
    warm(bits=sorted({bits for bits, _, _ in CASES}))
    found = [compare(bits, int(items * chosen.share), radius) for bits, items, radius in CASES]
    print(json.dumps({"threads": 1, "joins": found}))


if __name__ == "__main__":
    main()
