"""The planner: for each part of a query, the pass that is expected to cost least; all of them give the same answer."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import TYPE_CHECKING

from hashsvc.index.kernelpass import NEAR_BY_TABLES, GatherPass, ScanPass, TablesPass, tables_of
from hashsvc.index.layout import GROUP
from hashsvc.index.passes import Step
from hashsvc.index.rows import Cursor, Rows, joined, nearest_of, ordered

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hashsvc.index.costs import Costs
    from hashsvc.index.part import Part
    from hashsvc.index.passes import Pass

# A nearest search may spend this share of a scan on the hash tables before it looks whether they will do.
TRIAL = 0.15
# Below this share of allowed items a nearest search's k-th distance lies too far out for the tables.
TABLES_FROM = 0.5


class Planner:
    """Chooses among scan, gather and tables by measured costs; is itself a pass."""

    name = "auto"
    exact = True

    def __init__(self, scan: ScanPass, costs: Costs) -> None:
        self._costs = costs
        self.scan = scan
        worth = costs.scan / costs.look
        self.tables = TablesPass(scan, TRIAL * worth, worth)
        self.ways: dict[str, Pass] = {"scan": scan, "gather": GatherPass(scan), "tables": self.tables}

    def nearest(self, parts: Sequence[Part], queries: NDArray[np.uint64], k: int, after: Cursor) -> Rows:
        """See :class:`hashsvc.index.passes.Pass`."""
        chosen = [min_of(self.nearest_costs(part, len(queries))) for part in parts]
        found = [self.ways[way].nearest(some, queries, k, after) for way, some in _grouped(parts, chosen)]
        return found[0] if len(found) == 1 else nearest_of(joined(found), len(queries), k)

    def inside(self, parts: Sequence[Part], queries: NDArray[np.uint64], radius: int) -> Rows:
        """See :class:`hashsvc.index.passes.Pass`."""
        chosen = [min_of(self.inside_costs(part, len(queries), radius)) for part in parts]
        found = [self.ways[way].inside(some, queries, radius) for way, some in _grouped(parts, chosen)]
        return found[0] if len(found) == 1 else ordered(joined(found))

    def inside_at_most(self, parts: Sequence[Part], query: NDArray[np.uint64], radius: int, most: int) -> Rows | None:
        """Every item within the radius of one query, in order; None when there are more than ``most``."""
        found: list[Rows] = []
        for part in parts:
            way = min_of(self.inside_costs(part, 1, radius))
            rows = (self.tables if way == "tables" else self.scan).inside_at_most(part, query, radius, most)
            if rows is None:
                return None
            found.append(rows)
        rows = joined(found)
        return ordered(rows) if len(rows.ids) <= most else None

    def nearest_costs(self, part: Part, queries: int) -> dict[str, float]:
        """Expected nanoseconds of each possible pass of a nearest search."""
        costs = self._scan_costs(part, queries)
        if tables_of(part) is not None and part.total > TABLES_FROM * len(part.ids):
            # What it takes depends on how near the neighbours are; after this share of a scan it mostly knows.
            costs["tables"] = TRIAL * costs["scan"]
        return costs

    def inside_costs(self, part: Part, queries: int, radius: int) -> dict[str, float]:
        """Expected nanoseconds of each possible pass of a within search."""
        costs = self._scan_costs(part, queries)
        tables = tables_of(part)
        if tables is not None:
            costs["tables"] = queries * (self._costs.call + self._costs.look * tables.looked_at(radius))
        return costs

    def step(self, name: str, part: Part, queries: int, radius: int | None, /) -> Step:
        """See :class:`hashsvc.index.passes.Pass`."""
        costs = self.costs(part, queries, radius)
        way = min_of(costs)
        return Step(name, len(part.ids), part.total, way, REASONS[way], microseconds(costs))

    def costs(self, part: Part, queries: int, radius: int | None) -> dict[str, float]:
        """Expected nanoseconds of each way of answering; a radius of None stands for a nearest search."""
        return self.nearest_costs(part, queries) if radius is None else self.inside_costs(part, queries, radius)

    def _scan_costs(self, part: Part, queries: int) -> dict[str, float]:
        cost, groups = self._costs, len(part.codes)
        # Groups without an allowed code are passed over: this many are expected to have one.
        met = groups * (1 - exp(-part.total / groups)) if groups else 0
        scan = cost.call + groups + queries * min(met * GROUP * cost.scan, part.total * cost.pick)
        if 2 * part.total > len(part.ids):
            return {"scan": scan}
        gather = 2 * cost.call + groups + part.total * (cost.gather + queries * cost.scan)
        return {"scan": scan, "gather": gather}


REASONS = {
    "scan": "comparing every code costs least",
    "gather": "few items pass the filter: copying them out and comparing those costs least",
    "tables": NEAR_BY_TABLES,
}


def min_of(costs: dict[str, float]) -> str:
    """The pass with the least cost."""
    return min(costs, key=costs.__getitem__)


def _grouped(parts: Sequence[Part], chosen: Sequence[str]) -> Sequence[tuple[str, Sequence[Part]]]:
    if len(parts) == 1:
        return [(chosen[0], parts)]
    return [
        (way, [part for part, one in zip(parts, chosen, strict=True) if one == way]) for way in dict.fromkeys(chosen)
    ]


def microseconds(costs: dict[str, float]) -> dict[str, float]:
    """Costs in nanoseconds as a plan tells them."""
    return {way: round(cost / 1e3, 1) for way, cost in costs.items()}
