from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from hashsvc.catalog import LEASE_LOST, UNIT_TAKEN, Catalog, UnitProgress
from hashsvc.domain.collections import Collection
from hashsvc.domain.jobs import Counts, DeadLetter, Job, JobKind, JobState
from hashsvc.errors import Aborted, Cancelled, FailedPrecondition, InvalidArgument, NotFound
from tests.catalog.samples import row

SPEC = {"sources": ["a.jsonl"], "rows": 10}


def test_a_unit_finishes_with_its_rows(catalog: Catalog, held: Collection) -> None:
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", SPEC), [{"part": n} for n in range(3)])
    assert (job.state, job.units, job.units_done, dict(job.spec)) == (JobState.PLANNED, 3, 0, SPEC)
    assert catalog.jobs.plan(job.id, [{"part": 9}]).units == 3
    taken = catalog.jobs.claim("w1", 60)
    assert taken is not None
    assert taken.state is JobState.RUNNING
    while unit := catalog.jobs.claim_unit(taken, "w1", 60):
        letters = [DeadLetter("a.jsonl", 7, "empty text", "k"), DeadLetter("a.jsonl", 3, "no key")]
        progress = UnitProgress(taken.id, unit.number, Counts(5, 2, 1, 2), letters, unit.worker)
        rows = [row(f"{unit.number}-{i}") for i in range(2)]
        catalog.items.write(held, rows, progress=progress)
        with pytest.raises(Aborted) as taken_already:
            catalog.items.write(held, rows, progress=progress)
        assert taken_already.value.reason == UNIT_TAKEN
    done = catalog.jobs.finish(job, "w1", {"items": 6})
    assert (done.state, done.units_done, done.counts) == (JobState.DONE, 3, Counts(15, 6, 3, 6))
    assert dict(done.result) == {"items": 6}
    assert done.finished_at is not None
    letters = catalog.jobs.dead_letters(job)
    assert [(letter.unit, letter.row, letter.key) for letter in letters[:2]] == [(0, 3, None), (0, 7, "k")]
    assert len(letters) == 6
    assert all(unit.done and unit.counts == Counts(5, 2, 1, 2) for unit in catalog.jobs.units(job))


def test_a_failed_write_leaves_its_unit_open(catalog: Catalog, held: Collection) -> None:
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [{}])
    catalog.items.write(held, [row("a")], request_id="r")
    with pytest.raises(InvalidArgument):
        catalog.items.write(held, [row("b")], request_id="r", progress=UnitProgress(job.id, 0, Counts(1, 1)))
    assert catalog.jobs.get(job).units_done == 0


@pytest.mark.parametrize("done", [True, False], ids=["done", "in hand"])
def test_who_lost_a_unit_writes_nothing(catalog: Catalog, held: Collection, done: bool) -> None:
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [{}])
    catalog.items.write(held, [row("old"), row("gone")])
    lost, ours = (catalog.jobs.claim_unit(job, worker, 0) for worker in ("slow", "quick"))
    assert lost is not None
    assert ours is not None
    assert (lost.worker, ours.worker) == ("slow", "quick")
    if done:
        catalog.items.write(held, [row("a")], progress=UnitProgress(job.id, 0, Counts(1, 1), worker=ours.worker))
    catalog.items.write(held, [row("old", version=2)], ["gone"])
    before = catalog.items.digest(held), catalog.jobs.get(job)
    letters = [DeadLetter("a.jsonl", 7, "empty text", "k")]
    stale = UnitProgress(job.id, 0, Counts(3, 2, 0, 1), letters, lost.worker)
    with pytest.raises(Aborted) as taken:
        catalog.items.write(held, [row("old"), row("gone")], progress=stale)
    assert taken.value.reason == UNIT_TAKEN
    assert (catalog.items.digest(held), catalog.jobs.get(job)) == before
    assert catalog.jobs.dead_letters(job) == []
    if not done:
        catalog.items.write(held, [row("a")], progress=UnitProgress(job.id, 0, Counts(1, 1), worker=ours.worker))
    assert catalog.jobs.get(job).counts == Counts(1, 1)


def test_every_unit_is_claimed_by_one_worker(catalog: Catalog) -> None:
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [{"n": n} for n in range(40)])

    def claim(number: int) -> list[int]:
        mine = []
        while unit := catalog.jobs.claim_unit(job, f"w{number}", 60):
            mine.append(unit.number)
        return mine

    with ThreadPoolExecutor(6) as pool:
        claims = [unit for mine in pool.map(claim, range(6)) for unit in mine]
    assert sorted(claims) == list(range(40))


