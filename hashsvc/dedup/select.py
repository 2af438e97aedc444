"""Star selection: the first maximal set of items no two of which are duplicates, in a total order.

An item is dropped when a kept item before it in the order is its duplicate, and kept otherwise. When all is decided,
each dropped item gets the kept one most like it as its witness. The kept items are the lexicographically first maximal
independent set of the graph of duplicates (Blelloch et al., Greedy sequential maximal independent set and matching are
parallel on average, 2012): a property of the items and their order, not of how the work is cut.

What bounds the work: an item is compared with kept items only, so a crowd of near-equal items costs one comparison
each; a crowd of different texts under one code is split by its rarest shingles, which lose no pair that verifies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.dedup.chosen import KEPT, OPEN, Chosen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.dedup.candidates import Candidates
    from hashsvc.dedup.problem import Problem

CHUNK_PAIRS = 50_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Decides the rows of one problem. What passes the budget of the candidates is cut in halves, to the same end."""

    candidates: Candidates
    chosen: Chosen

    @property
    def problem(self) -> Problem:
        """What is decided."""
        return self.candidates.problem

    def decide(self, start: int, stop: int) -> None:
        """Decide rows ``start`` to ``stop``; all before them are decided."""
        start = max(start, self.problem.given)
        rows = np.arange(start, max(stop, start))
        before = np.flatnonzero(self.chosen.witness[:start] == KEPT) if self.problem.among else self._given()
        left = self._drop(rows, before)
        if self.problem.among:
            self._settle(left)
        else:
            self.chosen.witness[left] = KEPT

    def attribute(self) -> None:
        """Give each dropped row the kept row that is most like it: by score, then distance, then order."""
        chosen = self.chosen
        dropped = np.flatnonzero(chosen.witness >= 0)
        kept = np.flatnonzero(chosen.witness == KEPT) if self.problem.among else self._given()
        if len(dropped) and len(kept):
            for row, other in self.candidates.between(dropped, kept):
                scores = self.problem.scores(row, other)
                true = self.problem.duplicates(row, other, scores)
                self.chosen.prefer(self.problem.codes, row[true], other[true], scores[true])

    def _given(self) -> NDArray[np.int64]:
        return np.arange(self.problem.given)

    def _drop(self, rows: NDArray[np.int64], kept: NDArray[np.int64]) -> NDArray[np.int64]:
        """Drop the rows that have a duplicate among ``kept``, which stand before them; the rows that are left."""
        if not len(rows) or not len(kept):
            return rows
        for later, earlier in self.candidates.between(rows, kept):
            self._judge(later, earlier)
        left: NDArray[np.int64] = rows[self.chosen.witness[rows] == OPEN]
        return left

    def _judge(self, later: NDArray[np.int64], earlier: NDArray[np.int64]) -> None:
        """Drop each later row whose pair is a duplicate; the first kept row of the order becomes its witness."""
        scores = self.problem.scores(later, earlier)
        true = self.problem.duplicates(later, earlier, scores)
        self.chosen.drop(later[true], earlier[true], scores[true])
        near = ~true & self.problem.near(scores)
        self.chosen.miss(later[near], earlier[near], scores[near])

    def _settle(self, rows: NDArray[np.int64]) -> None:
        """Decide rows none of which has a duplicate among the kept rows before the first of them."""
        if not len(rows):
            return
        pairs = self.candidates.within(rows)
        if pairs is None:
            middle = len(rows) // 2
            self._settle(rows[:middle])
            kept = rows[:middle][self.chosen.witness[rows[:middle]] == KEPT]
            self._settle(self._drop(rows[middle:], kept))
            return
        left, right = pairs
        for start, stop in _chunks(right, len(rows)):
            self._greedy(rows, start, stop, left, right)

    def _greedy(
        self, rows: NDArray[np.int64], start: int, stop: int, left: NDArray[np.int64], right: NDArray[np.int64]
    ) -> None:
        """Decide the rows at positions ``start`` to ``stop``: against those kept before, then one by one."""
        low, high = np.searchsorted(right, [start, stop])
        left, right = left[low:high], right[low:high]
        before = left < start
        kept = before & (self.chosen.witness[rows[left]] == KEPT)
        self._judge(rows[right[kept]], rows[left[kept]])
        among = ~before
        alive = self.chosen.witness[rows] == OPEN
        among &= alive[left] & alive[right]
        self._one_by_one(rows, start, stop, left[among], right[among])

    def _one_by_one(
        self, rows: NDArray[np.int64], start: int, stop: int, left: NDArray[np.int64], right: NDArray[np.int64]
    ) -> None:
        later, earlier = rows[right], rows[left]
        scores = self.problem.scores(later, earlier)
        true = self.problem.duplicates(later, earlier, scores)
        witness = self.chosen.witness
        for other, row, score in zip(earlier[true].tolist(), later[true].tolist(), scores[true].tolist(), strict=True):
            # Pairs come in order of the later row, so the earlier one is settled: dropped, or kept from now on.
            if witness[row] == OPEN and witness[other] < 0:
                witness[row], self.chosen.score[row] = other, score
        part = rows[start:stop]
        witness[part[witness[part] == OPEN]] = KEPT
        near = ~true & self.problem.near(scores)
        near &= witness[earlier] == KEPT
        self.chosen.miss(later[near], earlier[near], scores[near])


def _chunks(right: NDArray[np.int64], rows: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows with about CHUNK_PAIRS candidates each; the last holds whatever is left."""
    start = 0
    while start < rows:
        low = int(np.searchsorted(right, start))
        stop = int(right[low + CHUNK_PAIRS]) if low + CHUNK_PAIRS < len(right) else rows
        stop = max(stop, start + 1)
        yield start, stop
        start = stop
