"""How good a code is: measured scores, the health of its bits, and what a report shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from hashsvc.domain.kinds import Kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Column(StrEnum):
    """How a collection was ranked for a query.

    SYMMETRIC: code against code. ASYMMETRIC: the query's float features against codes. RERANKED: a Hamming short-list
    put in asymmetric order. TABLE: code against code by the exact distances of a codebook's vectors. FLOAT: float
    features against float features, nothing quantised.
    """

    SYMMETRIC = "symmetric"
    ASYMMETRIC = "asymmetric"
    RERANKED = "reranked"
    TABLE = "table"
    FLOAT = "float"


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over queries, ties averaged; None where a measure does not apply (no labels, no float features).

    Args:
        precision: share of the nearest ``k`` items related to the query (P@k).
        mean_average_precision: mAP at the evaluation's depth, divided by min(related items, depth).
        recall: share of the 10 nearest float neighbours among the 10 nearest items (recall@10).
    """

    precision: float | None = None
    mean_average_precision: float | None = None
    recall: float | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """Scores of one method at one code length, ranked in one way; ``bits`` is 0 for float features."""

    method: str
    bits: int
    column: Column
    scores: Scores


@dataclass(frozen=True, slots=True)
class BitHealth:
    """Whether every bit carries its share.

    Args:
        means: share of ones of each bit.
        entropy: mean entropy of a bit, in bits (1 is best).
        code_entropy: empirical entropy of whole codes, in bits (at most log2 of the items).
        correlation: mean absolute correlation of two different bits (0 is best).
        worst_correlation: largest absolute correlation of two different bits.
        items: codes measured.
        distinct: distinct codes among them.
    """

    means: tuple[float, ...]
    entropy: float
    code_entropy: float
    correlation: float
    worst_correlation: float
    items: int
    distinct: int

    @property
    def lowest(self) -> float:
        """Smallest share of ones of any bit."""
        return min(self.means)

    @property
    def highest(self) -> float:
        """Largest share of ones of any bit."""
        return max(self.means)


@dataclass(frozen=True, slots=True)
class DistanceSpread:
    """Share of related and of unrelated pairs (query, item) at each Hamming distance 0..bits; each sums to 1."""

    related: tuple[float, ...]
    unrelated: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Plane:
    """A 2-D picture of codes: points ``float32[n, 2]``, the group ``int64[n]`` of each, and the groups' names."""

    points: NDArray[np.float32]
    groups: NDArray[np.int64]
    names: tuple[str, ...]
    by: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One item in a gallery; ``related`` is None for the query itself or where nothing says so."""

    key: str
    content: bytes
    distance: int | None = None
    related: bool | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Gallery:
    """A query and its nearest items, nearest first."""

    query: Shown
    neighbours: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything measured of one code.

    Args:
        title: what was evaluated.
        kind: kind of the items.
        method: name of the evaluated code among ``ranked``.
        bits: its length.
        items: items in the collection.
        queries: queries asked.
        k: the k of P@k.
        depth: the depth of mAP.
        related_by: what makes two items related: "label", or "float neighbours" where there are no labels.
        ranked: one row for each method, length and column; the evaluated code's first.
        facts: further lines for the reader (name to text).
    """

    title: str
    kind: Kind
    method: str
    bits: int
    items: int
    queries: int
    k: int
    depth: int
    related_by: str
    ranked: tuple[Ranked, ...]
    health: BitHealth
    spread: DistanceSpread
    plane: Plane | None = None
    galleries: tuple[Gallery, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    def score(self, method: str, bits: int, column: Column = Column.SYMMETRIC) -> Scores | None:
        """Scores of one method, length and column; None if it was not measured."""
        rows = (row for row in self.ranked if (row.method, row.bits, row.column) == (method, bits, column))
        return next((row.scores for row in rows), None)

    def document(self) -> dict[str, Any]:
        """As JSON values, without pictures and galleries."""
        return {
            "title": self.title,
            "kind": str(self.kind),
            "method": self.method,
            "bits": self.bits,
            "items": self.items,
            "queries": self.queries,
            "k": self.k,
            "depth": self.depth,
            "related_by": self.related_by,
            "ranked": [_row(row, self) for row in self.ranked],
            "health": asdict(self.health),
            "spread": asdict(self.spread),
            "facts": dict(self.facts),
        }


def _row(row: Ranked, evaluation: Evaluation) -> dict[str, Any]:
    return {
        "method": row.method,
        "bits": row.bits,
        "column": str(row.column),
        f"p_at_{evaluation.k}": row.scores.precision,
        f"map_at_{evaluation.depth}": row.scores.mean_average_precision,
        "recall_at_10": row.scores.recall,
    }
