"""The worker: jobs are claimed, run, finished or failed with one line; others' failures are nobody's problem."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hashsvc import ingest, worker
from hashsvc.domain.jobs import Counts, Job, JobKind, JobState
from hashsvc.errors import Aborted, Internal, InvalidArgument, ResourceExhausted, Unavailable
from hashsvc.ingest import IngestSpec
from hashsvc.runners import inline
from hashsvc.runners.lease import Lease
from hashsvc.runners.progress import Progress
from tests.ingest.workplace import Workplace, workplace, write_rows


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    with workplace(tmp_path) as made:
        yield made


def flows(place: Workplace) -> dict[JobKind, worker.Flow]:
    def run_ingest(job: Job, lease: Lease) -> Mapping[str, Any]:
        done = inline.run(job, place.bench(IngestSpec.of(job.spec)), lease)
        return {"stored": done.counts.stored}

    return {JobKind.INGEST: run_ingest}


def planned(place: Workplace, name: str, count: int, rows: int = 50) -> Job:
    spec = IngestSpec((str(write_rows(place.folder / name, count)),), rows=rows)
    return ingest.plan(place.catalog, place.collection, spec)


def test_waiting_jobs_are_run_in_order_and_finished(place: Workplace) -> None:
    jobs = [planned(place, f"{n}.jsonl", 100 * n) for n in (1, 2)]
    assert worker.run(place.catalog, flows(place), once=True) == 2
    states = [place.catalog.jobs.get(job) for job in jobs]
    assert [job.state for job in states] == [JobState.DONE] * 2
    assert [job.counts for job in states] == [Counts(100, 100, 0, 0), Counts(200, 100, 100, 0)]
    assert [job.result for job in states] == [{"stored": 100}, {"stored": 100}]
    assert worker.run(place.catalog, flows(place), once=True) == 0


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InvalidArgument("the source is\nno good"), "the source is no good"),
        (ZeroDivisionError("by zero"), "internal error: ZeroDivisionError: by zero"),
    ],
)
def test_a_failure_is_one_line_and_the_next_job_runs(place: Workplace, error: Exception, line: str) -> None:
    def fail(job: Job, lease: Lease) -> Mapping[str, Any]:
        raise error

    bad = place.catalog.jobs.create(JobKind.TRAIN, "", {})
    good = planned(place, "rows.jsonl", 10)
    assert worker.run(place.catalog, {**flows(place), JobKind.TRAIN: fail}, once=True) == 2
    failed = place.catalog.jobs.get(bad)
    assert (failed.state, failed.error) == (JobState.FAILED, line)
    assert place.catalog.jobs.get(good).state is JobState.DONE


def test_a_kind_nobody_runs_fails(place: Workplace) -> None:
    job = place.catalog.jobs.create(JobKind.DEDUP, "texts", {})
    worker.run(place.catalog, flows(place), once=True)
    assert "runs no dedup jobs" in place.catalog.jobs.get(job).error


def test_a_cancelled_job_ends_as_cancelled(place: Workplace) -> None:
    job = planned(place, "rows.jsonl", 500, rows=5)
    thread = threading.Thread(target=worker.run, args=(place.catalog, flows(place)), kwargs={"once": True})
    thread.start()
    while place.catalog.jobs.get(job).units_done < 3:
        threading.Event().wait(0.01)
    place.catalog.jobs.cancel(job)
    thread.join(30)
    held = place.catalog.jobs.get(job)
    assert held.state is JobState.CANCELLED
    assert held.units_done < held.units
    assert place.counts_add_up(job)


def test_a_stopped_worker_leaves_its_job_to_the_next(place: Workplace) -> None:
    job = planned(place, "rows.jsonl", 500, rows=5)
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(place.catalog, flows(place)), kwargs={"stop": stop})
    thread.start()
    while place.catalog.jobs.get(job).units_done < 3:
        threading.Event().wait(0.01)
    stop.set()
    thread.join(30)
    assert place.catalog.jobs.get(job).state is JobState.RUNNING
    assert place.catalog.jobs.get(job).units_done < 100
    assert worker.run(place.catalog, flows(place), once=True) == 1, "the lease was given back"
    assert place.catalog.jobs.get(job).state is JobState.DONE
    assert place.catalog.jobs.get(job).counts == Counts(500, 500, 0, 0)


def test_an_idle_worker_helps_with_a_running_job(place: Workplace) -> None:
    job = planned(place, "rows.jsonl", 400, rows=4)
    names: set[str] = set()
    stop = threading.Event()

    def slow(job: Job, lease: Lease) -> Mapping[str, Any]:
        names.add(lease.worker)
        bench = place.bench(IngestSpec.of(job.spec))
        return {"stored": inline.run(job, bench, lease, progress=dawdle).counts.stored}

    def dawdle(progress: Progress) -> None:
        threading.Event().wait(0.02)

    threads = [
        threading.Thread(
            target=worker.run,
            args=(place.catalog, {JobKind.INGEST: slow}),
            kwargs={"stop": stop, "worker": name, "poll_s": 0.05},
        )
        for name in ("first", "second")
    ]
    for thread in threads:
        thread.start()
    while not place.catalog.jobs.get(job).state.final:
        threading.Event().wait(0.02)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert names == {"first", "second"}
    held = place.catalog.jobs.get(job)
    assert (held.state, held.counts) == (JobState.DONE, Counts(400, 400, 0, 0))
    assert place.counts_add_up(job)


def test_two_workers_share_what_waits(place: Workplace) -> None:
    jobs = [planned(place, f"{n}.jsonl", 60) for n in range(6)]
    threads = [
        threading.Thread(target=worker.run, args=(place.catalog, flows(place)), kwargs={"once": True}) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {place.catalog.jobs.get(job).state for job in jobs} == {JobState.DONE}
    assert place.catalog.items.count(place.collection) == 60


def away(*_: object) -> Any:
    raise Unavailable("the database is away: retry")


def test_a_source_that_is_away_is_tried_again_later_and_others_go_first(place: Workplace) -> None:
    tries: list[int] = []

    def shaky(job: Job, lease: Lease) -> Mapping[str, Any]:
        tries.append(job.id)
        if len(tries) == 1:
            raise Unavailable("the bucket does not answer")
        return flows(place)[JobKind.INGEST](job, lease)

    first, second = (planned(place, f"{n}.jsonl", 20) for n in range(2))
    worker.run(place.catalog, {JobKind.INGEST: shaky}, once=True, lease_s=0.3)
    held = place.catalog.jobs.get(first)
    assert (held.state, held.error) == (JobState.RUNNING, "the bucket does not answer; it is tried again")
    assert place.catalog.jobs.get(second).state is JobState.DONE
    threading.Event().wait(0.3)
    worker.run(place.catalog, {JobKind.INGEST: shaky}, once=True)
    assert tries == [first.id, second.id, first.id]
    held = place.catalog.jobs.get(first)
    assert (held.state, held.error) == (JobState.DONE, "")


@pytest.mark.parametrize("method", ["fail", "put_back"])
def test_a_job_that_cannot_be_settled_does_not_stop_the_worker(
    place: Workplace, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    error: Exception = Unavailable("away") if method == "put_back" else ZeroDivisionError("by zero")

    def stopped(job: Job, lease: Lease) -> Mapping[str, Any]:
        raise error

    job = planned(place, "rows.jsonl", 20)
    monkeypatch.setattr(place.catalog.leases, method, away)
    assert worker.run(place.catalog, {JobKind.INGEST: stopped}, once=True) == 1
    assert place.catalog.jobs.get(job).state is JobState.RUNNING


def test_a_job_that_another_settled_as_cancelled_does_not_stop_the_worker(place: Workplace) -> None:
    job = planned(place, "rows.jsonl", 20)

    def late(job: Job, lease: Lease) -> Mapping[str, Any]:
        place.catalog.leases.heartbeat(job.id, lease.worker, 0.0)
        place.catalog.jobs.cancel(job.id)
        place.catalog.leases.claim("second", 60)
        assert place.catalog.leases.claim_unit(job.id, lease.worker, 60) is None
        return {}

    assert worker.run(place.catalog, {JobKind.INGEST: late}, once=True) == 1
    assert place.catalog.jobs.get(job).state is JobState.CANCELLED


def test_a_defect_while_helping_does_not_stop_the_worker(place: Workplace) -> None:
    job = planned(place, "rows.jsonl", 40, rows=5)
    place.catalog.leases.claim("owner", 60)
    bench, unit = place.bench(IngestSpec.of(job.spec)), place.catalog.leases.claim_unit(job, "owner", 60)
    assert unit is not None
    ingest.run_unit(bench, unit)
    stop = threading.Event()

    def broken(job: Job, lease: Lease) -> Mapping[str, Any]:
        stop.set()
        assert place.catalog.leases.claim_unit(job, lease.worker, 60) is not None
        raise OSError("the disk is gone")

    assert worker.run(place.catalog, {JobKind.INGEST: broken}, stop=stop, lease_s=0.5) == 0
    freed = place.catalog.leases.claim_unit(job, "another", 60)
    assert freed is not None
    assert freed.number == 1, "its unit was given back"


def test_a_moment_without_the_database_costs_time_only(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    job = planned(place, "rows.jsonl", 40, rows=5)
    real, calls = place.catalog.leases.claim_unit, iter(range(1000))
    monkeypatch.setattr(
        place.catalog.leases, "claim_unit", lambda *a, **k: away() if next(calls) == 3 else real(*a, **k)
    )
    worker.run(place.catalog, flows(place), once=True)
    held = place.catalog.jobs.get(job)
    assert (held.state, held.counts) == (JobState.DONE, Counts(40, 40, 0, 0))


def test_a_heartbeat_that_fails_is_followed_by_another(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    job = planned(place, "rows.jsonl", 20)
    place.catalog.leases.claim("me", 0.3)
    real, beats = place.catalog.leases.heartbeat, threading.Semaphore(0)
    errors = iter([ResourceExhausted("the disk is full"), Aborted("a concurrent transaction won"), Internal("?")])

    def beat(*arguments: Any) -> Job:
        beats.release()
        for error in errors:
            raise error
        return real(*arguments)

    monkeypatch.setattr(place.catalog.leases, "heartbeat", beat)
    with Lease(place.catalog, job.id, "me", seconds=0.3) as lease:
        assert all(beats.acquire(timeout=30) for _ in range(5))
        assert lease.going()
        assert place.catalog.leases.claim("another", 60) is None
