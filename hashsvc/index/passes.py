"""The contract of a pass: one way of finding the items of some parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hashsvc.index.part import Part
    from hashsvc.index.rows import Cursor, Rows


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
