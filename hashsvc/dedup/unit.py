"""One unit of a dedup job, and how the stages follow each other: list, sketch, decide, settle.

A unit is finished together with the units that come after it, in one transaction; the last of a stage adds the next
stage. So a job can be left at any moment and gone on with by anyone, and what it decides does not depend on where.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from hashsvc.catalog import UnitProgress
from hashsvc.codes import hamming
from hashsvc.dedup.advice import advised, sample
from hashsvc.dedup.listing import Listing, listed
from hashsvc.dedup.nodes import Nodes, grouped
from hashsvc.dedup.order import ordered
from hashsvc.dedup.scratch import Scratch
from hashsvc.dedup.select import KEPT, Chosen, Join, Problem, Selection, SelfJoin
from hashsvc.dedup.sketches import THRESHOLDS, Look, look_of, sketch, together
from hashsvc.dedup.spec import DedupSpec
from hashsvc.dedup.summary import beyond, digest_of, summarised, widest
from hashsvc.domain.collections import Collection
from hashsvc.domain.dedup import Decision, Mode, Run, RunState, Stage
from hashsvc.domain.jobs import Counts, DeadLetter, Unit
from hashsvc.errors import FailedPrecondition, NotFound
from hashsvc.failpoints import reach

if TYPE_CHECKING:
    import threading

    from numpy.typing import NDArray

    from hashsvc.catalog import Catalog
    from hashsvc.content import Blobs
    from hashsvc.domain.items import StoredItem
    from hashsvc.encoders import Encoder

PAGE = 2_000
DECIDE_UNITS = 4
LIST = {"stage": "list"}
SETTLE = {"stage": "settle"}


@dataclass(slots=True)
class Bench:
    """What the units of one dedup job are worked with.

    Args:
        job: its number.
        reference: the collection of a run against one.
        encoder: loads the collection's encoder; only the advice needs it.
        join: see :class:`hashsvc.dedup.select.Selection`; so is ``self_join``.
    """

    catalog: Catalog
    blobs: Blobs
    collection: Collection
    reference: Collection | None
    encoder: Callable[[], Encoder]
    spec: DedupSpec
    job: int
    scratch: Scratch
    join: Join
    self_join: SelfJoin
    _material: Material | None = field(default=None, init=False)

    def run_units(self, units: Iterable[Unit], *, stop: threading.Event | None = None) -> Iterator[tuple[Unit, Counts]]:
        """Run units as they come; each is given with its counts once it is committed."""
        for unit in units:
            yield unit, run_unit(self, unit)
            if stop is not None and stop.is_set():
                return

    def material(self) -> Material:
        """What is decided on, put together once."""
        if self._material is None:
            self._material = _put_together(self)
        return self._material


@dataclass(frozen=True, slots=True)
class Material:
    """The items of a run, their groups, the problem of deciding on these, and which items have no sketch."""

    listing: Listing
    nodes: Nodes
    problem: Problem
    unreadable: NDArray[np.bool_]
    forms: NDArray[np.uint8]


def run_unit(bench: Bench, unit: Unit) -> Counts:
    """Run one unit to its commit; running it again is harmless.

    Raises:
        FailedPrecondition: what an earlier unit left is gone, or the collection keeps nothing to verify by.
        Unavailable: the database does not answer; the unit may be run again.
    """
    stage = str(unit.spec["stage"])
    counts, letters, following = STAGES[stage](bench, unit)
    reach(f"dedup.{stage}")
    if stage != "settle":
        progress = UnitProgress(unit.job, unit.number, counts, tuple(letters))
        bench.catalog.dedup.finish_unit(progress, following)
    return counts


Done = tuple[Counts, Sequence[DeadLetter], Sequence[dict[str, Any]]]


def _list(bench: Bench, _unit: Unit) -> Done:
    """Freeze the items, and settle the radius."""
    spec = bench.spec
    _check_pair(bench)
    look = look_of(bench.collection, spec.verify)
    covered = bench.catalog.dedup.covered(bench.collection) if spec.incremental else 0
    gone = bench.catalog.dedup.dropped(bench.collection) if spec.incremental else {}
    now = bench.catalog.collections.get(bench.collection.name).watermark
    own = [
        item
        for item in paged(bench.catalog, bench.collection)
        if item.sequence <= now and gone.get(item.id) != item.content_hash
    ]
    reference = [] if bench.reference is None else paged(bench.catalog, bench.reference)
    listing = listed(spec, own, reference, bench.collection.bits // 8, lambda item: item.sequence <= covered)
    threshold = THRESHOLDS[look] if spec.threshold is None else spec.threshold
    advice = None
    if spec.radius is None:
        contents = sample(bench.collection, own, bench.blobs, spec.sample)
        advice = advised(contents, bench.encoder(), look=look, threshold=threshold, target=spec.target_precision)
    radius = spec.radius if advice is None else advice.radius
    assert radius is not None
    listing.facts.update(
        look=str(look),
        radius=radius,
        threshold=threshold,
        watermark=now,
        advice=None if advice is None else advice.document(),
    )
    listing = _near(bench, listing, radius)
    listing.write(bench.scratch)
    if look is Look.NONE:
        return Counts(), (), [{"stage": "decide", "start": 0}]
    cuts = range(0, max(len(listing), 1), spec.rows)
    return Counts(), (), [{"stage": "sketch", "start": start} for start in cuts]


def _check_pair(bench: Bench) -> None:
    other = bench.reference
    if other is None:
        return
    if (other.fingerprint, other.bits, other.kind) != (
        bench.collection.fingerprint,
        bench.collection.bits,
        bench.collection.kind,
    ):
        raise FailedPrecondition(
            f"collections {bench.collection.name!r} and {other.name!r} are under different encoders: their codes "
            "cannot be compared",
            reason="ENCODER_DIFFERS",
            field="reference",
        )
    if other.content is not bench.collection.content:
        raise FailedPrecondition(
            f"{bench.collection.name!r} keeps {bench.collection.content}, {other.name!r} {other.content}: pairs of the "
            "two cannot be verified",
            reason="CONTENT_NOT_KEPT",
            field="reference",
        )


def _near(bench: Bench, listing: Listing, radius: int) -> Listing:
    """Without the given items that no other lies near: nothing depends on them."""
    given, fresh = np.flatnonzero(listing.given), np.flatnonzero(~listing.given)
    if not len(given):
        return listing
    wanted = ~listing.given
    for _, right, _ in bench.join(listing.codes[fresh], listing.codes[given], radius):
        wanted[given[right]] = True
    rows = np.flatnonzero(wanted)
    return Listing(
        listing.ids[rows],
        listing.codes[rows],
        listing.hashes[rows],
        listing.sequences[rows],
        listing.given[rows],
        [listing.keys[row] for row in rows.tolist()],
        [listing.sources[row] for row in rows.tolist()],
        [listing.values[row] for row in rows.tolist()] if listing.values else [],
        int(wanted[len(listing) - listing.foreign :].sum()) if listing.foreign else 0,
        listing.facts,
    )


def paged(catalog: Catalog, collection: Collection) -> Iterator[StoredItem]:
    """Every item of a collection in order of id."""
    page = catalog.items.list(collection, limit=PAGE)
    while page:
        yield from page
        page = catalog.items.list(collection, limit=PAGE, after_id=page[-1].id)


def _reader(bench: Bench, look: Look, items: Sequence[StoredItem]) -> Callable[[int], bytes]:
    """Content, or features, of the item at a place."""
    if look is not Look.FEATURES:
        return lambda place: bench.blobs.get(items[place].content_hash.hex())

    def features(place: int) -> bytes:
        kept = items[place].features
        if kept is None:
            raise NotFound(f"item {items[place].key!r} has no stored features")
        return kept

    return features


def _sketch(bench: Bench, unit: Unit) -> Done:
    """Read a shard of the items once, and keep what pairs are verified by."""
    start = int(unit.spec["start"])
    listing = Listing.read(bench.scratch)
    rows = slice(start, start + bench.spec.rows)
    look = Look(listing.facts["look"])
    hashes = listing.hashes[rows]
    if look is Look.FEATURES:
        read = _reader(bench, look, _held(bench, listing, range(start, start + len(hashes))))
    else:
        names = [row.tobytes().hex() for row in hashes]

        def read(place: int) -> bytes:
            return bench.blobs.get(names[place])

    arrays, wrong = sketch(look, hashes, read)
    bench.scratch.write(f"sketch-{start}", arrays, {"unreadable": len(wrong)})
    letters = [
        DeadLetter(bench.collection.name, start + place, reason, listing.keys[start + place], unit.number)
        for place, reason in wrong.items()
    ]
    return Counts(read=len(letters), dead=len(letters)), letters, [{"stage": "decide", "start": 0}]


def _held(bench: Bench, listing: Listing, rows: range) -> list[StoredItem]:
    """The stored items of listed ones; one that is gone meanwhile counts as one without features."""
    from hashsvc.domain.items import StoredItem as Stored

    own = len(listing) - listing.foreign
    found: list[StoredItem] = []
    for collection, part in (
        (bench.collection, [r for r in rows if r < own]),
        (bench.reference, [r for r in rows if r >= own]),
    ):
        if collection is None or not part:
            continue
        held = bench.catalog.items.by_ids(collection, listing.ids[part])
        for row in part:
            number = int(listing.ids[row])
            found.append(held.get(number) or Stored(number, listing.keys[row], b"", b"", {}, 0))
    return found


def _shards(bench: Bench, count: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [bench.scratch.read(f"sketch-{start}") for start in range(0, max(count, 1), bench.spec.rows)]


def _put_together(bench: Bench) -> Material:
    listing = Listing.read(bench.scratch)
    look = Look(listing.facts["look"])
    shards = [] if look is Look.NONE else [arrays for arrays, _ in _shards(bench, len(listing))]
    forms = np.concatenate([shard["forms"] for shard in shards]) if shards else listing.hashes.copy()
    unreadable: NDArray[np.bool_] = np.asarray(~forms.any(axis=1))
    # An item nobody could look at is the same as no other, and no other goes for its sake.
    forms[unreadable, :8] = np.flatnonzero(unreadable).astype("<i8").view(np.uint8).reshape(-1, 8)
    lengths = np.concatenate([shard["lengths"] for shard in shards]) if shards else np.zeros(len(listing), np.int64)
    order = ordered(
        bench.spec.keep,
        listing.ids,
        keys=listing.keys,
        lengths=lengths,
        sequences=listing.sequences,
        values=listing.values,
    )
    marked = _marked(bench, listing)
    alone = np.zeros(len(listing), bool)
    alone[marked.ravel()] = True
    nodes = grouped(order, listing.codes, forms, listing.given, alone)
    apart = np.unique(np.sort(nodes.of[marked], axis=1), axis=0)
    problem = Problem(
        listing.codes[nodes.first],
        nodes.forms,
        together(look, shards, nodes.first),
        nodes.given,
        bench.spec.mode is not Mode.AGAINST,
        int(listing.facts["radius"]),
        float(listing.facts["threshold"]),
        apart,
    )
    return Material(listing, nodes, problem, unreadable, forms)


def _marked(bench: Bench, listing: Listing) -> NDArray[np.int64]:
    """Positions ``int64[m, 2]`` of pairs that somebody called different."""
    marks = bench.catalog.dedup.marks(bench.collection)
    if not marks:
        return np.empty((0, 2), np.int64)
    places: dict[str, list[int]] = defaultdict(list)
    for number, key in enumerate(listing.keys):  # a reference may hold the same key
        places[key].append(number)
    pairs = [(a, b) for one, other in marks for a in places.get(one, ()) for b in places.get(other, ())]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _decide(bench: Bench, unit: Unit) -> Done:
    """Decide the next groups, in the total order, behind those that were decided before."""
    problem = bench.material().problem
    start, count = int(unit.spec["start"]), len(problem.codes)
    stop = min(start + DECIDE_UNITS * bench.spec.rows, count)
    chosen = _chosen(bench, problem, start)
    Selection(problem, chosen, bench.join, bench.self_join).decide(start, stop)
    parts = {name: getattr(chosen, name)[start:stop] for name in CHOSEN}
    bench.scratch.write(f"decided-{start}", parts, {"stop": stop})
    return Counts(), (), [{"stage": "decide", "start": stop} if stop < count else SETTLE]


CHOSEN = ("witness", "score", "missed", "missed_score")


def _chosen(bench: Bench, problem: Problem, until: int) -> Chosen:
    """What the units before have decided."""
    chosen = Chosen.start(problem)
    start = 0
    while start < until:
        arrays, facts = bench.scratch.read(f"decided-{start}")
        for name in CHOSEN:
            getattr(chosen, name)[start : facts["stop"]] = arrays[name]
        start = int(facts["stop"])
    return chosen


def _settle(bench: Bench, unit: Unit) -> Done:
    """Turn groups into decisions on items, look at the limits, and write the run."""
    material = bench.material()
    chosen = _chosen(bench, material.problem, len(material.problem.codes))
    Selection(material.problem, chosen, bench.join, bench.self_join).attribute()
    dropped, witnesses, scores = _drops(material, chosen)
    decisions = _decisions(bench.job, material, dropped, witnesses, scores)
    run = _run(bench, material, decisions, widest(*_stars(material.listing.codes, dropped, witnesses)))
    fresh = ~material.listing.given & ~material.unreadable
    counts = Counts(int(fresh.sum()), len(decisions), int(fresh.sum()) - len(decisions))
    last = UnitProgress(unit.job, unit.number, counts, ())
    if bench.spec.dry:
        bench.catalog.dedup.settle(run, bench.collection, (), (), last)
    else:
        bench.catalog.dedup.settle(run, bench.collection, decisions, _misses(material, chosen), last)
    return counts, (), ()


def _drops(material: Material, chosen: Chosen) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Rows of the items dropped, of their witnesses, and the scores of the pairs."""
    listing, nodes = material.listing, material.nodes
    # Against a reference, equals among the items themselves are nobody's business.
    leads = np.full(len(listing), not material.problem.among)
    leads[nodes.first] = True
    witness = chosen.witness[nodes.of]
    dropped = np.flatnonzero(~listing.given & ((witness >= 0) | ~leads))
    own = nodes.of[dropped]
    there = witness[dropped] >= 0
    return dropped, nodes.first[np.where(there, witness[dropped], own)], np.where(there, chosen.score[own], 1.0)


