"""Which segments to fuse, and the fusing: sizes stay geometric, so an item is moved a logarithmic number of times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.index.held import Held, hold
from hashsvc.index.kinds import equipped
from hashsvc.index.segment import build_segment

if TYPE_CHECKING:
    from hashsvc.domain.kinds import IndexKind

GROWTH = 2
DEAD_SHARE = 0.25


def chosen(held: Sequence[Held], *, everything: bool = False) -> tuple[Held, ...]:
    """The segments to fuse next; empty when the index is in good shape."""
    if everything:
        return tuple(held) if len(held) > 1 or any(one.dead for one in held) else ()
    by_size = sorted(held, key=lambda one: one.live)
    take, total = 0, 0
    for position, one in enumerate(by_size):
        if position and one.live <= GROWTH * total:
            take = position + 1
        total += one.live
    if take:
        return tuple(by_size[:take])
    return tuple(one for one in held if one.dead > DEAD_SHARE * one.segment.items)[:1]


def fused(several: Sequence[Held], bits: int, kind: IndexKind) -> Held | None:
    """One segment of the living items of several; None when none lives."""
    places = [one.living() for one in several]
    ids = np.concatenate([one.segment.item_ids(at) for one, at in zip(several, places, strict=True)])
    if not len(ids):
        return None
    words = np.concatenate([one.segment.item_words(at) for one, at in zip(several, places, strict=True)])
    return hold(equipped(build_segment(ids, words, bits), kind))
