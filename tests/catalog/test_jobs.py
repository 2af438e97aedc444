"""Jobs, their units and dead letters, as whoever asks for them sees and steers them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hashsvc.catalog import UNIT_TAKEN, Catalog, UnitProgress
from hashsvc.domain.collections import Collection
from hashsvc.domain.jobs import Counts, DeadLetter, JobKind, JobState
from hashsvc.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from tests.catalog.samples import row

SPEC = {"sources": ["a.jsonl"], "rows": 10}


def test_a_unit_finishes_with_its_rows(catalog: Catalog, held: Collection) -> None:
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", SPEC), [{"part": n} for n in range(3)])
    assert (job.state, job.units, job.units_done, dict(job.spec)) == (JobState.PLANNED, 3, 0, SPEC)
    assert catalog.jobs.plan(job.id, [{"part": 9}]).units == 3
    taken = catalog.leases.claim("w1", 60)
    assert taken is not None
    assert taken.state is JobState.RUNNING
    while unit := catalog.leases.claim_unit(taken, "w1", 60):
        letters = [DeadLetter("a.jsonl", 7, "empty text", "k"), DeadLetter("a.jsonl", 3, "no key")]
        progress = UnitProgress(taken.id, unit.number, Counts(5, 2, 1, 2), letters, unit.worker)
        rows = [row(f"{unit.number}-{i}") for i in range(2)]
        catalog.items.write(held, rows, progress=progress)
        with pytest.raises(Aborted) as taken_already:
            catalog.items.write(held, rows, progress=progress)
        assert taken_already.value.reason == UNIT_TAKEN
    done = catalog.leases.finish(job, "w1", {"items": 6})
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


def test_a_job_that_stopped_with_units_left_is_opened_again(catalog: Catalog, held: Collection) -> None:
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [{}, {}])
    with pytest.raises(FailedPrecondition):
        catalog.jobs.reopen(job)
    catalog.items.write(held, [row("a")], progress=UnitProgress(job.id, 0, Counts(1, 1)))
    catalog.leases.fail(job, "", "the network is away")
    opened = catalog.jobs.reopen(job)
    assert (opened.state, opened.error, opened.finished_at, opened.counts) == (JobState.PLANNED, "", None, Counts(1, 1))
    catalog.items.write(held, [row("b")], progress=UnitProgress(job.id, 1, Counts(1, 1)))
    catalog.leases.finish(job, "", {})
    with pytest.raises(FailedPrecondition, match="2 of 2"):
        catalog.jobs.reopen(job)


def test_final_jobs_stay(catalog: Catalog) -> None:
    job = catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [{}])
    with pytest.raises(FailedPrecondition):
        catalog.leases.finish(job, "", {})
    failed = catalog.leases.fail(job, "", "the disk\nis  full")
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