def _decisions(
    job: int,
    material: Material,
    dropped: NDArray[np.int64],
    witnesses: NDArray[np.int64],
    scores: NDArray[np.float64],
) -> list[Decision]:
    listing = material.listing
    distances = hamming(listing.codes[dropped], listing.codes[witnesses])
    exact = material.nodes.repeats(listing.hashes)[dropped]
    same = material.nodes.repeats(material.forms)[dropped]
    found = []
    for place, (row, other) in enumerate(zip(dropped.tolist(), witnesses.tolist(), strict=True)):
        stage = Stage.EXACT if exact[place] else Stage.NORMALISED if same[place] else Stage.NEAR
        found.append(
            Decision(
                job,
                int(listing.ids[row]),
                listing.keys[row],
                int(listing.ids[other]),
                listing.keys[other],
                stage,
                int(distances[place]),
                None if np.isnan(scores[place]) else float(scores[place]),
                listing.sources[row],
                listing.hashes[row].tobytes(),
                listing.hashes[other].tobytes(),
            )
        )
    return found


def _stars(
    codes: NDArray[np.uint8], dropped: NDArray[np.int64], witnesses: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Codes of every kept item with those dropped for it, and the star of each."""
    leads = np.unique(witnesses)
    return codes[np.concatenate([dropped, leads])], np.concatenate([witnesses, leads])


def _misses(material: Material, chosen: Chosen) -> list[tuple[int, str, str, int, float]]:
    listing, first = material.listing, material.nodes.first
    rows = np.flatnonzero((chosen.missed >= 0) & (chosen.witness == KEPT))
    one, other = first[rows], first[chosen.missed[rows]]
    distances = hamming(listing.codes[one], listing.codes[other])
    return [
        (int(listing.ids[a]), listing.keys[a], listing.keys[b], int(distance), float(score))
        for a, b, distance, score in zip(one, other, distances, chosen.missed_score[rows], strict=True)
    ]


def _run(bench: Bench, material: Material, decisions: Sequence[Decision], diameter: int) -> Run:
    spec, listing, facts = bench.spec, material.listing, material.listing.facts
    sources = [source for source, given in zip(listing.sources, listing.given.tolist(), strict=True) if not given]
    summary = summarised(decisions, sources, diameter, int(material.unreadable.sum())) | {"advice": facts["advice"]}
    radius, threshold = int(facts["radius"]), float(facts["threshold"])
    rule = {
        "radius": radius,
        "threshold": threshold,
        "verify": str(spec.verify),
        "keep": spec.keep,
        "mode": str(spec.mode),
        "fingerprint": bench.collection.fingerprint,
    }
    lost = Counter(one.source for one in decisions)
    reason = beyond(summary, sources, lost, spec.limits, radius)
    return Run(
        job=bench.job,
        collection=bench.collection.name,
        mode=spec.mode,
        reference=spec.reference,
        radius=radius,
        verify=spec.verify,
        threshold=threshold,
        keep=spec.keep,
        encoder=bench.collection.encoder or "",
        watermark=int(facts["watermark"]),
        items=len(sources),
        dropped=len(decisions),
        digest=digest_of(decisions, rule),
        state=RunState.DRY if spec.dry else RunState.STOPPED if reason else RunState.DECIDED,
        created_at=datetime.now(UTC),
        summary=summary,
        reason=reason,
    )


STAGES: dict[str, Callable[[Bench, Unit], Done]] = {
    "list": _list,
    "sketch": _sketch,
    "decide": _decide,
    "settle": _settle,
}
