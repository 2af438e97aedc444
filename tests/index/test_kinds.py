"""Every kind answers as brute force does; compared by distance, and for exact kinds by (distance, id)."""

from __future__ import annotations

import numpy as np
import pytest

from hashsvc.domain.kinds import IndexKind
from tests.index.filling import filled, pairs

EXACT = [IndexKind.REFERENCE, IndexKind.SCAN, IndexKind.TABLES, IndexKind.FLAT, IndexKind.AUTO, IndexKind.DEVICE]


@pytest.mark.parametrize("bits", [8, 40, 64, 128, 200, 256, 1024])
@pytest.mark.parametrize("kind", EXACT)
def test_exact_kind_agrees_with_brute_force(kind: IndexKind, bits: int) -> None:
    view, oracle, queries = filled(kind, bits)
    assert view.items == len(oracle.items)
    allowed = np.array([*sorted(oracle.items)[::3], 10**12], np.int64)
    for k in (1, 7, 60, 10_000):
        plain, some = view.search(queries, k), view.search(queries, k, allowed)
        assert plain.exact
        for number, query in enumerate(queries):
            assert pairs(plain, number) == oracle.pairs(query)[:k]
            assert pairs(some, number) == oracle.pairs(query, set(allowed.tolist()))[:k]
            assert pairs(view.search(queries, k, view.bitmap(allowed)), number) == pairs(some, number)
    for radius in (0, 3, bits // 3, bits):
        found = view.within(queries, radius)
        for number, query in enumerate(queries):
            assert pairs(found, number) == [pair for pair in oracle.pairs(query) if pair[0] <= radius]
