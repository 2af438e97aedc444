"""The ledger on both databases: runs settle once, applying and undoing move rows and ledger together."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hashsvc.catalog import Catalog, UnitProgress
from hashsvc.domain.collections import Collection
from hashsvc.domain.dedup import Decision, Mode, Pair, Run, RunState, Stage, Verify
from hashsvc.domain.items import Row, content_hash, item_id
from hashsvc.domain.jobs import Counts, JobKind
from hashsvc.errors import FailedPrecondition, InvalidArgument, NotFound

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def rows(held: Collection, count: int) -> list[Row]:
    return [Row(f"k{n}", content_hash(bytes([n])), bytes([n]) * (held.bits // 8), {"n": n}) for n in range(count)]


def decision(job: int, number: int, witness: int, score: float = 0.9) -> Decision:
    key, other = f"k{number}", f"k{witness}"
    hashes = (content_hash(bytes([number])), content_hash(bytes([witness])))
    return Decision(job, item_id(key), key, item_id(other), other, Stage.NEAR, 3, score, "s", *hashes)


def settled(
    catalog: Catalog, held: Collection, decisions: int = 5, state: RunState = RunState.DECIDED, *, back: bool = False
) -> Run:
    """A run that dropped k0 for k10, k1 for k11, and so on; ``back`` the other way round."""
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.DEDUP, held.name, {}), [{"stage": "settle"}])
    run = Run(
        job.id, held.name, Mode.WITHIN, "", 4, Verify.CONTENT, 0.85, "first", "e@1", 20, 20, decisions, "d", state, NOW,
        {"stages": {"near": decisions}}, "too much" if state is RunState.STOPPED else "",
    )  # fmt: skip
    pairs = [(n, n + 10) for n in range(decisions)]
    made = [decision(job.id, *(pair[::-1] if back else pair), (80 + pair[0]) / 100) for pair in pairs]
    misses = [(item_id("k19"), "k19", "k18", 4, 0.84)]
    for _ in range(2):  # a worker that died after its commit does it again
        catalog.dedup.settle(run, held, made, misses, UnitProgress(job.id, 0, Counts(20, decisions, 20 - decisions)))
    return run


def test_a_run_settles_once_and_is_found_again(catalog: Catalog, held: Collection) -> None:
    run = settled(catalog, held)
    assert catalog.dedup.run(run.job) == run
    assert catalog.dedup.runs(held) == catalog.dedup.runs() == [run]
    assert catalog.jobs.get(run.job).counts == Counts(20, 5, 15)
    assert [one.key for one in catalog.dedup.why(held, "k2")] == ["k2"]
    assert catalog.dedup.why(held, "k11") == []
    assert [catalog.dedup.mentions(held, key) for key in ("k2", "k12", "k9")] == [True, True, False]
    found = list(catalog.dedup.every_decision(run.job))
    assert [one.id for one in found] == sorted(item_id(f"k{n}") for n in range(5))
    pairs = catalog.dedup.pairs(run.job, low=0.825, high=1.0, threshold=0.85, limit=9)
    assert set(pairs) == {
        Pair("k4", "k14", 3, 0.84, True),
        Pair("k19", "k18", 4, 0.84, False),
        Pair("k3", "k13", 3, 0.83, True),
    }
    assert [pair.score for pair in pairs] == [0.84, 0.84, 0.83]
    nearest = catalog.dedup.pairs(run.job, low=0.0, high=1.0, threshold=0.795, limit=2)
    assert [pair.left for pair in nearest] == ["k1", "k0"]
    assert catalog.dedup.covered(held) == 20
    assert set(catalog.dedup.dropped(held)) == {item_id(f"k{n}") for n in range(5)}
    with pytest.raises(NotFound, match="dedup runs"):
        catalog.dedup.run(run.job + 1)


def test_the_last_unit_of_a_stage_adds_the_next(catalog: Catalog, held: Collection) -> None:
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.DEDUP, held.name, {}), [{"n": 0}, {"n": 1}])
    following = [{"n": 2}, {"n": 3}]
    assert catalog.dedup.finish_unit(UnitProgress(job.id, 1, Counts()), following)
    assert catalog.jobs.get(job).units == 2
    assert catalog.dedup.finish_unit(UnitProgress(job.id, 0, Counts()), following)
    assert not catalog.dedup.finish_unit(UnitProgress(job.id, 0, Counts()), following)
    assert [unit.spec["n"] for unit in catalog.jobs.units(job)] == [0, 1, 2, 3]


@pytest.mark.parametrize("tag", ["", "same_as"])
def test_applying_and_undoing_move_rows_and_ledger_together(catalog: Catalog, held: Collection, tag: str) -> None:
    catalog.items.write(held, rows(held, 20))
    before = catalog.items.digest(held)
    run = settled(catalog, held)
    catalog.items.write(held, [], ["k10"])  # the witness of k0
    [changed] = rows(held, 2)[1:]
    catalog.items.write(held, [Row("k1", content_hash(b"new"), changed.code, {"n": 1})])
    changed_digest = catalog.items.digest(held)
    catalog.ledger.begin(run.job, RunState.APPLYING, tag=tag)
    step = catalog.ledger.apply(held, run.job, -1)
    assert step.changed == 3
    assert sum(step.skipped.values()) == 2
    assert step.last is not None
    assert catalog.ledger.apply(held, run.job, step.last).last is None
    catalog.ledger.end(run.job, RunState.APPLIED)
    left = {item.key: item for item in catalog.items.list(held, limit=100)}
    assert ("k2" in left) == bool(tag)
    if tag:
        assert left["k2"].metadata == {"n": 2, "same_as": "k12"}
    with pytest.raises(FailedPrecondition, match="applied"):
        catalog.ledger.begin(run.job, RunState.APPLYING, tag=tag)
    catalog.ledger.begin(run.job, RunState.UNDOING)
    assert catalog.ledger.undo(held, run.job, -1).changed == 3
    assert catalog.items.digest(held) == changed_digest
    catalog.items.write(held, [rows(held, 11)[10], rows(held, 2)[1]])
    assert catalog.items.digest(held) == before


@pytest.mark.parametrize("tag", ["", "same_as"])
def test_nothing_goes_for_what_another_run_has_tagged(catalog: Catalog, held: Collection, tag: str) -> None:
    """Else each of two items would be the duplicate of the other, and whoever deletes by the tag loses both."""
    catalog.items.write(held, rows(held, 20))
    one, other = settled(catalog, held, 2), settled(catalog, held, 5, back=True)
    catalog.ledger.begin(one.job, RunState.APPLYING, tag="same_as")
    assert catalog.ledger.apply(held, one.job, -1).changed == 2
    catalog.ledger.end(one.job, RunState.APPLIED)
    catalog.ledger.begin(other.job, RunState.APPLYING, tag=tag)
    step = catalog.ledger.apply(held, other.job, -1)
    assert (step.changed, sum(step.skipped.values())) == (3, 2)
    catalog.ledger.end(other.job, RunState.APPLIED)
    catalog.ledger.begin(one.job, RunState.UNDOING)
    assert catalog.ledger.undo(held, one.job, -1).changed == 2
    assert catalog.ledger.apply(held, other.job, -1).changed == 2


def test_a_stopped_run_is_applied_only_by_who_accepts_it(catalog: Catalog, held: Collection) -> None:
    run = settled(catalog, held, state=RunState.STOPPED)
    with pytest.raises(FailedPrecondition, match="too much") as refused:
        catalog.ledger.begin(run.job, RunState.APPLYING)
    assert refused.value.reason == "LIMIT_EXCEEDED"
    assert catalog.dedup.covered(held) == 0
    catalog.ledger.begin(run.job, RunState.APPLYING, accept=True)
    assert catalog.dedup.run(run.job).state is RunState.APPLYING


def test_marks_have_no_direction(catalog: Catalog, held: Collection) -> None:
    assert catalog.dedup.mark(held, "b", "a")
    assert not catalog.dedup.mark(held, "a", "b")
    assert catalog.dedup.marks(held) == [("a", "b")]
    assert catalog.dedup.unmark(held, "b", "a")
    assert not catalog.dedup.unmark(held, "b", "a")
    with pytest.raises(InvalidArgument):
        catalog.dedup.mark(held, "a", "a")


def test_a_deleted_collection_takes_its_ledger_with_it(catalog: Catalog, held: Collection) -> None:
    run = settled(catalog, held)
    catalog.dedup.mark(held, "a", "b")
    catalog.collections.delete(held.name)
    with pytest.raises(NotFound):
        catalog.dedup.run(run.job)
    assert catalog.dedup.decisions(run.job) == []
