"""The last stage of a run: groups turned into decisions on items, and the run that bundles them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.catalog import UnitProgress
from hashsvc.codes import hamming
from hashsvc.dedup.bench import chosen_before
from hashsvc.dedup.candidates import Candidates
from hashsvc.dedup.chosen import KEPT, Chosen
from hashsvc.dedup.select import Selection
from hashsvc.dedup.summary import beyond, digest_of, summarised, widest
from hashsvc.domain.dedup import Decision, Run, RunState, Stage
from hashsvc.domain.jobs import Counts, Unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hashsvc.dedup.bench import Bench, Material


def settle(bench: Bench, unit: Unit) -> Counts:
    """Turn groups into decisions on items, look at the limits, and write the run."""
    material = bench.material()
    chosen = chosen_before(bench, material.problem, len(material.problem.codes))
    Selection(Candidates(material.problem, bench.join, bench.self_join), chosen).attribute()
    dropped, witnesses, scores = _drops(material, chosen)
    decisions = _decisions(bench.job, material, dropped, witnesses, scores)
    run = _run(bench, material, decisions, widest(*_stars(material.listing.codes, dropped, witnesses)))
    fresh = ~material.listing.given & ~material.unreadable
    counts = Counts(int(fresh.sum()), len(decisions), int(fresh.sum()) - len(decisions))
    last = UnitProgress(unit.job, unit.number, counts, (), unit.worker)
    if bench.spec.dry:
        bench.catalog.dedup.settle(run, bench.collection, (), (), last)
    else:
        bench.catalog.dedup.settle(run, bench.collection, decisions, _misses(material, chosen), last)
    return counts


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
