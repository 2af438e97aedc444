"""What a selection has decided so far: who is kept, who is dropped for whom, and who came near to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.codes import hamming

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.dedup.problem import Problem

KEPT = -1
OPEN = -2


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

    def drop(self, later: NDArray[np.int64], earlier: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        """Drop the later row of each pair; the first kept row of the order becomes its witness."""
        order = np.lexsort((earlier, later))
        later, earlier, scores = later[order], earlier[order], scores[order]
        rows, found, score = (part[_firsts(later)] for part in (later, earlier, scores))
        held = self.witness[rows]
        better = (held == OPEN) | ((held >= 0) & (found < held))
        self.witness[rows[better]] = found[better]
        self.score[rows[better]] = score[better]

    def miss(self, later: NDArray[np.int64], earlier: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        """Remember near misses: of each row the best, the earlier among equals."""
        order = np.lexsort((earlier, -scores, later))
        later, earlier, scores = later[order], earlier[order], scores[order]
        rows, found, score = (part[_firsts(later)] for part in (later, earlier, scores))
        held, held_score = self.missed[rows], self.missed_score[rows]
        better = (held < 0) | (score > held_score) | ((score == held_score) & (found < held))
        self.missed[rows[better]] = found[better]
        self.missed_score[rows[better]] = score[better]

    def prefer(
        self, codes: NDArray[np.uint8], rows: NDArray[np.int64], others: NDArray[np.int64], scores: NDArray[np.float64]
    ) -> None:
        """Let dropped rows have the others as witnesses where these are more like them: by score, distance, order."""
        known, distances = np.nan_to_num(scores), hamming(codes[rows], codes[others])
        order = np.lexsort((others, distances, -known, rows))
        first = order[_firsts(rows[order])]
        row, other, score, distance = rows[first], others[first], known[first], distances[first]
        held = self.witness[row]
        held_score, held_distance = np.nan_to_num(self.score[row]), hamming(codes[row], codes[held])
        nearer = (distance < held_distance) | ((distance == held_distance) & (other < held))
        better = (score > held_score) | ((score == held_score) & nearer)
        self.witness[row[better]] = other[better]
        self.score[row[better]] = scores[first][better]


def _firsts(owners: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where a new owner begins in a sorted list of owners."""
    first = np.ones(len(owners), bool)
    first[1:] = owners[1:] != owners[:-1]
    return first
