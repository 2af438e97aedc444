"""Indexes with something in them, and their answers as pairs."""

from __future__ import annotations

import numpy as np

from hashsvc.domain.kinds import IndexKind
from hashsvc.domain.neighbours import Neighbours
from hashsvc.index import LiveIndex, View
from tests.index.oracle import Oracle, clustered

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


def big(kind: IndexKind, rows: int = 60_000, bits: int = 64) -> LiveIndex:
    live = LiveIndex(bits, kind)
    live.apply(np.arange(rows), clustered(np.random.default_rng(5), rows, bits), NONE, 1)
    return live
