"""Scores of one ranking of a collection: by codes, by real distances, or by a re-ranked short-list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.domain.quality import DistanceSpread, Scores
from hashsvc.evaluate.distances import (
    Wanted,
    blocks,
    hamming_block,
    hamming_levels,
    labelled_levels,
    real_levels,
    wanted_levels,
    words,
)
from hashsvc.evaluate.levels import average_precision, expected_hits, precision
from hashsvc.evaluate.shortlist import chances

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.evaluate.distances import Distances

NEIGHBOURS = 10


@dataclass(frozen=True, slots=True)
class Truth:
    """What the queries should find.

    Args:
        items: size of the collection.
        queries: number of queries.
        query_labels: ``int64[m]``, or None.
        labels: ``int64[items]``, or None.
        neighbours: the 10 nearest float neighbours of each query, or None.
        k: the k of P@k.
        depth: the depth of mAP.
    """

    items: int
    queries: int
    query_labels: NDArray[np.int64] | None = None
    labels: NDArray[np.int64] | None = None
    neighbours: Wanted | None = None
    k: int = 100
    depth: int = 1000

    def related(self, part: slice) -> NDArray[np.bool_] | None:
        """Whether each item carries the label of each query of ``part``: ``bool[q, items]``."""
        if self.labels is None or self.query_labels is None:
            return None
        same: NDArray[np.bool_] = self.query_labels[part, None] == self.labels[None, :]
        return same

    def totals(self) -> NDArray[np.int64]:
        """Related items ``int64[m]`` of each query in the whole collection; needs labels."""
        assert self.labels is not None
        assert self.query_labels is not None
        values, counts = np.unique(self.labels, return_counts=True)
        place = np.minimum(np.searchsorted(values, self.query_labels), len(values) - 1)
        return np.where(values[place] == self.query_labels, counts[place], 0)

    def wanted(self, part: slice) -> NDArray[np.float64] | None:
        """Weight of each item as a float neighbour of each query of ``part``: ``float64[q, items]``."""
        if self.neighbours is None:
            return None
        start, stop, _ = part.indices(self.queries)
        offsets = self.neighbours.offsets[start : stop + 1]
        dense = np.zeros((stop - start, self.items))
        rows = np.repeat(np.arange(stop - start), np.diff(offsets))
        entries = slice(offsets[0], offsets[-1])
        dense[rows, self.neighbours.items[entries]] = self.neighbours.weights[entries]
        return dense


def score_codes(queries: NDArray[np.uint8], codes: NDArray[np.uint8], truth: Truth) -> tuple[Scores, DistanceSpread]:
    """Scores of the symmetric Hamming order, and how far related and unrelated pairs lie apart.

    ``queries`` are ``uint8[m, bits/8]``, ``codes`` ``uint8[items, bits/8]``.
    """
    counts = hamming_levels(queries, codes)
    precise = average = recall = None
    related: NDArray[np.float64] = np.zeros(counts.shape)
    if truth.neighbours is not None:
        related = wanted_levels(queries, codes, truth.neighbours)
        recall = _recall(counts, related, truth.items)
    if truth.labels is not None and truth.query_labels is not None:
        related = labelled_levels(queries, codes, truth.query_labels, truth.labels).astype(np.float64)
        precise = float(precision(counts, related, truth.k).mean())
        average = float(average_precision(counts, related, truth.depth, truth.totals()).mean())
    spread = DistanceSpread(_shares(related.sum(axis=0)), _shares((counts - related).sum(axis=0)))
    return Scores(precise, average, recall), spread


def _recall(counts: NDArray[np.int64], wanted: NDArray[np.float64], items: int) -> float:
    return float(expected_hits(counts, wanted, NEIGHBOURS).mean() / min(NEIGHBOURS, items))


def _shares(amounts: NDArray[np.float64]) -> tuple[float, ...]:
    total = amounts.sum()
    return tuple(float(amount) for amount in amounts / (total if total > 0 else 1))


def score_distances(distances: Distances, truth: Truth) -> Scores:
    """Scores of an order by real distances, given as ``float32[q, items]`` for a slice of the queries."""
    sums = np.zeros(3)
    totals = truth.totals() if truth.labels is not None else None
    for part in blocks(truth.queries, truth.items):
        block = distances(part)
        related, wanted = truth.related(part), truth.wanted(part)
        if related is not None and totals is not None:
            counts, hits = real_levels(block, related.astype(np.float64), max(truth.k, truth.depth))
            sums[0] += precision(counts, hits, truth.k).sum()
            sums[1] += average_precision(counts, hits, truth.depth, totals[part]).sum()
        if wanted is not None:
            counts, hits = real_levels(block, wanted, NEIGHBOURS)
            sums[2] += expected_hits(counts, hits, NEIGHBOURS).sum() / min(NEIGHBOURS, truth.items)
    means = [float(value) for value in sums / truth.queries]
    labelled = totals is not None
    return Scores(
        means[0] if labelled else None,
        means[1] if labelled else None,
        means[2] if truth.neighbours is not None else None,
    )


def score_reranked(
    queries: NDArray[np.uint8],
    codes: NDArray[np.uint8],
    distances: Distances,
    truth: Truth,
    *,
    oversample: int | None = 4,
    short: int | None = None,
) -> Scores:
    """Scores of a Hamming short-list put in order by real distances.

    P@k takes a list of ``oversample * k``, recall@10 one of ``oversample * 10``; ``short`` sets both lists' length.
    """
    asked, held = words(queries), words(codes)
    lengths = (short or (oversample or 1) * truth.k, short or (oversample or 1) * NEIGHBOURS)
    sums = np.zeros(2)
    for part in blocks(truth.queries, truth.items):
        hamming, real = hamming_block(asked[:, part], held), distances(part)
        for column, (wanted, k) in enumerate(((truth.related(part), truth.k), (truth.wanted(part), NEIGHBOURS))):
            if wanted is None:
                continue
            for near, score, weights in zip(hamming, real, wanted, strict=True):
                rows, chance = chances(near, score, lengths[column], k)
                sums[column] += (chance * weights[rows]).sum() / min(k, truth.items)
    means = [float(value) for value in sums / truth.queries]
    return Scores(
        means[0] if truth.labels is not None else None, None, means[1] if truth.neighbours is not None else None
    )
