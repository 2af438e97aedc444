"""The contract of a pass: one way of finding the items of some parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hashsvc.index.part import Part
    from hashsvc.index.rows import Cursor, Rows

CHOSEN = "the collection chose this kind"


@dataclass(frozen=True, slots=True)
class Step:
    """What answers for one part of an index.

    Args:
        part: "segment 0", "tail".
        codes, items: codes held and items that may answer.
        chosen: the pass.
        reason: why, in words.
        microseconds: what each possible pass is expected to take, where costs were compared.
    """

    part: str
    codes: int
    items: int
    chosen: str
    reason: str
    microseconds: dict[str, float] = field(default_factory=dict)


class Pass(Protocol):
    """One way of finding items; every exact one gives the same answers."""

    @property
    def name(self) -> str:
        """The word for it in a plan."""
        ...

    @property
    def exact(self) -> bool:
        """Whether a nearest search misses nothing."""
        ...

    def nearest(self, parts: Sequence[Part], queries: NDArray[np.uint64], k: int, after: Cursor) -> Rows:
        """The k first items of each query beyond ``after``, in order of (query, distance, id)."""
        ...

    def inside(self, parts: Sequence[Part], queries: NDArray[np.uint64], radius: int) -> Rows:
        """Every item at distance <= radius of each query, in order of (query, distance, id)."""
        ...

    def step(self, name: str, part: Part, queries: int, radius: int | None, /) -> Step:
        """What answers for the part called ``name``: this pass, or one that it leaves the part to.

        A radius of None stands for the first page of a nearest search.
        """
        ...
