"""What the report of a dedup run shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hashsvc.domain.dedup import Pair, Run
from hashsvc.domain.kinds import Kind


@dataclass(frozen=True, slots=True)
class ShownPair:
    """Two items side by side; a content is None where it is not kept or cannot be read."""

    pair: Pair
    left: bytes | None
    right: bytes | None


@dataclass(frozen=True, slots=True)
class DedupReport:
    """A run and the pairs that stand for it.

    Args:
        sample: dropped items, each with its witness, drawn by id, which is random.
        borderline: pairs whose score lies nearest to the threshold, on either side.
    """

    run: Run
    kind: Kind
    sample: Sequence[ShownPair]
    borderline: Sequence[ShownPair]
