"""The recall audit of approximate kinds: a share of live queries is answered exactly too, and the two are compared.

Recall is counted by distance, not by id: with short codes the tenth and eleventh neighbour are mostly equally far, and
either is as good.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hashsvc.domain.neighbours import Neighbours


def recall(found: Neighbours, truth: Neighbours) -> float:
    """Share of the true neighbours matched: found ones no farther than the farthest true one, ties counted as good."""
    hits = total = 0
    for query in range(len(truth)):
        wanted, given = truth[query][1], found[query][1]
        if len(wanted):
            total += len(wanted)
            hits += min(len(wanted), int(np.count_nonzero(given <= wanted[-1])))
    return hits / total if total else 1.0


class Audit:
    """Samples searches; thread-safe.

    Args:
        share: of the searches to audit, 0 to 1.
        report: told the recall of each audited search, for a metric.
        seed: of the sampling.
    """

    def __init__(self, share: float, report: Callable[[float], None] | None = None, *, seed: int = 0) -> None:
        self.share = share
        self._report = report
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._total = 0.0
        self.searches = 0

    @property
    def recall(self) -> float:
        """Mean recall of the audited searches; 1 before the first."""
        with self._lock:
            return self._total / self.searches if self.searches else 1.0

    def chosen(self) -> bool:
        """Whether to audit the search at hand."""
        with self._lock:
            return self._random.random() < self.share

    def record(self, found: Neighbours, truth: Neighbours) -> None:
        """Take in one audited search."""
        value = recall(found, truth)
        with self._lock:
            self._total += value
            self.searches += 1
        if self._report is not None:
            self._report(value)
