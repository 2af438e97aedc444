"""Every kind answers as brute force does; compared by distance, and for exact kinds by (distance, id)."""

from __future__ import annotations

import numpy as np
import pytest

from hashsvc.domain.kinds import IndexKind
from hashsvc.domain.neighbours import Neighbours
from hashsvc.index import LiveIndex, View
from tests.index.oracle import Oracle, clustered

EXACT = [IndexKind.REFERENCE, IndexKind.SCAN, IndexKind.TABLES, IndexKind.FLAT, IndexKind.AUTO, IndexKind.DEVICE]
NONE = np.zeros(0, np.int64)


def pairs(found: Neighbours, query: int = 0) -> list[tuple[int, int]]:
    ids, distances = found[query]
    return list(zip(distances.tolist(), ids.tolist(), strict=True))


def filled(kind: IndexKind, bits: int, rows: int = 700) -> tuple[View, Oracle, np.ndarray]:
    """An index with two segments, a tail, tombstones in all of them and replaced codes; the oracle; queries."""
    rng = np.random.default_rng(bits)
    codes = clustered(rng, rows, bits)
    ids = rng.permutation(rows * 3)[:rows].astype(np.int64)
    live, oracle = LiveIndex(bits, kind, tail_rows=256), Oracle()
    third = rows // 3
    writes = [
        (ids[:third], codes[:third], NONE),
        (ids[third : 2 * third], codes[third : 2 * third], ids[:5]),
        (ids[2 * third : -60], codes[2 * third : -60], ids[third : third + 40]),
        (ids[-60:], codes[-60:], NONE),
        (ids[10:20], codes[20:30], ids[-7:]),
    ]
    for number, write in enumerate(writes, 1):
        live.apply(*write, watermark=number)
        oracle.apply(*write)
    queries = np.concatenate([codes[::97], clustered(rng, 4, bits)])
    return live.view(), oracle, queries


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
