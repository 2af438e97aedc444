"""Whether an index belongs to the past of its catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hashsvc.catalog import Changes
    from hashsvc.index import View


def agrees(view: View, past: Changes) -> bool:
    """Whether a view holds every item of ``past`` with its code, and none that was deleted."""
    if len(past.upsert_ids):
        found = view.within(past.upsert_codes, 0, past.upsert_ids)
        if not all(number in ids for number, (ids, _) in zip(past.upsert_ids, found, strict=True)):
            return False
    if len(past.deleted_ids):
        anything = np.zeros((1, view.bits // 8), np.uint8)
        return not len(view.within(anything, view.bits, past.deleted_ids).ids)
    return True
