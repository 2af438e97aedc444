"""Items that are the same to everything that follows, as one: equal form and equal code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Nodes:
    """Groups of items, in the total order of the first item of each; the given ones before all others.

    Args:
        first: ``int64[m]``: position of the best item of each group, which stands for it.
        of: ``int64[n]``: group of each item.
        forms: ``int64[m]``; equal numbers mean the same form.
        given: so many groups, the first, are kept whatever they are.
        rank: ``int64[n]``: place of each item in the total order.
    """

    first: NDArray[np.int64]
    of: NDArray[np.int64]
    forms: NDArray[np.int64]
    given: int
    rank: NDArray[np.int64]

    def repeats(self, rows: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Which items have the same row ``uint8[n, w]`` as an item before them in the total order."""
        numbers = _numbered(rows)
        order = np.lexsort((self.rank, numbers))
        later = np.zeros(len(rows), bool)
        later[order[1:]] = numbers[order[1:]] == numbers[order[:-1]]
        return later


def grouped(
    order: NDArray[np.int64],
    codes: NDArray[np.uint8],
    forms: NDArray[np.uint8],
    given: NDArray[np.bool_],
    alone: NDArray[np.bool_],
) -> Nodes:
    """Group items.

    Args:
        order: positions of the items, the best to keep first.
        codes: ``uint8[n, bits/8]``.
        forms: ``uint8[n, 32]``.
        given: ``bool[n]``: kept whatever they are; they are grouped with each other only.
        alone: ``bool[n]``: items that somebody marked as no duplicate of another: grouped with nobody.
    """
    ranked = np.concatenate([order[given[order]], order[~given[order]]])
    count = len(ranked)
    own = np.where(alone, np.arange(count) + 1, 0).astype("<i8")
    flags = np.concatenate([given[:, None].astype(np.uint8), own[:, None].view(np.uint8).reshape(count, 8)], axis=1)
    numbers = _numbered(np.concatenate([forms, codes, flags], axis=1))[ranked]
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    by_rank = np.argsort(first)
    place = np.empty(len(first), np.int64)
    place[by_rank] = np.arange(len(first))
    of = np.empty(count, np.int64)
    of[ranked] = place[inverse]
    leaders = ranked[first[by_rank]]
    rank = np.empty(count, np.int64)
    rank[ranked] = np.arange(count)
    return Nodes(leaders, of, _numbered(forms)[leaders], int(given[leaders].sum()), rank)


def _numbered(rows: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Equal rows get equal numbers."""
    if not len(rows):
        return np.empty(0, np.int64)
    wide = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1]))).ravel()
    return np.unique(wide, return_inverse=True)[1].astype(np.int64)
