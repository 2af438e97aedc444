"""What a pass costs on this machine, in nanoseconds, measured when the kernel is warmed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hashsvc.index.kernel.compiled import Functions
from hashsvc.index.kernelpass import GatherPass, ScanPass, empty_heaps
from hashsvc.index.layout import bitmap_of, frozen, full_bitmap
from hashsvc.index.part import part_of
from hashsvc.index.rows import START
from hashsvc.index.segment import build_segment
from hashsvc.index.tables import build_tables

SAMPLE_WORDS = 1 << 17
TRIES = 7
KEPT = 64
# The sample lies in a cache; an index mostly does not, and what jumps about in it waits for memory.
LEAST_LOOK = 10.0
LEAST_PICK = 5.0
LEAST_GATHER = 20.0


@dataclass(frozen=True, slots=True)
class Costs:
    """Nanoseconds.

    Args:
        scan: one code compared with one query.
        look: one bucket or code looked at by the hash tables.
        pick: one code of a few compared in its place.
        gather: one item copied out of its place.
        call: one pass called, whatever it does.
    """

    scan: float = 0.15
    look: float = 20.0
    pick: float = 10.0
    gather: float = 5.0
    call: float = 5_000.0


class _Known:
    """Costs by number of words, once a process has measured them."""

    costs: ClassVar[dict[int, Costs]] = {}


def costs_of(functions: Functions, words: int) -> Costs:
    """Costs for codes of this many words, measured at the first call; :func:`hashsvc.index.warm` makes that call."""
    if words not in _Known.costs:
        _Known.costs[words] = measured(functions, words)
    return _Known.costs[words]


def measured(functions: Functions, words: int) -> Costs:
    """Costs for codes of this many words; takes some ten milliseconds."""
    rng = np.random.default_rng(0)
    count = SAMPLE_WORDS // words
    sample = rng.integers(0, 1 << 63, (count, words), dtype=np.uint64)
    segment = build_segment(np.arange(count), sample, 64 * words)
    part = part_of(segment, full_bitmap(count), full_bitmap(0))
    few = part_of(segment, bitmap_of(np.arange(0, count, KEPT), count), full_bitmap(0))
    scan, query = ScanPass(functions, words), frozen(rng.integers(0, 1 << 63, (1, words), dtype=np.uint64))
    gather = GatherPass(scan)
    call = _fastest(lambda: scan.nearest([part._replace(codes=part.codes[:0])], query, 10, START))
    return Costs(
        scan=max(0.01, (_fastest(lambda: scan.nearest([part], query, 10, START)) - call) / count),
        look=max(LEAST_LOOK * words, _look(functions, scan, part, query)),
        pick=max(LEAST_PICK * words, (_fastest(lambda: scan.nearest([few], query, 10, START)) - call) / (count / KEPT)),
        gather=max(LEAST_GATHER, (_fastest(lambda: gather.gathered(few)) - call) / (count / KEPT)),
        call=call,
    )


def _look(functions: Functions, scan: ScanPass, part: Any, query: Any) -> float:
    tables = build_tables(part.segment)
    budget = len(part.ids) / 8.0

    def run() -> None:
        done = np.zeros(1, bool)
        heaps = empty_heaps(1, 10)
        functions["tables_nearest"](
            *part[:9], *tables.lists, query, scan.like, tuple(START), budget, budget, *heaps, done
        )

    return _fastest(run) / budget


def _fastest(run: Callable[[], object]) -> float:
    """The best of a few runs, in nanoseconds."""
    best = float("inf")
    for _ in range(TRIES):
        start = time.perf_counter_ns()
        run()
        best = min(best, time.perf_counter_ns() - start)
    return best
