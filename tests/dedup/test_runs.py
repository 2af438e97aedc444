"""Runs over a store: the law holds, the digest does not depend on how it was got, undo restores the exact state."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hashsvc.app import Store, dedup, open_store
from hashsvc.app.running import Hands
from hashsvc.codes import hamming
from hashsvc.dedup.normal import form_of
from hashsvc.dedup.shingles import ShingleSets, shingle
from hashsvc.dedup.spec import DedupSpec
from hashsvc.domain.dedup import Limits, Run, RunState, Stage, Verify
from hashsvc.domain.items import Item
from hashsvc.domain.jobs import JobKind, JobState, Runner
from hashsvc.errors import FailedPrecondition, InvalidArgument, NotFound
from tests.dedup.conftest import planted

WIDE = Limits(share=1.0)
SPEC = DedupSpec("texts", radius=14, rows=70, limits=WIDE)


def run(store: Store, spec: DedupSpec = SPEC, hands: Hands | None = None) -> Run:
    return dedup.run(store, spec, hands)


def assert_law(store: Store, found: Run) -> None:
    """Every drop has a kept witness within the radius that verifies, and no two kept items are such a pair."""
    items = {item.key: item for item in store.list_items(found.collection, page_size=1_000).items}
    decisions = {one.key: one for one in store.dedup.decisions(found.job, limit=10_000)}
    assert len(decisions) == found.dropped
    keys = sorted(items)
    forms = {key: form_of(store.content(found.collection, key)) for key in keys}
    sets = ShingleSets(*shingle([forms[key] for key in keys]))
    place = {key: np.array([number]) for number, key in enumerate(keys)}
    codes = np.array([np.frombuffer(items[key].code, np.uint8) for key in keys])
    for one in decisions.values():
        assert one.witness not in decisions
        assert one.distance == hamming(codes[place[one.key][0]], codes[place[one.witness][0]])
        assert one.score == pytest.approx(float(sets.scores(place[one.key], place[one.witness])[0]))
        same = forms[one.key] == forms[one.witness]
        assert same or (one.distance <= found.radius and one.score is not None and one.score >= found.threshold)
        equal = sum(item.content_hash == one.content_hash for item in items.values()) > 1
        assert one.stage is not Stage.EXACT or equal
        assert one.stage is not Stage.NEAR or not same
    kept = np.array([number for number, key in enumerate(keys) if key not in decisions])
    left, right = (kept[part] for part in np.triu_indices(len(kept), 1))
    near = hamming(codes[left], codes[right]) <= found.radius
    assert not (sets.scores(left[near], right[near]) >= found.threshold).any()


def test_every_drop_is_justified_and_nothing_is_left(texts: Store) -> None:
    found = run(texts)
    assert found.state is RunState.DECIDED
    assert_law(texts, found)
    stages = found.summary["stages"]
    assert stages["exact"] == 20
    assert stages["normalised"] >= 20
    assert stages["near"] > 40
    job = texts.job(found.job)
    assert job.state is JobState.DONE
    assert job.counts.read == 440
    assert job.counts.stored == found.dropped


@pytest.mark.parametrize("keep", ["longest", "size", "-size", "newest"])
def test_the_law_holds_under_every_keep_rule(texts: Store, keep: str) -> None:
    assert_law(texts, run(texts, DedupSpec("texts", radius=14, keep=keep, limits=WIDE)))


def test_order_shards_and_runners_change_nothing(trained: Path) -> None:
    items = planted()
    digests = set()
    for turn in range(20):
        random.Random(turn).shuffle(items)
        with open_store(str(trained)) as store:
            store.create_collection("texts", encoder="toy")
            store.upsert("texts", items[:150])
            store.upsert("texts", items[150:])
            digests.add(
                run(store, DedupSpec("texts", radius=14, rows=(440, 220, 110, 53)[turn % 4], limits=WIDE)).digest
            )
            if turn == 19:
                hands = Hands(Runner.PROCESSES, processes=2)
                digests.add(run(store, DedupSpec("texts", radius=14, rows=60, limits=WIDE), hands).digest)
            store.delete_collection("texts")
    assert len(digests) == 1


def test_apply_deletes_and_undo_restores_the_exact_state(texts: Store) -> None:
    before = texts.catalog.items.digest(texts.collection("texts"))
    found = run(texts)
    applied = texts.dedup.apply(found.job)
    assert (applied.changed, applied.skipped) == (found.dropped, {})
    assert texts.count_items("texts") == 440 - found.dropped
    dropped = texts.dedup.decisions(found.job)[0]
    assert dropped.applied
    with pytest.raises(NotFound):
        texts.get_items("texts", [dropped.key])
    assert texts.dedup.why("texts", dropped.key)[0].witness == dropped.witness
    texts.blobs.sweep(texts.catalog.items.content_hashes(), older_s=0)
    undone = texts.dedup.undo(found.job)
    assert undone.changed == found.dropped
    assert texts.catalog.items.digest(texts.collection("texts")) == before
    assert texts.content("texts", dropped.key)
    assert texts.dedup.run(found.job).state is RunState.UNDONE
    with pytest.raises(FailedPrecondition, match="undone"):
        texts.dedup.apply(found.job)


def test_a_tag_names_the_witness_and_goes_away_again(texts: Store) -> None:
    before = texts.catalog.items.digest(texts.collection("texts"))
    found = run(texts)
    assert texts.dedup.apply(found.job, tag="duplicate_of").changed == found.dropped
    one = texts.dedup.decisions(found.job)[0]
    [item] = texts.get_items("texts", [one.key])
    assert item.metadata["duplicate_of"] == one.witness
    assert texts.count_items("texts") == 440
    texts.dedup.undo(found.job)
    assert texts.catalog.items.digest(texts.collection("texts")) == before


def test_what_changed_since_is_left_alone(texts: Store) -> None:
    found = run(texts)
    first, *others = texts.dedup.decisions(found.job, limit=1_000)
    second = next(one for one in others if one.witness != first.witness)
    texts.upsert("texts", [Item(first.key, b"something that was written after the run and is no duplicate")])
    texts.delete_items("texts", keys=[second.witness])
    applied = texts.dedup.apply(found.job)
    alone = 1 + sum(one.witness == second.witness for one in (first, *others) if one.key != first.key)
    assert applied.changed == found.dropped - alone
    assert sum(applied.skipped.values()) == alone
    assert texts.get_items("texts", [first.key, second.key])


def test_marked_pairs_are_never_decided_on_again(texts: Store) -> None:
    found = run(texts)
    one = next(one for one in texts.dedup.decisions(found.job, limit=1_000) if one.stage is Stage.EXACT)
    with pytest.raises(NotFound):
        texts.dedup.mark("texts", one.key, "somebody else")
    assert texts.dedup.mark("texts", one.key, one.witness)
    assert not texts.dedup.mark("texts", one.witness, one.key)
    again = run(texts)
    assert all({one.key, one.witness} != {other.key, other.witness} for other in texts.dedup.decisions(again.job))
    assert texts.dedup.mark("texts", one.key, one.witness, remove=True)
    assert run(texts).digest == found.digest


def test_a_limit_stops_before_anything_is_applied(texts: Store) -> None:
    before = texts.catalog.items.digest(texts.collection("texts"))
    for limits, reason in (
        (Limits(share=0.1), "of b would go"),
        (Limits(share=1.0, cluster=2), "one cluster has"),
        (Limits(share=1.0, diameter=0), "bits apart"),
    ):
        with pytest.raises(FailedPrecondition, match=reason) as stopped:
            run(texts, DedupSpec("texts", radius=14, limits=limits))
        assert stopped.value.reason == "LIMIT_EXCEEDED"
        job = texts.jobs()[0]
        assert job.state is JobState.FAILED
        assert texts.dedup.run(job.id).state is RunState.STOPPED
        with pytest.raises(FailedPrecondition, match="--accept"):
            texts.dedup.apply(job.id)
    assert texts.catalog.items.digest(texts.collection("texts")) == before
    assert texts.dedup.apply(job.id, accept=True).changed > 0


def test_a_dry_run_decides_nothing(texts: Store) -> None:
    found = run(texts, DedupSpec("texts", radius=14, dry=True))
    assert found.state is RunState.DRY
    assert found.dropped > 100
    assert texts.dedup.decisions(found.job) == []
    with pytest.raises(FailedPrecondition, match="dry"):
        texts.dedup.apply(found.job)
    assert found.digest == run(texts).digest


def test_against_a_reference_only_leaks_go(texts: Store) -> None:
    texts.create_collection("held-out", encoder="toy")
    try:
        texts.upsert("held-out", [item for item in planted() if item.key.startswith("a/")][:50])
        before = texts.catalog.items.digest(texts.collection("held-out"))
        found = run(texts, DedupSpec("texts", radius=14, reference="held-out", limits=WIDE))
        kept = {item.key for item in texts.list_items("held-out").items}
        decisions = texts.dedup.decisions(found.job)
        assert {one.key for one in decisions} >= kept
        assert {one.witness for one in decisions} == kept
        texts.dedup.apply(found.job)
        assert texts.catalog.items.digest(texts.collection("held-out")) == before
        texts.dedup.undo(found.job)
    finally:
        texts.delete_collection("held-out")


def test_incremental_looks_at_new_items_only(trained: Path) -> None:
    items = sorted(planted(), key=lambda item: item.key)
    with open_store(str(trained)) as store:
        store.create_collection("texts", encoder="toy")
        store.upsert("texts", items[:300])
        first = run(store)
        assert first.dropped == 0
        store.upsert("texts", items[300:])
        more = run(store, DedupSpec("texts", radius=14, incremental=True, limits=WIDE))
        assert more.items == 140
        assert_law(store, more)
        assert run(store, DedupSpec("texts", radius=14, incremental=True, limits=WIDE)).items == 0
        store.delete_collection("texts")


def test_codes_alone_decide_where_there_is_nothing_else(texts: Store) -> None:
    codes = np.random.default_rng(1).integers(0, 256, (50, 8), np.uint8)
    texts.create_collection("codes", bits=64)
    try:
        texts.upsert("codes", [Item(f"k{n}", code=codes[n % 40].tobytes()) for n in range(50)])
        found = run(texts, DedupSpec("codes", radius=2))
        assert found.dropped == 10
        with pytest.raises(FailedPrecondition, match="--radius"):
            run(texts, DedupSpec("codes"))
    finally:
        texts.delete_collection("codes")


def test_the_job_runs_by_a_worker_and_the_radius_is_advised(texts: Store) -> None:
    from hashsvc import worker
    from hashsvc.app.work import flows

    job = texts.create_job(
        JobKind.DEDUP, {"collection": "texts", "sample": 60, "limits": {"share": 1.0}}, request_id="x"
    )
    assert texts.create_job(JobKind.DEDUP, dict(job.spec), request_id="x").id == job.id
    worker.run(texts.catalog, flows(texts), once=True)
    done = texts.job(job.id)
    assert done.state is JobState.DONE, done.error
    found = texts.dedup.run(job.id)
    assert done.result["digest"] == found.digest
    assert_law(texts, found)
    advice = found.summary["advice"]
    assert advice["radius"] == found.radius
    assert found.dropped >= 125


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"collection": "texts", "radius": "wide"}, "radius"),
        ({"collection": "texts", "radius": -1}, "radius"),
        ({"collection": "texts", "radius": 65}, "radius"),
        ({"collection": "texts", "rows": float("inf")}, "rows"),
        ({"collection": "texts", "limits": {"diameter": -1}}, "limits.diameter"),
        ({"collection": "texts", "speed": 1}, "speed"),
        ({"collection": "texts", "verify": "hope"}, "verify"),
        ({"collection": "texts", "limits": {"luck": 1}}, "limits"),
        ({"collection": "texts", "reference": "texts"}, "reference"),
        ({}, "collection"),
    ],
)
def test_a_wrong_spec_is_named(texts: Store, spec: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        texts.create_job(JobKind.DEDUP, spec)
    assert refused.value.field == field


def test_a_field_that_no_item_has_is_a_slip_of_the_pen(texts: Store) -> None:
    for option, spec in (("keep", replace(SPEC, keep="Longest")), ("source", replace(SPEC, source="Longest"))):
        with pytest.raises(FailedPrecondition, match="'Longest'") as refused:
            run(texts, spec)
        assert refused.value.field == option


def test_an_item_that_cannot_be_read_is_neither_dropped_nor_a_witness(texts: Store) -> None:
    one = next(one for one in texts.dedup.decisions(run(texts).job) if one.stage is Stage.EXACT)
    texts.blobs.delete(one.content_hash.hex())
    found = run(texts)
    keys = {other.key for other in texts.dedup.decisions(found.job, limit=1_000)}
    assert not keys & {one.key, one.witness}
    assert found.summary["unreadable"] == 2
    assert {letter.key for letter in texts.dead_letters(found.job)} == {one.key, one.witness}


def test_features_are_compared_where_bytes_are_not_kept(texts: Store) -> None:
    from hashsvc.domain.kinds import ContentMode

    texts.create_collection("features", encoder="toy", content=ContentMode.FEATURES)
    try:
        texts.upsert("features", planted())
        found = run(texts, DedupSpec("features", radius=14, limits=WIDE))
        assert found.dropped > 100
        assert found.verify is Verify.CONTENT
    finally:
        texts.delete_collection("features")
