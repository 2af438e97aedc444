"""Pairs of distinct codes within a radius by multi-index hashing, bucket against bucket, with the compiled kernel."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hashsvc.index import sharing
from hashsvc.index.joinplan import JoinPlan, substring_values
from hashsvc.index.layout import frozen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.index.kernel.compiled import Functions
    from hashsvc.index.sharing import Pairs

LEAST_RANGE = 2_048
RANGES = 64
AHEAD = 2
LANES = 8


class Side(NamedTuple):
    """One side of a join, in order of one substring: columns ``uint64[words, n + 8]``, code numbers and substrings."""

    columns: NDArray[np.uint64]
    numbers: NDArray[np.uint32]
    keys: NDArray[np.uint32]


def by_tables(
    compiled: Functions,
    plan: JoinPlan,
    words: NDArray[np.uint64],
    others: NDArray[np.uint64],
    radius: int,
    *,
    threads: int,
) -> Iterator[Pairs]:
    """Pairs of numbers of codes, each once where both sides are the same; no chunk is empty."""
    same = words is others
    for table in range(len(plan.cuts)):
        left = _side(words, plan, table)
        right = left if same else _side(others, plan, table)
        found = _TableJoin(compiled, plan, table, (left, right), radius=radius, same=same).pairs(threads)
        yield from (pairs for pairs in found if len(pairs[0]))


def _side(words: NDArray[np.uint64], plan: JoinPlan, table: int) -> Side:
    keys = substring_values(words, plan.cuts[table])
    order = np.argsort(keys, kind="stable")
    columns = np.zeros((words.shape[1], len(words) + LANES), np.uint64)
    for column in range(words.shape[1]):
        columns[column, : len(words)] = words[order, column]
    return Side(frozen(columns), frozen(order.astype(np.uint32)), frozen(keys[order]))


class _TableJoin:
    """The pairs that one table finds, a range of its left side at a time."""

    def __init__(
        self, compiled: Functions, plan: JoinPlan, table: int, sides: tuple[Side, Side], *, radius: int, same: bool
    ) -> None:
        left, right = sides
        self._run = compiled["join_range"]
        counts = np.bincount(right.keys, minlength=1 << int(plan.cuts[table, 1]))
        offsets = frozen(np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32))
        cuts, radii, masks = frozen(plan.cuts), frozen(plan.radii), frozen(plan.masks(table))
        like = tuple(np.zeros(left.columns.shape[0], np.uint64))
        self._arguments = (*left, right.columns, right.numbers, offsets, cuts, radii, masks, table, same, like, radius)
        self._codes = len(left.numbers)

    def pairs(self, threads: int) -> Iterator[Pairs]:
        """The chunks of every range in turn, empty ones too; with several threads some ranges are made ahead."""
        if threads == 1:
            for state, stop in self._ranges():
                while state[0] < stop:
                    yield self._chunk(state, stop)
            return
        with ThreadPoolExecutor(threads) as pool:
            ranges = self._ranges()
            ahead = deque(self._begun(pool, *one) for one in islice(ranges, AHEAD * threads))
            while ahead:
                state, stop, future = ahead.popleft()
                found = future.result()
                if state[0] < stop:
                    ahead.appendleft(self._begun(pool, state, stop))
                else:
                    ahead.extend(self._begun(pool, *one) for one in islice(ranges, 1))
                yield found

    def _ranges(self) -> Iterator[tuple[NDArray[np.int64], int]]:
        """Where each range begins, as the state of its scan, and ends."""
        size = max(LEAST_RANGE, -(-self._codes // RANGES))
        for start in range(0, self._codes, size):
            yield np.array([start, 0, 0, 0, 0], np.int64), min(start + size, self._codes)

    def _begun(
        self, pool: ThreadPoolExecutor, state: NDArray[np.int64], stop: int
    ) -> tuple[NDArray[np.int64], int, Future[Pairs]]:
        return state, stop, pool.submit(self._chunk, state, stop)

    def _chunk(self, state: NDArray[np.int64], stop: int) -> Pairs:
        """The next pairs of a range; ``state`` moves on."""
        room = sharing.CHUNK
        left, right, distances = np.empty(room, np.uint32), np.empty(room, np.uint32), np.empty(room, np.uint16)
        count = self._run(*self._arguments, stop, state, left, right, distances)
        return left[:count].astype(np.int64), right[:count].astype(np.int64), distances[:count].copy()
