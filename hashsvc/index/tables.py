"""Hash tables over substrings of a segment's codes, for multi-index hashing (see :mod:`hashsvc.index.kernel.hashing`).

A table is a permutation of the codes in order of one substring, and where each of its values starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np

from hashsvc.index.layout import frozen, word_count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.index.segment import Segment

WIDEST = 16
MOST = 16


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """One hash table for each of m disjoint substrings.

    Args:
        cuts: ``int64[m, 3]``: word, shift and width in bits of each substring.
        bases: ``int64[m]``: where each table's offsets start.
        offsets: ``uint32[sum of 2**width + 1]``: where each value's entries start in its table.
        entries: ``uint32[m, codes]``: codes in order of the substring's value.
        signatures: ``uint16[m, codes]``: of each entry's code the substring of the next table; ``uint16[m, 0]`` for
            codes of one table, which has no other, and of several words, whose neighbours lie so far out that it tells
            nothing.
    """

    cuts: NDArray[np.int64]
    bases: NDArray[np.int64]
    offsets: NDArray[np.uint32]
    entries: NDArray[np.uint32]
    signatures: NDArray[np.uint16]

    @property
    def lists(self) -> tuple[NDArray[Any], ...]:
        """What the kernel takes."""
        return self.cuts, self.bases, self.offsets, self.entries, self.signatures

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return self.offsets.nbytes + self.entries.nbytes + self.signatures.nbytes

    def looked_at(self, radius: int) -> float:
        """How many buckets and codes a look-up within ``radius`` is expected to touch, if codes were spread evenly."""
        return _looked_at(tuple(self.cuts[:, 2].tolist()), self.entries.shape[1], radius)


@lru_cache(maxsize=1024)
def _looked_at(widths: tuple[int, ...], codes: int, radius: int) -> float:
    total = 0.0
    for table, width in enumerate(widths):
        reach = radius // len(widths) - (table > radius % len(widths))
        buckets = sum(comb(width, weight) for weight in range(min(reach, width) + 1))
        total += buckets * (1 + codes / 2**width)
    return total


def substrings(bits: int) -> NDArray[np.int64]:
    """Cuts ``int64[m, 3]`` of a code: at most 16 disjoint substrings of at most 16 bits.

    Longer codes are not covered whole: what holds for the distance of two codes holds all the more for a part of them.
    """
    words = -(-bits // 64)
    most = max(1, MOST // words)
    cuts = []
    for word in range(words):
        held = min(64, bits - 64 * word)
        pieces = min(most, -(-held // WIDEST))
        width = min(WIDEST, -(-held // pieces))
        cuts += [(word, shift, min(width, held - shift)) for shift in range(0, min(held, width * pieces), width)]
    return np.array(cuts, np.int64)


def table_bases(cuts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each table's offsets start."""
    sizes = (1 << cuts[:, 2]) + 1
    bases: NDArray[np.int64] = np.cumsum(sizes) - sizes
    return bases


def build_tables(segment: Segment) -> Tables:
    """The tables of a segment's distinct codes."""
    cuts = substrings(segment.bits)
    words = segment.words()
    entries = np.empty((len(cuts), segment.codes), np.uint32)
    signatures = np.empty((len(cuts), segment.codes if signed(cuts) else 0), np.uint16)
    values = [_values(words, cut) for cut in cuts.tolist()]
    offsets = []
    for table, (keys, width) in enumerate(zip(values, cuts[:, 2].tolist(), strict=True)):
        entries[table] = np.argsort(keys, kind="stable")
        if signatures.size:
            signatures[table] = values[(table + 1) % len(cuts)][entries[table]]
        counts = np.bincount(keys, minlength=1 << width)
        offsets.append(np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32))
    assert word_count(segment.bits) >= cuts[-1, 0] + 1
    bases = table_bases(cuts)
    return Tables(frozen(cuts), frozen(bases), frozen(np.concatenate(offsets)), frozen(entries), frozen(signatures))


def signed(cuts: NDArray[np.int64]) -> bool:
    """Whether entries of tables over these substrings have signatures; see :class:`Tables`."""
    return len(cuts) > 1 and not cuts[-1, 0]


def _values(words: NDArray[np.uint64], cut: tuple[int, int, int]) -> NDArray[np.uint16]:
    """One substring ``uint16[n]`` of each code."""
    word, shift, width = cut
    return (words[:, word] >> np.uint64(shift) & np.uint64((1 << width) - 1)).astype(np.uint16)
