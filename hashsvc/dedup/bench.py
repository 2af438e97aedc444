"""What the units of one dedup job are worked with, and what earlier ones left, put together to be decided on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.dedup.candidates import Join, SelfJoin
from hashsvc.dedup.chosen import Chosen
from hashsvc.dedup.listing import Listing
from hashsvc.dedup.nodes import Nodes, grouped
from hashsvc.dedup.order import ordered
from hashsvc.dedup.problem import Problem
from hashsvc.dedup.scratch import Scratch
from hashsvc.dedup.sketches import Look, together
from hashsvc.dedup.spec import DedupSpec
from hashsvc.domain.collections import Collection
from hashsvc.domain.dedup import Mode
from hashsvc.domain.jobs import Counts, Unit

if TYPE_CHECKING:
    import threading

    from numpy.typing import NDArray

    from hashsvc.catalog import Catalog
    from hashsvc.content import Blobs
    from hashsvc.encoders import Encoder

CHOSEN = ("witness", "score", "missed", "missed_score")


@dataclass(slots=True)
class Bench:
    """What the units of one dedup job are worked with.

    Args:
        job: its number.
        reference: the collection of a run against one.
        encoder: loads the collection's encoder; only the advice needs it.
        join: see :class:`hashsvc.dedup.candidates.Candidates`; so is ``self_join``.
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
        from hashsvc.dedup.unit import run_unit  # which works with benches

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


def _put_together(bench: Bench) -> Material:
    listing = Listing.read(bench.scratch)
    look = Look(listing.facts["look"])
    starts = [] if look is Look.NONE else range(0, max(len(listing), 1), bench.spec.rows)
    shards = [bench.scratch.read(f"sketch-{start}")[0] for start in starts]
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


def chosen_before(bench: Bench, problem: Problem, until: int) -> Chosen:
    """What the units before have decided on the first ``until`` rows."""
    chosen = Chosen.start(problem)
    start = 0
    while start < until:
        arrays, facts = bench.scratch.read(f"decided-{start}")
        for name in CHOSEN:
            getattr(chosen, name)[start : facts["stop"]] = arrays[name]
        start = int(facts["stop"])
    return chosen
