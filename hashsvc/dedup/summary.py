"""What a run comes to: counts by stage and source, clusters, distances, its digest, and whether it keeps the limits."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hashsvc.codes import hamming
from hashsvc.domain.dedup import Decision, Limits, Stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

OTHERS = "(small sources together)"
SOURCES = 1_000
BLOCK = 1_024


def digest_of(decisions: Iterable[Decision], rule: Mapping[str, Any]) -> str:
    """sha256 (hex) over the rule and every decision in order of key; never job, time or sequence."""
    total = hashlib.sha256(repr(sorted(rule.items())).encode())
    for one in sorted(decisions, key=lambda one: one.key.encode()):
        score = "-" if one.score is None else f"{one.score:.6f}"
        line = (
            one.key,
            one.content_hash.hex(),
            one.witness,
            one.witness_hash.hex(),
            str(one.stage),
            one.distance,
            score,
        )
        total.update(repr(line).encode())
    return total.hexdigest()


def summarised(decisions: Sequence[Decision], sources: Sequence[str], diameter: int, unreadable: int) -> dict[str, Any]:
    """Counts of a run as JSON.

    Args:
        decisions: all of them.
        sources: of every item that could have been dropped.
        diameter: see :func:`widest`.
        unreadable: items whose content could not be looked at.
    """
    held = Counter(sources)
    lost = Counter(one.source for one in decisions)
    sizes = Counter(one.witness_id for one in decisions)
    by_source = {
        name: {"items": count, "dropped": lost[name]}
        for name, count in sorted(held.items(), key=lambda pair: (-lost[pair[0]], -pair[1], pair[0]))[:SOURCES]
    }
    return {
        "stages": {str(stage): sum(one.stage is stage for one in decisions) for stage in Stage},
        "sources": by_source,
        "sources_left_out": max(0, len(held) - SOURCES),
        "clusters": len(sizes),
        "cluster_sizes": _pairs(Counter(count + 1 for count in sizes.values())),
        "largest_cluster": max(sizes.values(), default=0) + 1 if sizes else 0,
        "diameter": diameter,
        "distances": _pairs(Counter(one.distance for one in decisions)),
        "scores": _pairs(Counter(round(int(one.score * 20) / 20, 2) for one in decisions if one.score is not None)),
        "unreadable": unreadable,
    }


def _pairs(counts: Mapping[Any, int]) -> list[list[Any]]:
    return [[value, counts[value]] for value in sorted(counts)]


def widest(codes: NDArray[np.uint8], clusters: NDArray[np.int64]) -> int:
    """Largest distance between two codes ``uint8[n, bits/8]`` of one cluster."""
    order = np.argsort(clusters, kind="stable")
    edges = np.flatnonzero(np.diff(clusters[order])) + 1
    return max((_diameter(codes[part]) for part in np.split(order, edges) if len(part) > 1), default=0)


def _diameter(codes: NDArray[np.uint8]) -> int:
    distinct = np.unique(codes, axis=0)
    largest = 0
    for start in range(0, len(distinct), BLOCK):
        for other in range(start, len(distinct), BLOCK):
            part = hamming(distinct[start : start + BLOCK, None], distinct[None, other : other + BLOCK])
            largest = max(largest, int(part.max()))
    return largest


def beyond(
    summary: Mapping[str, Any], sources: Sequence[str], dropped: Mapping[str, int], limits: Limits, radius: int
) -> str:
    """Which limits a run passes, as one line; "" when it keeps them all."""
    reasons = [
        f"{gone / held:.0%} of the {held:,} items of {name or 'the collection'} would go, more than {limits.share:.0%}"
        for name, (held, gone) in sorted(_grouped(sources, dropped, limits.source_items).items())
        if gone > limits.share * held
    ]
    if summary["largest_cluster"] > limits.cluster:
        reasons.append(f"one cluster has {summary['largest_cluster']:,} items, more than {limits.cluster:,}")
    diameter = 2 * radius if limits.diameter is None else limits.diameter
    if summary["diameter"] > diameter:
        reasons.append(f"two items of one cluster are {summary['diameter']} bits apart, more than {diameter}")
    return "; ".join(reasons)


def _grouped(sources: Sequence[str], dropped: Mapping[str, int], least: int) -> dict[str, tuple[int, int]]:
    """Items and drops of each source, the small ones together."""
    held = Counter(sources)
    groups: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, count in held.items():
        group = groups[name if count >= least or len(held) == 1 else OTHERS]
        group[0] += count
        group[1] += dropped.get(name, 0)
    return {name: (count, gone) for name, (count, gone) in groups.items() if count >= least}
