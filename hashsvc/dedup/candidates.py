"""Candidates: the pairs of rows that a selection looks at, each within the radius or of one content.

They come from joins of the codes. A crowd of different texts under one code is split by its rarest shingles instead,
which lose no pair that verifies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hashsvc.codes import hamming
from hashsvc.dedup.problem import MARGIN, Problem
from hashsvc.dedup.shingles import ShingleSets, prefix_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

Pairs = Iterator[tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[Any]"]]
SelfJoin = Callable[["NDArray[np.uint8]", int], Pairs]
Join = Callable[["NDArray[np.uint8]", "NDArray[np.uint8]", int], Pairs]

Piece = tuple["NDArray[np.int64]", "NDArray[np.int64]"]

BUDGET = 2_000_000
CROWD = 50
ROUNDING = 1e-9
SMALL = 256


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates among rows of one problem, by the joins of an engine.

    Args:
        join: pairs (position in the first, position in the second, distance) within a radius, complete, in pieces.
        self_join: pairs (left < right, distance) within one set, complete, in pieces.
        budget: pairs that are held at once. Beyond fifty times as many pairs of texts within the radius, candidates
            come from rare shingles instead.
    """

    problem: Problem
    join: Join
    self_join: SelfJoin
    budget: int = BUDGET

    def between(self, rows: NDArray[np.int64], kept: NDArray[np.int64]) -> Iterator[Piece]:
        """Pairs (row, kept row), in pieces; one may come twice."""
        problem = self.problem
        yield _same(problem.forms, rows, kept)
        seen = 0
        for left, right, _ in self.join(problem.codes[rows], problem.codes[kept], problem.radius):
            seen += len(left)
            if seen > CROWD * self.budget and isinstance(problem.sketches, ShingleSets):
                yield from self._between_by_shingles(problem.sketches, rows, kept)
                return
            able = self._able(rows[left], kept[right])
            yield rows[left[able]], kept[right[able]]

    def within(self, rows: NDArray[np.int64]) -> Piece | None:
        """Pairs among rows as positions (left < right), in order of right; None when they pass the budget."""
        problem = self.problem
        found = self._held(self._within_by_codes(rows), rows)
        if found is None and isinstance(problem.sketches, ShingleSets):
            found = self._held(self._within_by_shingles(problem.sketches, rows), rows)
        if found is None:
            return None
        keys = np.unique(np.concatenate([right * len(rows) + left for left, right in found]))
        return keys % len(rows), keys // len(rows)

    def _held(self, pieces: Iterator[Piece], rows: NDArray[np.int64]) -> list[Piece] | None:
        """The pieces and the pairs of one form; None when they pass the budget."""
        held = [_same_within(self.problem.forms[rows])]
        seen = count = 0
        for left, right in pieces:
            seen += len(left)
            able = self._able(rows[left], rows[right])
            one, other = left[able], right[able]
            held.append((np.minimum(one, other), np.maximum(one, other)))
            count += len(one)
            if len(rows) > SMALL and (count > self.budget or seen > CROWD * self.budget):
                return None
        return held

    def _able(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which pairs of rows may verify: those of texts are told from afar by their bitmaps."""
        sets = self.problem.sketches
        if not isinstance(sets, ShingleSets):
            return np.ones(len(left), bool)
        able: NDArray[np.bool_] = sets.bounds(left, right) >= self.problem.threshold - MARGIN - ROUNDING
        return able

    def _between_by_shingles(
        self, sets: ShingleSets, rows: NDArray[np.int64], kept: NDArray[np.int64]
    ) -> Iterator[Piece]:
        codes = self.problem.codes
        both = np.concatenate([rows, kept])
        prefixes = sets.take(both).prefixes(self.problem.threshold - MARGIN)
        places = np.arange(len(both))
        for left, right in prefix_pairs(prefixes, places[: len(rows)], places[len(rows) :]):
            later, earlier = both[left], both[right]
            near = hamming(codes[later], codes[earlier]) <= self.problem.radius
            yield later[near], earlier[near]

    def _within_by_codes(self, rows: NDArray[np.int64]) -> Iterator[Piece]:
        for left, right, _ in self.self_join(self.problem.codes[rows], self.problem.radius):
            yield left, right

    def _within_by_shingles(self, sets: ShingleSets, rows: NDArray[np.int64]) -> Iterator[Piece]:
        codes = self.problem.codes[rows]
        prefixes = sets.take(rows).prefixes(self.problem.threshold - MARGIN)
        places = np.arange(len(rows))
        for left, right in prefix_pairs(prefixes, places, places):
            ordered = right < left
            near = hamming(codes[left[ordered]], codes[right[ordered]]) <= self.problem.radius
            yield right[ordered][near], left[ordered][near]


def _same(forms: NDArray[np.int64], rows: NDArray[np.int64], kept: NDArray[np.int64]) -> Piece:
    """Pairs (row, kept row) of one form."""
    order = np.argsort(forms[kept], kind="stable")
    held = forms[kept][order]
    low, high = np.searchsorted(held, forms[rows], "left"), np.searchsorted(held, forms[rows], "right")
    counts = high - low
    places = np.repeat(low - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts) + np.arange(int(counts.sum()))
    return np.repeat(rows, counts), kept[order[places]]


def _same_within(forms: NDArray[np.int64]) -> Piece:
    """Pairs of positions (left < right) of one form: each with the first of its form, and with those between."""
    places = np.arange(len(forms))
    left, right = _same(forms, places, places)
    return right[right < left], left[right < left]
