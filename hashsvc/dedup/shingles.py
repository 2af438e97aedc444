"""Texts as sets of hashed character shingles, their Jaccard similarity, and candidates from their rarest shingles.

Shingles: Broder, On the resemblance and containment of documents (1997). Candidates by prefix: Chaudhuri et al., A
primitive operator for similarity joins (2006): two sets of Jaccard >= t share one of the first |A| - ceil(t |A|) + 1
elements of each, in any one order of the elements. With the rarest first few pairs share one, and none is lost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

WIDTH = 5
FACTOR = np.uint64(0x9E3779B97F4A7C15)
PAIR_ELEMENTS = 4_000_000
ROWS = 2_000
BITMAP_PAIRS = 10_000
BITMAP_ROWS = 1_000
LEAST_BITS, MOST_BITS = 128, 4_096


def shingle(forms: Sequence[str], width: int = WIDTH) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Sets of hashed shingles, one behind the other: ``offsets int64[n + 1]`` and ``hashes uint32[total]``, sorted.

    A text shorter than ``width`` characters is one shingle.
    """
    padded = [form if len(form) >= width else form + "\x00" * (width - len(form)) for form in forms]
    points = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    lengths = np.array([len(form) for form in padded], np.int64)
    if not len(points):
        return np.zeros(len(forms) + 1, np.int64), np.empty(0, np.uint32)
    owners = np.repeat(np.arange(len(padded)), lengths)
    windows = len(points) - width + 1
    value = np.zeros(windows, np.uint64)
    for step in range(width):
        value = (value ^ points[step : step + windows]) * FACTOR
        value ^= value >> np.uint64(29)
    inside = owners[:windows] == owners[width - 1 :]
    keyed = (owners[:windows][inside].astype(np.uint64) << np.uint64(32)) | (value[inside] >> np.uint64(32))
    keyed = np.unique(keyed)
    counts = np.bincount((keyed >> np.uint64(32)).astype(np.int64), minlength=len(padded))
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), (keyed & np.uint64(0xFFFFFFFF)).astype(np.uint32)


