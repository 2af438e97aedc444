"""How clusters agree with the truth: pairs, B-cubed and the adjusted Rand index, by counting."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping
from itertools import combinations

from hashsvc.domain.dedup import Agreement

SHOWN = 20


def agreement(found: Mapping[str, Hashable], truth: Mapping[str, Hashable], items: int) -> Agreement:
    """Compare two clusterings of ``items`` items; a key that one of them lacks is alone there.

    Pairwise counts; B-cubed: Bagga & Baldwin, Entity-based cross-document coreferencing (1998); adjusted Rand index:
    Hubert & Arabie, Comparing partitions (1985).

    Args:
        found: cluster of each key, as decided.
        truth: cluster of each key, as it should be.
        items: how many there are in all; those in neither mapping are alone in both.
    """
    keys = sorted(found.keys() | truth.keys())
    cells = Counter((_cluster(found, key), _cluster(truth, key)) for key in keys)
    ours, theirs = Counter(_cluster(found, key) for key in keys), Counter(_cluster(truth, key) for key in keys)
    items = max(items, len(keys))
    both, wide, true = _pairs(cells.values()), _pairs(ours.values()), _pairs(theirs.values())
    alone = items - len(keys)
    precise = (alone + sum(n * n / ours[one] for (one, _), n in cells.items())) / max(items, 1)
    recalled = (alone + sum(n * n / theirs[other] for (_, other), n in cells.items())) / max(items, 1)
    precision, recall = _share(both, wide), _share(both, true)
    return Agreement(
        items=items,
        true_pairs=true,
        found_pairs=wide,
        precision=precision,
        recall=recall,
        f1=_mean(precision, recall),
        bcubed_precision=precise,
        bcubed_recall=recalled,
        bcubed_f1=_mean(precise, recalled),
        rand=_adjusted(both, wide, true, items),
        wrong=_differing(found, truth),
        missed=_differing(truth, found),
    )


def from_pairs(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Clusters of keys that pairs connect; each is named by one of its keys."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for one, other in pairs:
        first, second = sorted((root(one), root(other)))
        parent[second] = first
    return {key: root(key) for key in parent}


def _cluster(clusters: Mapping[str, Hashable], key: str) -> Hashable:
    return ("in", clusters[key]) if key in clusters else ("alone", key)


def _pairs(sizes: Iterable[int]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _mean(one: float, other: float) -> float:
    return 2 * one * other / (one + other) if one + other else 0.0


def _adjusted(both: int, wide: int, true: int, items: int) -> float:
    every = items * (items - 1) // 2
    expected = wide * true / every if every else 0.0
    most = (wide + true) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)


def _differing(
    clusters: Mapping[str, Hashable], others: Mapping[str, Hashable], most: int = SHOWN
) -> tuple[tuple[str, str], ...]:
    """The first pairs, by key, that share a cluster in one clustering and not in the other."""
    members: dict[Hashable, list[str]] = defaultdict(list)
    for key in sorted(clusters):
        members[clusters[key]].append(key)
    found: list[tuple[str, str]] = []
    for group in members.values():
        for one, other in combinations(group, 2):
            if _cluster(others, one) != _cluster(others, other):
                found.append((one, other))
                if len(found) == most:
                    return tuple(found)
    return tuple(found)
