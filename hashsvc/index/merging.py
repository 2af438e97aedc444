"""Which segments to fuse, and the fusing: sizes stay geometric, so an item is moved a logarithmic number of times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.index.held import Held, hold
from hashsvc.index.kinds import fully_equipped, lacks_structure
from hashsvc.index.segment import build_segment

if TYPE_CHECKING:
    from hashsvc.domain.kinds import IndexKind

GROWTH = 2
DEAD_SHARE = 0.25


def chosen(held: Sequence[Held], kind: IndexKind, *, everything: bool = False) -> tuple[Held, ...]:
    """The segments to fuse next, or one to make anew; empty when the index is in good shape."""
    if everything:
        return tuple(held) if len(held) > 1 or any(_worn(one, 0.0, kind) for one in held) else ()
    by_size = sorted(held, key=lambda one: one.live)
    take, total = 0, 0
    for position, one in enumerate(by_size):
        if position and one.live <= GROWTH * total:
            take = position + 1
        total += one.live
    if take:
        return tuple(by_size[:take])
    return tuple(one for one in held if _worn(one, DEAD_SHARE, kind))[:1]


def _worn(held: Held, dead_share: float, kind: IndexKind) -> bool:
    """Whether a segment is worth making anew: too many tombstones, or its approximate index is yet to be built."""
    return held.dead > dead_share * held.segment.items or lacks_structure(held.segment, kind)


def fused(several: Sequence[Held], bits: int, kind: IndexKind) -> Held | None:
    """One segment of the living items of several; None when none lives."""
    places = [one.living() for one in several]
    ids = np.concatenate([one.segment.item_ids(at) for one, at in zip(several, places, strict=True)])
    if not len(ids):
        return None
    words = np.concatenate([one.segment.item_words(at) for one, at in zip(several, places, strict=True)])
    return hold(fully_equipped(build_segment(ids, words, bits), kind))