@dataclass(frozen=True, slots=True)
class ShingleSets:
    """Sets of hashed shingles of n texts; an empty set stands for a text that cannot be compared.

    Args:
        offsets: ``int64[n + 1]``; text i owns ``hashes[offsets[i]:offsets[i + 1]]``.
        hashes: ``uint32[total]``, sorted within each text.
    """

    offsets: NDArray[np.int64]
    hashes: NDArray[np.uint32]
    bitmaps: list[NDArray[np.uint64]] = field(default_factory=list, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> NDArray[np.int64]:
        """``int64[n]``, shingles of each text."""
        return np.diff(self.offsets)

    def scores(self, left: NDArray[np.int64], right: NDArray[np.int64], least: float = 0.0) -> NDArray[np.float64]:
        """Jaccard similarity ``float64[m]`` of the texts at ``left[i]`` and ``right[i]``; 0 where one is empty.

        Args:
            left: ``int64[m]``.
            right: ``int64[m]``.
            least: pairs that cannot reach this are told by their bitmaps, and given 0.
        """
        if least <= 0.0 or len(left) < BITMAP_PAIRS:
            return self._exact(left, right)
        scores = np.zeros(len(left))
        able = self.bounds(left, right) >= least - 1e-9
        scores[able] = self._exact(left[able], right[able])
        return scores

    def bounds(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        """Upper bounds ``float64[m]`` of the same.

        In a bitmap every shingle flips one bit, so that two bitmaps differ in at most as many bits as the sets in
        shingles (Sandes, Teodoro, Melo: Bitmap filter, 2020).
        """
        bitmaps = self._bitmaps()
        differing = np.empty(len(left), np.int64)
        for start in range(0, len(left), BITMAP_PAIRS):
            part = slice(start, start + BITMAP_PAIRS)
            unlike = bitmaps[left[part]] ^ bitmaps[right[part]]
            differing[part] = np.bitwise_count(unlike).sum(axis=1, dtype=np.int64)
        sizes = self.sizes
        one, other = sizes[left], sizes[right]
        differing = np.maximum(differing, np.abs(one - other))
        together = np.maximum(one + other, 1)
        bounds: NDArray[np.float64] = (together - differing) / (together + differing)
        return bounds

    def _bitmaps(self) -> NDArray[np.uint64]:
        """``uint64[n, words]``, made once."""
        if not self.bitmaps:
            self.bitmaps.append(_bitmaps(self.offsets, self.hashes))
        return self.bitmaps[0]

    def _exact(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        sizes = self.sizes
        work = np.cumsum(sizes[left] + sizes[right])
        cuts = np.searchsorted(work, np.arange(PAIR_ELEMENTS, int(work[-1]) if len(work) else 0, PAIR_ELEMENTS))
        edges = np.unique(np.concatenate([[0], cuts + 1, [len(left)]]))
        parts = [self._scores(left[a:b], right[a:b]) for a, b in pairwise(edges.tolist()) if a < len(left)]
        return np.concatenate(parts) if parts else np.empty(0)

    def _scores(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
        pairs = np.arange(len(left), dtype=np.uint64)
        both = np.concatenate([self._keyed(left, pairs), self._keyed(right, pairs)])
        both.sort()
        common = both[1:][both[1:] == both[:-1]]
        shared = np.bincount((common >> np.uint64(32)).astype(np.int64), minlength=len(left))
        total = self.sizes[left] + self.sizes[right] - shared
        jaccard: NDArray[np.float64] = shared / np.maximum(total, 1)
        return jaccard

    def _keyed(self, rows: NDArray[np.int64], pairs: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """The shingles of these rows with the number of their pair in the upper half."""
        lengths = self.sizes[rows]
        starts = np.repeat(self.offsets[rows] - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
        hashes = self.hashes[starts + np.arange(int(lengths.sum()))]
        return (np.repeat(pairs, lengths) << np.uint64(32)) | hashes

    def take(self, rows: NDArray[np.int64]) -> ShingleSets:
        """The sets of these rows."""
        lengths = self.sizes[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.repeat(self.offsets[rows] - offsets[:-1], lengths) + np.arange(int(offsets[-1]))
        return ShingleSets(offsets, self.hashes[places])

    def prefixes(self, least: float) -> sparse.csr_matrix:
        """Which text has which shingle among its rarest ``|A| - ceil(least |A|) + 1``: ones ``[n, distinct]``."""
        distinct, places, counts = np.unique(self.hashes, return_inverse=True, return_counts=True)
        sizes = self.sizes
        owners = np.repeat(np.arange(len(self)), sizes)
        rarest = np.lexsort((places, counts[places], owners))
        nth = np.arange(len(places)) - np.repeat(self.offsets[:-1], sizes)
        length = sizes - np.ceil(least * sizes - 1e-9).astype(np.int64) + 1
        taken = rarest[nth < np.repeat(length, sizes)]
        ones = np.ones(len(taken), np.int32)
        return sparse.csr_matrix((ones, (owners[taken], places[taken])), shape=(len(self), len(distinct)))


def _bitmaps(offsets: NDArray[np.int64], hashes: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Bitmaps of about two bits for each shingle of an average text."""
    count = len(offsets) - 1
    wanted = 2 * len(hashes) / max(count, 1)
    bits = int(np.clip(2 ** math.ceil(math.log2(max(wanted, 1.0))), LEAST_BITS, MOST_BITS))
    bitmaps = np.empty((count, bits // 64), np.uint64)
    for start in range(0, count, BITMAP_ROWS):
        stop = min(start + BITMAP_ROWS, count)
        low, high = int(offsets[start]), int(offsets[stop])
        owners = np.repeat(np.arange(stop - start), np.diff(offsets[start : stop + 1]))
        counts = np.bincount(owners * bits + hashes[low:high] % bits, minlength=(stop - start) * bits)
        odd = np.packbits((counts & 1).astype(bool).reshape(-1, bits), axis=1)
        bitmaps[start:stop] = np.ascontiguousarray(odd).view(np.uint64)
    return bitmaps


def prefix_pairs(
    prefixes: sparse.csr_matrix, left: NDArray[np.int64], right: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs (a of ``left``, b of ``right``) that share a rare shingle, as positions of texts, in pieces."""
    held = prefixes[right].T.tocsc()
    rows = max(1, min(ROWS, math.ceil(len(left))))
    for start in range(0, len(left), rows):
        part = left[start : start + rows]
        found = (prefixes[part] @ held).tocoo()
        yield part[found.row], right[found.col]