def test_a_lease_that_ran_out_goes_to_another(catalog: Catalog) -> None:
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [{}])
    assert catalog.jobs.claim("w1", 0) is not None
    assert catalog.jobs.claim_unit(job, "w1", 0) is not None
    taken = catalog.jobs.claim("w2", 60)
    assert taken is not None
    assert taken.id == job.id
    assert catalog.jobs.claim_unit(job, "w2", 60) is not None
    with pytest.raises(Aborted):
        catalog.jobs.heartbeat(job, "w1", 60)
    assert catalog.jobs.heartbeat(job, "w2", 60).state is JobState.RUNNING
    assert catalog.jobs.claim("w3", 60) is None
    assert catalog.jobs.claim_unit(job, "w3", 60) is None


def test_who_lost_a_job_settles_nothing(catalog: Catalog) -> None:
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [])
    assert catalog.jobs.claim("slow", 0) is not None
    assert catalog.jobs.claim("quick", 60) is not None
    attempts: list[Callable[[], Job]] = [
        lambda: catalog.jobs.finish(job, "slow", {}),
        lambda: catalog.jobs.fail(job, "slow", "a defect"),
        lambda: catalog.jobs.cancelled(job, "slow"),
        lambda: catalog.jobs.put_back(job, "slow", "the source is away", 0),
    ]
    for settle in attempts:
        with pytest.raises(Aborted) as lost:
            settle()
        assert lost.value.reason == LEASE_LOST
        assert catalog.jobs.heartbeat(job, "quick", 60).state is JobState.RUNNING
    assert catalog.jobs.finish(job, "quick", {"n": 1}).state is JobState.DONE
    with pytest.raises(Aborted):
        catalog.jobs.finish(job, "slow", {})
    assert catalog.jobs.fail(job, "slow", "late").state is JobState.DONE


def test_a_job_put_back_waits_and_says_for_what(catalog: Catalog) -> None:
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [{}])
    catalog.jobs.claim("w1", 60)
    assert catalog.jobs.claim_unit(job, "w1", 60) is not None
    left = catalog.jobs.put_back(job, "w1", "the source\nis away", 60)
    assert (left.state, left.error) == (JobState.RUNNING, "the source is away")
    assert catalog.jobs.claim("w2", 60) is None, "not before the pause is over"
    assert catalog.jobs.claim_unit(job, "w2", 60) is not None, "its units are anybody's"
    catalog.jobs.renew_units(job, "w2", 0)
    with pytest.raises(Aborted):
        catalog.jobs.heartbeat(job, "w1", 60)
    other = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [{}])
    catalog.jobs.claim("w1", 60, other)
    catalog.jobs.put_back(other, "w1", "away", 0)
    taken = catalog.jobs.claim("w2", 60)
    assert taken is not None
    assert (taken.id, taken.error) == (other.id, "")


def test_others_write_while_a_plan_is_drawn_and_nobody_gets_the_job(catalog: Catalog, held: Collection) -> None:
    job = catalog.jobs.create(JobKind.INGEST, "things", {})
    drawn: list[int] = []

    def specs() -> Iterator[dict[str, int]]:
        for n in range(2500):
            if n in {1200, 2400}:
                with ThreadPoolExecutor(1) as pool:  # it would wait for ever behind a transaction of ours
                    pool.submit(catalog.items.write, held, [row(f"k{n}")]).result(timeout=20)
                drawn.append(catalog.jobs.get(job).units)
                assert catalog.jobs.claim("eager", 60, job) is None
                assert catalog.jobs.plan(job, [{"n": -1}]).units == 0, "another planner keeps out"
            yield {"n": n}

    assert catalog.jobs.plan(job, specs()).units == 2500
    assert drawn == [0, 0]
    assert [unit.spec["n"] for unit in catalog.jobs.units(job)] == list(range(2500))
    assert catalog.jobs.claim("w", 60, job) is not None


