"""Every code within a radius of each query, a span of codes at a time: no more of them at once than there is room."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from hashsvc.index.device.products import Codes, Compare
    from hashsvc.index.device.rows import Asked


def keys_within(
    compare: Compare, codes: Codes, asked: Asked, radius: int, room: int, *, beyond: int | None = None
) -> Iterator[torch.Tensor]:
    """Keys of every allowed code at distance <= radius of a query, at most ``room`` at a time.

    Args:
        compare: how.
        codes: those that may be found.
        asked: m queries.
        radius: inclusive.
        room: at least the number of queries.
        beyond: where given, query i meets only the positions above ``beyond + i``.

    Returns:
        Tensors ``int64[c]``, c >= 1, each in order of (query, distance, position); their positions rise.
    """
    limits = torch.full_like(asked.ones, radius + 1)
    start = 0 if beyond is None else min(codes.total, beyond + 1)
    step = max(1, codes.total - start)
    while start < codes.total:
        stop = min(codes.total, start + step)
        keys, count = compare(codes, asked, limits, (start, stop), room, beyond=beyond)
        if count > room:
            step = max(1, (stop - start) // 2)
            continue
        if count:
            yield keys.sort().values
        start = stop
        if 4 * count < room:
            step *= 2
