"""Expected measures of a ranking with ties (McSherry & Najork, ECIR 2008, "Computing IR performance measures ...").

A level is a set of items at one distance; inside it every order is equally likely. A ranking of m queries is two
arrays ``[m, levels]``, nearest level first: how many items a level holds (``counts``) and how many of them are related
to the query (``related``; weights in [0, 1] may be summed in their place, except for average precision).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def expected_hits(counts: NDArray[np.int64], related: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Expected related items ``float64[m]`` among the first ``k``: of a level cut by k, its share."""
    before = np.cumsum(counts, axis=1) - counts
    taken = np.clip(k - before, 0, counts)
    hits: NDArray[np.float64] = (taken * (related / np.maximum(counts, 1))).sum(axis=1)
    return hits


def precision(counts: NDArray[np.int64], related: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Expected share ``float64[m]`` of related items among the first ``k`` (of all items, where there are fewer)."""
    share: NDArray[np.float64] = expected_hits(counts, related, k) / np.clip(counts.sum(axis=1), 1, k)
    return share


def average_precision(
    counts: NDArray[np.int64], related: NDArray[np.float64], k: int, total: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Expected average precision ``float64[m]`` over the first ``k`` places, in closed form.

    At place j of a level of n items, r related, behind N items, R of them related, the expectation of "related, times
    the related items up to here" is r/n (R + 1 + (j - 1)(r - 1)/(n - 1)); divided by the rank N + j and summed over j
    it needs only harmonic numbers.

    ``total`` ``int64[m]`` are the related items in the whole collection: the sum is divided by min(total, k), and a
    query without any has 0.
    """
    behind = np.cumsum(counts, axis=1) - counts
    hits_behind = np.cumsum(related, axis=1) - related
    taken = np.clip(k - behind, 0, counts)
    slope = np.where(counts > 1, (related - 1) / np.maximum(counts - 1, 1), 0.0)
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, k + 1))])
    rungs = harmonic[np.minimum(behind + taken, k)] - harmonic[np.minimum(behind, k)]
    sums = slope * taken + (hits_behind + 1 - slope * (behind + 1)) * rungs
    expected: NDArray[np.float64] = (related / np.maximum(counts, 1) * sums).sum(axis=1)
    return expected / np.clip(total, 1, k)