def test_a_plan_that_was_left_is_made_anew(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    job = catalog.jobs.create(JobKind.INGEST, "things", {})
    monkeypatch.setattr("hashsvc.catalog.jobs.PLAN_S", 0.0)

    def dying() -> Iterator[dict[str, int]]:
        yield from ({"n": n} for n in range(1500))
        assert catalog.jobs.claim("successor", 60, job) is not None
        yield from ({"n": n} for n in range(1500))

    with pytest.raises(Aborted, match="no longer leased"):
        catalog.jobs.plan(job, dying())
    assert (catalog.jobs.get(job).units, len(catalog.jobs.units(job))) == (0, 1000)
    with pytest.raises(Aborted):
        catalog.jobs.plan(job, [{"n": 1}], "another")
    assert catalog.jobs.plan(job, [{"n": 1}, {"n": 2}], "successor").units == 2
    assert [unit.spec["n"] for unit in catalog.jobs.units(job)] == [1, 2]


def test_a_plan_that_cannot_be_drawn_fails_its_job(catalog: Catalog) -> None:
    job = catalog.jobs.create(JobKind.INGEST, "things", {})

    def broken() -> Iterator[dict[str, int]]:
        yield {"n": 0}
        raise NotFound("the folder is gone")

    with pytest.raises(NotFound):
        catalog.jobs.plan(job, broken())
    failed = catalog.jobs.get(job)
    assert (failed.state, failed.error) == (JobState.FAILED, "it could not be planned: the folder is gone")


def test_a_job_that_stopped_with_units_left_is_opened_again(catalog: Catalog, held: Collection) -> None:
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [{}, {}])
    with pytest.raises(FailedPrecondition):
        catalog.jobs.reopen(job)
    catalog.items.write(held, [row("a")], progress=UnitProgress(job.id, 0, Counts(1, 1)))
    catalog.jobs.fail(job, "", "the network is away")
    opened = catalog.jobs.reopen(job)
    assert (opened.state, opened.error, opened.finished_at, opened.counts) == (JobState.PLANNED, "", None, Counts(1, 1))
    catalog.items.write(held, [row("b")], progress=UnitProgress(job.id, 1, Counts(1, 1)))
    catalog.jobs.finish(job, "", {})
    with pytest.raises(FailedPrecondition, match="2 of 2"):
        catalog.jobs.reopen(job)


def test_jobs_are_claimed_oldest_first_or_by_number(catalog: Catalog) -> None:
    numbers = [catalog.jobs.create(JobKind.TRAIN, "", {"n": n}).id for n in range(3)]
    second = catalog.jobs.claim("w", 60, numbers[1])
    first, third, none = (catalog.jobs.claim("w", 60) for _ in range(3))
    assert [job.id for job in (first, second, third) if job] == numbers
    assert none is None
    assert catalog.jobs.claim("w", 60, numbers[0]) is None
    assert [job.id for job in catalog.jobs.list()] == numbers[::-1]


def test_cancelling_ends_a_waiting_job_at_once_and_a_running_one_after_its_unit(catalog: Catalog) -> None:
    waiting = catalog.jobs.create(JobKind.TRAIN, "", {})
    assert catalog.jobs.cancel(waiting).state is JobState.CANCELLED
    running = catalog.jobs.create(JobKind.TRAIN, "", {})
    catalog.jobs.claim("w", 60)
    assert catalog.jobs.cancel(running).state is JobState.CANCELLING
    with pytest.raises(Cancelled):
        catalog.jobs.claim_unit(running, "w", 60)
    assert catalog.jobs.finish(running, "w", {}).state is JobState.CANCELLED
    assert catalog.jobs.fail(running, "w", "late").state is JobState.CANCELLED
    left = catalog.jobs.create(JobKind.TRAIN, "", {})
    catalog.jobs.claim("w", 0)
    catalog.jobs.cancel(left)
    assert catalog.jobs.claim("w", 60) is None
    assert catalog.jobs.get(left).state is JobState.CANCELLED
    assert catalog.jobs.cancelled(left, "w").state is JobState.CANCELLED


def test_final_jobs_stay(catalog: Catalog) -> None:
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [{}])
    with pytest.raises(FailedPrecondition):
        catalog.jobs.finish(job, "", {})
    failed = catalog.jobs.fail(job, "", "the disk\nis  full")
    assert (failed.state, failed.error) == (JobState.FAILED, "the disk is full")
    with pytest.raises(FailedPrecondition):
        catalog.jobs.plan(job, [{}])
    with pytest.raises(NotFound):
        catalog.jobs.get(99)
    assert catalog.jobs.forget(datetime.now(UTC) - timedelta(days=1)) == 0
    assert catalog.jobs.forget(datetime.now(UTC) + timedelta(days=1)) == 1
    assert catalog.jobs.list() == []


def test_a_repeated_request_gives_the_same_job(catalog: Catalog) -> None:
    first = catalog.jobs.create(JobKind.TRAIN, "", SPEC, "r1")
    assert catalog.jobs.create(JobKind.TRAIN, "", SPEC, "r1") == first
    with pytest.raises(InvalidArgument):
        catalog.jobs.create(JobKind.TRAIN, "", {}, "r1")
    assert len(catalog.jobs.list()) == 1
