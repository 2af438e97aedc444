from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from hashsvc.catalog import Catalog, UnitProgress
from hashsvc.domain.collections import Collection
from hashsvc.domain.jobs import Counts, DeadLetter, JobKind, JobState
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
        progress = UnitProgress(taken.id, unit.number, Counts(5, 2, 1, 2), letters)
        rows = [row(f"{unit.number}-{i}") for i in range(2)]
        catalog.items.write(held, rows, progress=progress)
        catalog.items.write(held, rows, progress=progress)
    done = catalog.jobs.finish(job, {"items": 6})
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
    assert catalog.jobs.finish(running, {}).state is JobState.CANCELLED
    assert catalog.jobs.fail(running, "late").state is JobState.CANCELLED
    left = catalog.jobs.create(JobKind.TRAIN, "", {})
    catalog.jobs.claim("w", 0)
    catalog.jobs.cancel(left)
    assert catalog.jobs.claim("w", 60) is None
    assert catalog.jobs.get(left).state is JobState.CANCELLED
    assert catalog.jobs.cancelled(left).state is JobState.CANCELLED


def test_final_jobs_stay(catalog: Catalog) -> None:
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [{}])
    with pytest.raises(FailedPrecondition):
        catalog.jobs.finish(job, {})
    failed = catalog.jobs.fail(job, "the disk\nis  full")
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
