"""Which code to keep, without labels: agreement with a diffused neighbour graph on items no model was trained on.

Counting the exact float neighbours a code finds rewards imitating the float distance. What makes two items related is
seldom that distance itself, but the surroundings they share. So each held-back item spreads a unit of weight over its
nearest training items and on along the graph (a random walk; Zhou et al., NIPS 2003, "Ranking on data manifolds").
The twentieth of the items that gathers the most, for its links, is its region; a code is worth the share of its nearest
100 items that lie there, ties averaged. A text's walk starts at texts that share its own words: from those that share
its topics, it would reward the codes that were cut from the topics.

Vectors are another matter: who brings them trusts their distance. There a code is worth the share of the ten exact
neighbours among its nearest 40 items, a short-list to rank again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np
from scipy import sparse

from hashsvc.codes import hamming
from hashsvc.domain.kinds import Kind
from hashsvc.encoders.contract import Decoded, Encoder
from hashsvc.encoders.fronts.text import Bag
from hashsvc.encoders.graph import adjacency
from hashsvc.encoders.training_set import TrainingSet

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAREST = 10
STEPS = 8
FOUND, SHORT_LIST = 100, 40
REGION = 0.05
FEW = 200
BLOCK = 100


def agreement(candidates: Mapping[str, Encoder], training: TrainingSet, held: Sequence[Decoded]) -> dict[str, float]:
    """What each candidate's nearest items hold of those the asking items should find, in [0, 1]; larger is better.

    Without items held back (few items at all) the first training items ask in their place.
    """
    asked = list(held) or list(training.items[:FEW])
    if training.front.kind is Kind.VECTOR:
        wanted, found = _exact(training, asked), SHORT_LIST
    else:
        size = max(1, int(len(training) * REGION))
        wanted, found = _regions(training, asked, size), min(FOUND, size)
    return {
        name: _score(encoder.encode(asked), encoder.encode(training.items), wanted, found)
        for name, encoder in candidates.items()
    }


def _exact(training: TrainingSet, asked: Sequence[Decoded]) -> NDArray[np.int64]:
    """The nearest training vectors of each asking one: ``int64[m, 10]``."""
    rows, values = training.front.batch(asked), training.rows()
    assert not isinstance(rows, Bag)
    _, near = faiss.knn(rows.numpy(), np.ascontiguousarray(values), min(NEAREST, len(values)))
    return near.astype(np.int64)


def _regions(training: TrainingSet, asked: Sequence[Decoded], size: int) -> NDArray[np.int64]:
    """The ``size`` training items in the region of each asking item: ``int64[m, size]``."""
    links = adjacency(training.graph.neighbours)
    links = (links + links.T).tocsr()
    degrees = np.maximum(np.asarray(links.sum(axis=1)).ravel(), 1.0).astype(np.float32)
    walk = (links @ sparse.diags_array(1.0 / degrees)).tocsr()
    near = training.near(asked, NEAREST)
    parts = [near[start : start + BLOCK] for start in range(0, len(near), BLOCK)]
    return np.concatenate([_region(part, walk, degrees, size) for part in parts])


def _region(near: NDArray[np.int64], walk: Any, degrees: NDArray[np.float32], size: int) -> NDArray[np.int64]:
    weight = np.zeros((len(degrees), len(near)), dtype=np.float32)
    np.add.at(weight, (near, np.arange(len(near))[:, None]), np.float32(1.0))
    for _ in range(STEPS):
        weight = walk @ weight
    gathered = weight.T / degrees
    region: NDArray[np.int64] = np.argpartition(-gathered, size - 1, axis=1)[:, :size]
    return region


def _score(queries: NDArray[np.uint8], codes: NDArray[np.uint8], wanted: NDArray[np.int64], found: int) -> float:
    """Mean share of the ``wanted`` ``int64[m, size]`` among the nearest ``found``, or of these where they are fewer."""
    whole = min(found, int(wanted.shape[1]))
    shares = [_held(hamming(query, codes), row, found) for query, row in zip(queries, wanted, strict=True)]
    return round(float(np.mean(shares)) / whole, 6)


def _held(distances: NDArray[np.int32], region: NDArray[np.int64], found: int) -> float:
    """Expected items of the region among the nearest ``found`` items, every order of ties equally likely."""
    counts = np.bincount(distances)
    related = np.bincount(distances[region], minlength=len(counts))
    before = np.cumsum(counts) - counts
    taken = np.clip(found - before, 0, counts)
    return float((taken * related / np.maximum(counts, 1)).sum())
