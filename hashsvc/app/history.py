"""Whether an index belongs to the past of its catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.catalog import Changes
    from hashsvc.index import View


def missing(view: View, ids: NDArray[np.int64], codes: NDArray[np.uint8]) -> set[int]:
    """Which of these items a view does not hold under their codes ``uint8[n, bits/8]``."""
    if not len(ids):
        return set()
    found = view.within(codes, 0, ids)
    return {int(number) for number, (held, _) in zip(ids, found, strict=True) if number not in held}


def agrees(view: View, past: Changes) -> bool:
    """Whether a view holds every item of ``past`` with its code, and none that was deleted."""
    if missing(view, past.upsert_ids, past.upsert_codes):
        return False
    if len(past.deleted_ids):
        anything = np.zeros((1, view.bits // 8), np.uint8)
        return not len(view.within(anything, view.bits, past.deleted_ids).ids)
    return True
