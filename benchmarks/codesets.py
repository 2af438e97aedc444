"""Codes to measure with, and how times are taken."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

MEMBERS = 20
FLIPPED = 0.03


def one_thread() -> None:
    """Keep FAISS to the calling thread; before it is first imported."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def half_clustered(
    items: int, bits: int, queries: int, seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """Codes ``uint8[items, bits/8]``, half random and half around centres; queries at centres, and random queries.

    A centre has 20 members on average, each with 3 % of its bits turned, so a query at a centre finds neighbours.
    """
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 256, (items, bits // 8), dtype=np.uint8)
    half = items // 2
    centres = rng.integers(0, 256, (max(half // MEMBERS, queries), bits // 8), dtype=np.uint8)
    turned = np.packbits(rng.random((half, bits), dtype=np.float32) < FLIPPED, axis=1)
    codes[:half] = centres[rng.integers(0, len(centres), half)] ^ turned
    rng.shuffle(codes)
    return codes, centres[:queries], rng.integers(0, 256, (queries, bits // 8), dtype=np.uint8)


def median_seconds(run: Callable[[], object], times: int) -> float:
    """Median wall time of one call, after one unmeasured call."""
    run()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def median_over(runs: Sequence[Callable[[], object]], times: int) -> float:
    """Median over several calls of each one's median wall time."""
    return float(np.median([median_seconds(run, times) for run in runs]))
