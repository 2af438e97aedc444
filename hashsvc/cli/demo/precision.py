"""Precision of an answer whose distances tie: the expected value over a random order inside each distance."""

from __future__ import annotations

from collections.abc import Sequence

NEAREST = 10


def precision(distances: Sequence[int], relevant: Sequence[bool], k: int = NEAREST) -> float:
    """Share of relevant items among the k nearest; those that tie at the k-th distance share the places left.

    Args:
        distances: ascending, and complete up to the k-th distance: every item at that distance is among them.
        relevant: whether each item counts, in the same order.
        k: how many places count.
    """
    if len(distances) < k:
        return sum(relevant) / max(len(distances), 1)
    edge = distances[k - 1]
    nearer = [hit for distance, hit in zip(distances, relevant, strict=True) if distance < edge]
    tied = [hit for distance, hit in zip(distances, relevant, strict=True) if distance == edge]
    return (sum(nearer) + (k - len(nearer)) * sum(tied) / len(tied)) / k
