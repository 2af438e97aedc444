"""One unit of a dedup job, and how the stages follow each other: list, sketch, decide, settle.

A unit is finished together with the units that come after it, in one transaction; the last of a stage adds the next
stage. So a job can be left at any moment and gone on with by anyone, and what it decides does not depend on where.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hashsvc.catalog import UnitProgress
from hashsvc.dedup.bench import CHOSEN, Bench, chosen_before
from hashsvc.dedup.candidates import Candidates
from hashsvc.dedup.freezing import frozen
from hashsvc.dedup.listing import Listing
from hashsvc.dedup.select import Selection
from hashsvc.dedup.settling import settle
from hashsvc.dedup.sketches import Look, Read, sketch
from hashsvc.domain.items import StoredItem
from hashsvc.domain.jobs import Counts, DeadLetter, Unit
from hashsvc.errors import NotFound
from hashsvc.failpoints import reach

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DECIDE_UNITS = 4
LIST = {"stage": "list"}
SETTLE = {"stage": "settle"}
Done = tuple[Counts, Sequence[DeadLetter], Sequence[dict[str, Any]]]


def run_unit(bench: Bench, unit: Unit) -> Counts:
    """Run one unit to its commit; running it again is harmless.

    Raises:
        FailedPrecondition: what an earlier unit left is gone, or the collection keeps nothing to verify by.
        Unavailable: the database does not answer; the unit may be run again.
    """
    stage = str(unit.spec["stage"])
    if stage == "settle":
        counts = settle(bench, unit)
        reach("dedup.settle")
        return counts
    counts, letters, following = STAGES[stage](bench, unit)
    reach(f"dedup.{stage}")
    bench.catalog.dedup.finish_unit(UnitProgress(unit.job, unit.number, counts, tuple(letters), unit.worker), following)
    return counts


def _list(bench: Bench, _unit: Unit) -> Done:
    listing = frozen(bench)
    listing.write(bench.scratch)
    if listing.facts["look"] == Look.NONE:
        return Counts(), (), [{"stage": "decide", "start": 0}]
    cuts = range(0, max(len(listing), 1), bench.spec.rows)
    return Counts(), (), [{"stage": "sketch", "start": start} for start in cuts]


def _sketch(bench: Bench, unit: Unit) -> Done:
    """Read a shard of the items once, and keep what pairs are verified by."""
    start = int(unit.spec["start"])
    listing = Listing.read(bench.scratch)
    look = Look(listing.facts["look"])
    hashes = listing.hashes[start : start + bench.spec.rows]
    if look is Look.FEATURES:
        read = _features(_held(bench, listing, range(start, start + len(hashes))))
    else:
        read = _contents(bench, hashes)
    arrays, wrong = sketch(look, hashes, read)
    bench.scratch.write(f"sketch-{start}", arrays, {"unreadable": len(wrong)})
    letters = [
        DeadLetter(bench.collection.name, start + place, reason, listing.keys[start + place], unit.number)
        for place, reason in wrong.items()
    ]
    return Counts(read=len(letters), dead=len(letters)), letters, [{"stage": "decide", "start": 0}]


def _contents(bench: Bench, hashes: NDArray[np.uint8]) -> Read:
    return lambda place: bench.blobs.get(hashes[place].tobytes().hex())


def _features(items: Sequence[StoredItem]) -> Read:
    def features(place: int) -> bytes:
        kept = items[place].features
        if kept is None:
            raise NotFound(f"item {items[place].key!r} has no stored features")
        return kept

    return features


def _held(bench: Bench, listing: Listing, rows: range) -> list[StoredItem]:
    """The stored items of listed ones; one that is gone meanwhile counts as one without features."""
    own = len(listing) - listing.foreign
    found: list[StoredItem] = []
    for collection, part in (
        (bench.collection, [row for row in rows if row < own]),
        (bench.reference, [row for row in rows if row >= own]),
    ):
        if collection is None or not part:
            continue
        held = bench.catalog.items.by_ids(collection, listing.ids[part])
        for row in part:
            number = int(listing.ids[row])
            found.append(held.get(number) or StoredItem(number, listing.keys[row], b"", b"", {}, 0))
    return found


def _decide(bench: Bench, unit: Unit) -> Done:
    """Decide the next groups, in the total order, behind those that were decided before."""
    problem = bench.material().problem
    start, count = int(unit.spec["start"]), len(problem.codes)
    stop = min(start + DECIDE_UNITS * bench.spec.rows, count)
    chosen = chosen_before(bench, problem, start)
    Selection(Candidates(problem, bench.join, bench.self_join), chosen).decide(start, stop)
    parts = {name: getattr(chosen, name)[start:stop] for name in CHOSEN}
    bench.scratch.write(f"decided-{start}", parts, {"stop": stop})
    return Counts(), (), [{"stage": "decide", "start": stop} if stop < count else SETTLE]


STAGES: dict[str, Callable[[Bench, Unit], Done]] = {"list": _list, "sketch": _sketch, "decide": _decide}
