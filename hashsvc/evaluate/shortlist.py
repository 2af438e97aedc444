"""Two-stage search: what a short-list by code, put in order by a second score, is expected to find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import hypergeom

if TYPE_CHECKING:
    from numpy.typing import NDArray


def chances(
    distances: NDArray[np.integer[Any]], scores: NDArray[np.floating[Any]], short: int, k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Chance of each candidate to be among the best ``k`` by score of the ``short`` nearest by code.

    Items at the last distance of the short-list take its remaining places at random, so how many of them stand above
    a candidate follows a hypergeometric law. Equal scores keep the order of the rows.

    Args:
        distances: ``[n]`` Hamming distances of one query.
        scores: ``[n]`` second distances, smaller is nearer.
        short: length of the short-list.
        k: places in the answer.

    Returns:
        rows ``int64[c]`` of the candidates, best score first, and the chance ``float64[c]`` of each.
    """
    short = min(short, len(distances))
    edge = np.partition(distances, short - 1)[short - 1]
    rows = np.flatnonzero(distances <= edge)
    rows = rows[np.argsort(scores[rows], kind="stable")]
    tied = distances[rows] == edge
    pool = int(np.count_nonzero(tied))
    places = short - (len(rows) - pool)
    sure_above = np.cumsum(~tied) - ~tied
    tied_above = np.cumsum(tied) - tied
    room = k - 1 - sure_above
    if pool == places:
        return rows, (tied_above <= room).astype(np.float64)
    chance = np.where(
        tied,
        places / pool * hypergeom.cdf(room, pool - 1, places - 1, np.minimum(tied_above, pool - 1)),
        hypergeom.cdf(room, pool, places, tied_above),
    )
    return rows, np.where(room < 0, 0.0, chance)
