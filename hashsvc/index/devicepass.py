"""The pass of the device kind: large batches over large segments on a torch device, the rest on the processor."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hashsvc.errors import ResourceExhausted
from hashsvc.index.part import parted
from hashsvc.index.passes import Step
from hashsvc.index.planner import Planner, microseconds, min_of
from hashsvc.index.rows import START, Cursor, Rows, joined, nearest_of, ordered

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hashsvc.index.device.resident import Resident
    from hashsvc.index.part import Part
    from hashsvc.index.passes import Pass

LOG = logging.getLogger(__name__)
# Of more neighbours, putting them in order takes longer than finding them.
MOST_K = 1_024


class DevicePass:
    """Compares on a device where that is expected to cost least; the best exact pass does where it is not.

    That pass also has the tail, later pages, more than 1,024 neighbours, and what the device has no memory for.
    """

    name = "device"
    exact = True

    def __init__(self, resident: Resident, rest: Pass) -> None:
        self.resident = resident
        self._rest = rest

    def nearest(self, parts: Sequence[Part], queries: NDArray[np.uint64], k: int, after: Cursor) -> Rows:
        """See :class:`hashsvc.index.passes.Pass`."""
        ours = [after == START and k <= MOST_K and self._pays(part, len(queries), None) for part in parts]
        mine, others = parted(parts, ours)
        if not mine:
            return self._rest.nearest(parts, queries, k, after)
        try:
            found = [self.resident.nearest(mine, queries, k)]
        except ResourceExhausted as error:
            LOG.warning("searching on the processor: %s", error.message)
            return self._rest.nearest(parts, queries, k, after)
        return nearest_of(joined([*found, self._rest.nearest(others, queries, k, after)]), len(queries), k)

    def inside(self, parts: Sequence[Part], queries: NDArray[np.uint64], radius: int) -> Rows:
        """See :class:`hashsvc.index.passes.Pass`."""
        mine, others = parted(parts, [self._pays(part, len(queries), radius) for part in parts])
        if not mine:
            return self._rest.inside(parts, queries, radius)
        try:
            found = [self.resident.inside(mine, queries, radius)]
        except ResourceExhausted as error:
            LOG.warning("searching on the processor: %s", error.message)
            return self._rest.inside(parts, queries, radius)
        return ordered(joined([*found, self._rest.inside(others, queries, radius)]))

    def step(self, name: str, part: Part, queries: int, radius: int | None, /) -> Step:
        """See :class:`hashsvc.index.passes.Pass`."""
        if part.segment is None or self.resident.resting:
            return self._rest.step(name, part, queries, radius)
        costs = self._costs(part, queries, radius)
        micro = microseconds(costs)
        if min_of(costs) == self.name:
            reason = f"comparing every code on {self.resident.device} costs least"
            return Step(name, len(part.ids), part.total, self.name, reason, micro)
        other = self._rest.step(name, part, queries, radius)
        return Step(name, other.codes, other.items, other.chosen, other.reason, micro)

    def _pays(self, part: Part, queries: int, radius: int | None) -> bool:
        if part.segment is None or not queries or self.resident.resting:
            return False
        return min_of(self._costs(part, queries, radius)) == self.name

    def _costs(self, part: Part, queries: int, radius: int | None) -> dict[str, float]:
        """Expected nanoseconds of each way; the device alone where the others' were not measured."""
        costs = {self.name: self.resident.costs.of(queries, len(part.ids))}
        return costs | self._rest.costs(part, queries, radius) if isinstance(self._rest, Planner) else costs
