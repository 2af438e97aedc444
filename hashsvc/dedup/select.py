"""Star selection: the first maximal set of items no two of which are duplicates, in a total order.

An item is dropped when a kept item before it in the order is its duplicate, and kept otherwise. When all is decided,
each dropped item gets the kept one most like it as its witness. The kept items are the lexicographically first maximal
independent set of the graph of duplicates (Blelloch et al., Greedy sequential maximal independent set and matching are
parallel on average, 2012): a property of the items and their order, not of how the work is cut.

What bounds the work: an item is compared with kept items only, so a crowd of near-equal items costs one comparison
each; a crowd of different texts under one code is split by its rarest shingles, which lose no pair that verifies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hashsvc.codes import hamming
from hashsvc.dedup.shingles import ShingleSets, prefix_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

Pairs = Iterator[tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[Any]"]]
SelfJoin = Callable[["NDArray[np.uint8]", int], Pairs]
Join = Callable[["NDArray[np.uint8]", "NDArray[np.uint8]", int], Pairs]

Piece = tuple["NDArray[np.int64]", "NDArray[np.int64]"]
Candidates = Iterator[Piece]

KEPT = -1
OPEN = -2
MARGIN = 0.1
BUDGET = 2_000_000
CROWD = 50
ROUNDING = 1e-9
SMALL = 256
CHUNK_PAIRS = 50_000


class Sketches(Protocol):
    """What two items are compared by at the second look."""

    def scores(self, left: NDArray[np.int64], right: NDArray[np.int64], least: float = 0.0, /) -> NDArray[np.float64]:
        """Scores ``float64[m]`` in 0..1 of the pairs of rows; those below ``least`` may be given as 0."""
        ...


@dataclass(frozen=True, slots=True)
class Problem:
    """What is to be decided; row i stands before row i + 1 in the total order.

    Args:
        codes: ``uint8[n, bits/8]``.
        forms: ``int64[n]``; equal numbers mean the same content, whatever the codes.
        sketches: the second look; None where a pair within the radius is proof enough.
        given: so many rows, the first, are kept whatever they are.
        among: whether the other rows are compared with each other, or with the given ones only.
        radius: inclusive.
        threshold: least score of a duplicate.
        apart: ``int64[m, 2]``, sorted pairs of rows that are no duplicates whatever they look like.
    """

    codes: NDArray[np.uint8]
    forms: NDArray[np.int64]
    sketches: Sketches | None
    given: int
    among: bool
    radius: int
    threshold: float
    apart: NDArray[np.int64]


@dataclass(slots=True)
class Chosen:
    """What was decided so far.

    Args:
        witness: ``int64[n]``: row of the kept item that a dropped one is the duplicate of, KEPT or OPEN.
        score: ``float64[n]``, of the pair; nan where nothing was verified.
        missed: ``int64[n]``: for a kept row, the kept row before it that came nearest to being its duplicate, or -1.
        missed_score: ``float64[n]``, of that pair, within MARGIN below the threshold.
    """

    witness: NDArray[np.int64]
    score: NDArray[np.float64]
    missed: NDArray[np.int64]
    missed_score: NDArray[np.float64]

    @classmethod
    def start(cls, problem: Problem) -> Chosen:
        """Nothing decided but the given rows."""
        count = len(problem.codes)
        witness = np.full(count, OPEN, np.int64)
        witness[: problem.given] = KEPT
        return cls(witness, np.full(count, np.nan), np.full(count, -1, np.int64), np.zeros(count))


@dataclass(frozen=True, slots=True)
class Selection:
    """Decides rows of one problem with the joins of an engine.

    Args:
        join: pairs (position in the first, position in the second, distance) within a radius, complete, in pieces.
        self_join: pairs (left < right, distance) within one set, complete, in pieces.
        budget: candidate pairs that are held at once; beyond, rows are cut in halves, which changes nothing else.
            Beyond fifty times as many pairs of texts within the radius, candidates come from rare shingles instead.
    """

    problem: Problem
    chosen: Chosen
    join: Join
    self_join: SelfJoin
    budget: int = BUDGET

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
            for row, other in self._candidates(dropped, kept):
                scores = self._scores(row, other)
                true = self._true(row, other, scores)
                self._prefer(row[true], other[true], scores[true])

    def _prefer(self, rows: NDArray[np.int64], others: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        codes, chosen = self.problem.codes, self.chosen
        known, distances = np.nan_to_num(scores), hamming(codes[rows], codes[others])
        order = np.lexsort((others, distances, -known, rows))
        first = order[_firsts(rows[order])]
        row, other, score, distance = rows[first], others[first], known[first], distances[first]
        held = chosen.witness[row]
        held_score, held_distance = np.nan_to_num(chosen.score[row]), hamming(codes[row], codes[held])
        nearer = (distance < held_distance) | ((distance == held_distance) & (other < held))
        better = (score > held_score) | ((score == held_score) & nearer)
        chosen.witness[row[better]] = other[better]
        chosen.score[row[better]] = scores[first][better]

    def _given(self) -> NDArray[np.int64]:
        return np.arange(self.problem.given)

    def _drop(self, rows: NDArray[np.int64], kept: NDArray[np.int64]) -> NDArray[np.int64]:
        """Drop the rows that have a duplicate among ``kept``, which stand before them; the rows that are left."""
        if not len(rows) or not len(kept):
            return rows
        for later, earlier in self._candidates(rows, kept):
            self._judge(later, earlier)
        left: NDArray[np.int64] = rows[self.chosen.witness[rows] == OPEN]
        return left

    def _candidates(self, rows: NDArray[np.int64], kept: NDArray[np.int64]) -> Candidates:
        problem = self.problem
        yield _same(problem.forms, rows, kept)
        seen = 0
        for left, right, _ in self.join(problem.codes[rows], problem.codes[kept], problem.radius):
            seen += len(left)
            if seen > CROWD * self.budget and isinstance(problem.sketches, ShingleSets):
                yield from self._by_shingles(problem.sketches, rows, kept)
                return
            able = self._able(rows[left], kept[right])
            yield rows[left[able]], kept[right[able]]

    def _able(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which pairs of rows may verify: those of texts are told from afar by their bitmaps."""
        sets = self.problem.sketches
        if not isinstance(sets, ShingleSets):
            return np.ones(len(left), bool)
        able: NDArray[np.bool_] = sets.bounds(left, right) >= self.problem.threshold - MARGIN - ROUNDING
        return able

    def _by_shingles(self, sets: ShingleSets, rows: NDArray[np.int64], kept: NDArray[np.int64]) -> Candidates:
        codes = self.problem.codes
        both = np.concatenate([rows, kept])
        prefixes = sets.take(both).prefixes(self.problem.threshold - MARGIN)
        places = np.arange(len(both))
        for left, right in prefix_pairs(prefixes, places[: len(rows)], places[len(rows) :]):
            later, earlier = both[left], both[right]
            near = hamming(codes[later], codes[earlier]) <= self.problem.radius
            yield later[near], earlier[near]

    def _judge(self, later: NDArray[np.int64], earlier: NDArray[np.int64]) -> None:
        """Drop each later row whose pair is a duplicate; the first kept row of the order becomes its witness."""
        scores = self._scores(later, earlier)
        true = self._true(later, earlier, scores)
        self._witness(later[true], earlier[true], scores[true])
        near = ~true & (scores >= self.problem.threshold - MARGIN) & (scores < self.problem.threshold)
        self._note(later[near], earlier[near], scores[near])

    def _scores(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        problem, least = self.problem, self.problem.threshold - MARGIN
        same = problem.forms[left] == problem.forms[right]
        scores = np.full(len(left), np.nan)
        scores[same] = 1.0
        if problem.sketches is not None and not same.all():
            scores[~same] = problem.sketches.scores(left[~same], right[~same], least)
        return scores

    def _true(
        self, left: NDArray[np.int64], right: NDArray[np.int64], scores: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        true: NDArray[np.bool_] = np.isnan(scores) | (scores >= self.problem.threshold)
        if len(self.problem.apart):
            count = np.int64(len(self.problem.codes))
            known = self.problem.apart[:, 0] * count + self.problem.apart[:, 1]
            true &= ~np.isin(np.minimum(left, right) * count + np.maximum(left, right), known)
        return true

    def _witness(self, later: NDArray[np.int64], earlier: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        order = np.lexsort((earlier, later))
        later, earlier, scores = later[order], earlier[order], scores[order]
        rows, found, score = (part[_firsts(later)] for part in (later, earlier, scores))
        held = self.chosen.witness[rows]
        better = (held == OPEN) | ((held >= 0) & (found < held))
        self.chosen.witness[rows[better]] = found[better]
        self.chosen.score[rows[better]] = score[better]

    def _note(self, later: NDArray[np.int64], earlier: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        """Remember near misses: of each row the best, the earlier among equals."""
        order = np.lexsort((earlier, -scores, later))
        later, earlier, scores = later[order], earlier[order], scores[order]
        rows, found, score = (part[_firsts(later)] for part in (later, earlier, scores))
        held, held_score = self.chosen.missed[rows], self.chosen.missed_score[rows]
        better = (held < 0) | (score > held_score) | ((score == held_score) & (found < held))
        self.chosen.missed[rows[better]] = found[better]
        self.chosen.missed_score[rows[better]] = score[better]

    def _settle(self, rows: NDArray[np.int64]) -> None:
        """Decide rows none of which has a duplicate among the kept rows before the first of them."""
        if not len(rows):
            return
        pairs = self._within(rows)
        if pairs is None:
            middle = len(rows) // 2
            self._settle(rows[:middle])
            kept = rows[:middle][self.chosen.witness[rows[:middle]] == KEPT]
            self._settle(self._drop(rows[middle:], kept))
            return
        left, right = pairs
        for start, stop in _chunks(right, len(rows)):
            self._greedy(rows, start, stop, left, right)

    def _within(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Candidates among rows as positions (left < right), in order of right; None when they pass the budget."""
        problem = self.problem
        found = self._held(self._joined(rows), rows)
        if found is None and isinstance(problem.sketches, ShingleSets):
            found = self._held(self._sharing(problem.sketches, rows), rows)
        if found is None:
            return None
        keys = np.unique(np.concatenate([right * len(rows) + left for left, right in found]))
        return keys % len(rows), keys // len(rows)

    def _held(self, pieces: Candidates, rows: NDArray[np.int64]) -> list[Piece] | None:
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

    def _joined(self, rows: NDArray[np.int64]) -> Candidates:
        for left, right, _ in self.self_join(self.problem.codes[rows], self.problem.radius):
            yield left, right

    def _sharing(self, sets: ShingleSets, rows: NDArray[np.int64]) -> Candidates:
        codes = self.problem.codes[rows]
        prefixes = sets.take(rows).prefixes(self.problem.threshold - MARGIN)
        places = np.arange(len(rows))
        for left, right in prefix_pairs(prefixes, places, places):
            ordered = right < left
            near = hamming(codes[left[ordered]], codes[right[ordered]]) <= self.problem.radius
            yield right[ordered][near], left[ordered][near]

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
        scores = self._scores(later, earlier)
        true = self._true(later, earlier, scores)
        witness = self.chosen.witness
        for other, row, score in zip(earlier[true].tolist(), later[true].tolist(), scores[true].tolist(), strict=True):
            # Pairs come in order of the later row, so the earlier one is settled: dropped, or kept from now on.
            if witness[row] == OPEN and witness[other] < 0:
                witness[row], self.chosen.score[row] = other, score
        part = rows[start:stop]
        witness[part[witness[part] == OPEN]] = KEPT
        near = ~true & (scores >= self.problem.threshold - MARGIN) & (scores < self.problem.threshold)
        near &= witness[earlier] == KEPT
        self._note(later[near], earlier[near], scores[near])


def _firsts(owners: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where a new owner begins in a sorted list of owners."""
    first = np.ones(len(owners), bool)
    first[1:] = owners[1:] != owners[:-1]
    return first


def _same(
    forms: NDArray[np.int64], rows: NDArray[np.int64], kept: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs (row, kept row) of one form."""
    order = np.argsort(forms[kept], kind="stable")
    held = forms[kept][order]
    low, high = np.searchsorted(held, forms[rows], "left"), np.searchsorted(held, forms[rows], "right")
    counts = high - low
    places = np.repeat(low - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts) + np.arange(int(counts.sum()))
    return np.repeat(rows, counts), kept[order[places]]


def _same_within(forms: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of positions (left < right) of one form: each with the first of its form, and with those between."""
    places = np.arange(len(forms))
    left, right = _same(forms, places, places)
    return right[right < left], left[right < left]


def _chunks(right: NDArray[np.int64], rows: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows with about CHUNK_PAIRS candidates each; the last holds whatever is left."""
    start = 0
    while start < rows:
        low = int(np.searchsorted(right, start))
        stop = int(right[low + CHUNK_PAIRS]) if low + CHUNK_PAIRS < len(right) else rows
        stop = max(stop, start + 1)
        yield start, stop
        start = stop
