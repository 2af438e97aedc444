"""The k nearest codes of each query: chunk after chunk, each compared under the bound that those before it set.

Positions rise with item ids. So once k codes lie at distance d or less, a later code must be nearer than d: ties never
pile up, and what a chunk leaves to be ordered is about k codes a query for each time the codes seen have doubled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from hashsvc.index.device.keys import MISSING, POSITION_BITS, QUERY_SHIFT
from hashsvc.index.device.products import Codes, Compare, every_key

if TYPE_CHECKING:
    from hashsvc.index.device.rows import Asked


@dataclass(frozen=True, slots=True)
class Sizes:
    """What a search takes at a time.

    Args:
        first: codes of the first chunk, all of whose distances are put in order.
        growth: the codes seen after a chunk, as a multiple of those before it.
        room: codes that may be left of one chunk; a chunk that leaves more is halved.
        queries: queries that are compared together.
    """

    first: int = 4_096
    growth: int = 4
    room: int = 1 << 22
    queries: int = 4_096

    def queries_for(self, k: int) -> int:
        """How many queries may be compared together, so that the expected rest of a chunk has room."""
        return max(1, min(self.queries, self.room // (2 * self.growth * k)))


def nearest_keys(compare: Compare, codes: Codes, asked: Asked, k: int, sizes: Sizes) -> torch.Tensor:
    """Keys of the k nearest allowed codes of each query by (distance, position), fewer where there are fewer.

    Args:
        compare: how.
        codes: those that may be found, in order of the ids that break ties.
        asked: m queries.
        k: how many.
        sizes: ``room`` is at least the number of queries.

    Returns:
        ``int64[c]`` in order of (query, distance, position).
    """
    search = _Search(compare, codes, asked, k, sizes)
    seen = min(codes.total, max(1, sizes.first))
    search.begin(seen)
    while seen < codes.total:
        stop = min(codes.total, seen * sizes.growth)
        search.advance(seen, stop)
        seen = stop
    return search.keys()


class _Search:
    """The k nearest codes so far, ``int64[m, k]`` without the query, and bounds on what may come."""

    def __init__(self, compare: Compare, codes: Codes, asked: Asked, k: int, sizes: Sizes) -> None:
        self._compare, self._codes, self._asked, self._sizes = compare, codes, asked, sizes
        self._k = k
        self._numbers = torch.arange(len(asked.ones), device=asked.ones.device)
        self._held = torch.full((len(asked.ones), k), MISSING, device=asked.ones.device)
        # Whatever has been seen, in order or not, says that the k-th lies nearer than this.
        self._caps = torch.full_like(asked.ones, 8 * codes.rows.shape[1] + 1)

    def begin(self, stop: int) -> None:
        """Take the first codes."""
        keys = every_key(self._codes, self._asked, (0, stop))
        wanted = min(self._k, stop)
        self._held[:, :wanted] = keys.topk(wanted, largest=False, sorted=True).values

    def advance(self, start: int, stop: int) -> None:
        """Take the codes from ``start`` to ``stop - 1``."""
        spans = [(start, stop)]
        while spans:
            begin, end = spans.pop()
            limits = torch.minimum(_limits(self._held), self._caps)
            keys, count = self._compare(self._codes, self._asked, limits, (begin, end), self._sizes.room)
            if count <= self._sizes.room:
                self._held = self._merged(keys)
                continue
            # Those that were left out may tie with the last of these and stand before it.
            self._caps = torch.minimum(self._caps, _limits(self._merged(keys)) + 1)
            middle = (begin + end) // 2
            spans += [(middle, end), (begin, middle)]

    def keys(self) -> torch.Tensor:
        """What is held, with the queries."""
        return self._numbered()

    def _numbered(self) -> torch.Tensor:
        return (self._held | (self._numbers << QUERY_SHIFT)[:, None])[self._held != MISSING]

    def _merged(self, keys: torch.Tensor) -> torch.Tensor:
        """The k first of what is held and of these."""
        if not len(keys):
            return self._held
        every = torch.cat([self._numbered(), keys]).sort().values
        query = every >> QUERY_SHIFT
        rank = torch.arange(len(every), device=every.device) - torch.searchsorted(query, self._numbers)[query]
        first = rank < self._k
        held = torch.full_like(self._held, MISSING)
        held[query[first], rank[first]] = every[first] & (MISSING - 1)
        return held


def _limits(held: torch.Tensor) -> torch.Tensor:
    """The k-th distance of each query ``int32[m]``; 2,048 where fewer than k are held."""
    return (held[:, -1] >> POSITION_BITS).to(torch.int32)
