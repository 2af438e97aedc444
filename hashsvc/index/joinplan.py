"""How a join cuts codes into substrings: the cut that is expected to compare least, by a sample of the codes.

If two codes differ in at most ``radius = m * a + b`` bits (b < m), one of the first b + 1 of m disjoint substrings
differs in at most a bits or one of the others in at most a - 1 (see :mod:`hashsvc.index.kernel.hashing`). One substring
of no bits is a comparison of everything with everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.index.layout import word_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDEST = 22
MOST_MASKS = 4_096
CLOSEST = 4
SAMPLE = 1_024
# Nanoseconds: one pair compared (a code of one word, then each further word), a bucket looked up, a code put in order.
COMPARE, WORD, LOOK, ORDER = 0.25, 0.15, 4.0, 60.0


@dataclass(frozen=True, slots=True)
class JoinPlan:
    """Substrings to join by.

    Args:
        cuts: ``int64[m, 2]``: first bit and number of bits of each substring, in the bits of the words.
        radii: ``int64[m]``: how many bits of a substring may differ; none is below 0.
    """

    cuts: NDArray[np.int64]
    radii: NDArray[np.int64]

    def masks(self, table: int) -> NDArray[np.uint32]:
        """Every difference ``uint32[n]`` of at most the table's radius, 0 first."""
        width, radius = int(self.cuts[table, 1]), int(self.radii[table])
        sums = [sum(1 << bit for bit in bits) for few in range(radius + 1) for bits in combinations(range(width), few)]
        return np.array(sums, np.uint32)


def plan_of(pieces: int, bits: int, radius: int) -> JoinPlan:
    """The plan of this many substrings, those that need no look-up left out."""
    whole, rest = divmod(radius, pieces)
    used = pieces if whole else rest + 1
    starts = [bits * piece // pieces for piece in range(pieces + 1)]
    cuts = [(starts[piece], min(WIDEST, starts[piece + 1] - starts[piece])) for piece in range(used)]
    return JoinPlan(np.array(cuts, np.int64), np.array([whole - (piece > rest) for piece in range(used)], np.int64))


def everything() -> JoinPlan:
    """The plan that compares everything with everything."""
    return JoinPlan(np.array([[0, 0]], np.int64), np.array([0], np.int64))


def best_plan(words: NDArray[np.uint64], others: NDArray[np.uint64], bits: int, radius: int) -> JoinPlan:
    """The plan that is expected to take least time for joining ``words uint64[n, w]`` with ``others uint64[m, w]``."""
    plans = [plan_of(pieces, bits, radius) for pieces in range(1, min(radius + 1, bits) + 1)]
    plans = [plan for plan in plans if masks_of(plan) <= MOST_MASKS]
    size = (len(words), len(others), word_count(bits))
    evenly = sorted(plans, key=lambda plan: _cost(plan, *size, _even_shares(plan)))[:CLOSEST]
    return min([*evenly, everything()], key=lambda plan: expected(plan, words, others))


def expected(plan: JoinPlan, words: NDArray[np.uint64], others: NDArray[np.uint64]) -> float:
    """Nanoseconds that joining the two by a plan is expected to take."""
    # Different rows of the two: a code does not meet itself.
    shares = np.maximum(_even_shares(plan), _shares(plan, _sample(words)[::2], _sample(others)[1::2]))
    return _cost(plan, len(words), len(others), words.shape[1], shares)


def masks_of(plan: JoinPlan) -> int:
    """How many differences the widest-reaching table looks up."""
    return max(
        sum(comb(width, few) for few in range(radius + 1))
        for (_, width), radius in zip(plan.cuts.tolist(), plan.radii.tolist(), strict=True)
    )


def _cost(plan: JoinPlan, left: int, right: int, words: int, shares: NDArray[np.float64]) -> float:
    """Expected nanoseconds, given the share of all pairs that meet in each table."""
    compare = COMPARE + WORD * (words - 1)
    total = 0.0
    for (_, width), radius, share in zip(plan.cuts.tolist(), plan.radii.tolist(), shares.tolist(), strict=True):
        masks = sum(comb(width, few) for few in range(radius + 1))
        looks = min(left, 2**width) * masks
        # A bucket of fewer than eight codes is compared as one of eight.
        lanes = max(left * right * share, 8.0 * looks * min(1.0, right / 2**width))
        total += ORDER * (left + right) + LOOK * (2**width / 64 + looks) + compare * lanes
    return total


def _even_shares(plan: JoinPlan) -> NDArray[np.float64]:
    """Share of pairs that meet in each table, if codes were spread evenly."""
    return np.array(
        [
            sum(comb(width, few) for few in range(radius + 1)) / 2**width
            for (_, width), radius in zip(plan.cuts.tolist(), plan.radii.tolist(), strict=True)
        ]
    )


def _shares(plan: JoinPlan, left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.float64]:
    """The same as a sample shows it."""
    if not len(left) or not len(right):
        return np.zeros(len(plan.cuts))
    shares = []
    for cut, radius in zip(plan.cuts, plan.radii, strict=True):
        ours, theirs = substring_values(left, cut), substring_values(right, cut)
        shares.append(float((np.bitwise_count(ours[:, None] ^ theirs[None]) <= radius).mean()))
    return np.array(shares)


def _sample(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Rows spread over the codes."""
    return words[:: max(1, len(words) // SAMPLE)][:SAMPLE]


def substring_values(words: NDArray[np.uint64], cut: NDArray[np.int64]) -> NDArray[np.uint32]:
    """The substring ``uint32[n]`` of each code ``uint64[n, words]`` that ``cut`` (first bit, number of bits) names."""
    first, width = int(cut[0]), int(cut[1])
    if not width:
        return np.zeros(len(words), np.uint32)
    word, shift = first >> 6, first & 63
    bits = words[:, word] >> np.uint64(shift)
    if shift + width > 64:
        bits |= words[:, word + 1] << np.uint64(64 - shift)
    return (bits & np.uint64((1 << width) - 1)).astype(np.uint32)
