"""A job run now: it is settled by who holds it, as what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import Any, cast

import pytest

from hashsvc.app.running import Hands, run_now, share_out
from hashsvc.catalog import Catalog, open_catalog
from hashsvc.domain.jobs import Job, JobKind, JobState, Runner
from hashsvc.errors import Aborted, Cancelled, InvalidArgument, Unavailable
from hashsvc.runners import processes
from hashsvc.runners.lease import Lease


@pytest.fixture
def catalog(catalog_url: str) -> Iterator[Catalog]:
    opened = open_catalog(catalog_url)
    yield opened
    opened.close()


def made(catalog: Catalog) -> Job:
    return catalog.jobs.plan(catalog.jobs.create(JobKind.INGEST, "things", {}), [])


def test_a_job_taken_over_is_its_new_workers_to_settle(catalog: Catalog) -> None:
    job = made(catalog)

    def slow(lease: Lease) -> Mapping[str, Any]:
        catalog.leases.heartbeat(job, lease.worker, 0)
        assert catalog.leases.claim("successor", 60) is not None
        while lease.going():
            pass
        lease.check()
        return {}

    with pytest.raises(Aborted, match="no longer leased"):
        run_now(catalog, job, slow)
    assert catalog.leases.heartbeat(job, "successor", 60).state is JobState.RUNNING
    assert catalog.leases.finish(job, "successor", {"by": "it"}).result == {"by": "it"}


def test_a_result_that_comes_too_late_settles_nothing(catalog: Catalog) -> None:
    job = made(catalog)

    def slow(lease: Lease) -> Mapping[str, Any]:
        catalog.leases.put_back(job, lease.worker, "", 0)
        assert catalog.leases.claim("successor", 60) is not None
        return {}

    with pytest.raises(Aborted, match="no longer leased"):
        run_now(catalog, job, slow)
    assert catalog.jobs.get(job).state is JobState.RUNNING


def test_a_cancelled_job_is_cancelled_not_failed(catalog: Catalog) -> None:
    job = made(catalog)

    def stopped(lease: Lease) -> Mapping[str, Any]:
        catalog.jobs.cancel(job)
        raise Cancelled("it was cancelled")

    with pytest.raises(Cancelled):
        run_now(catalog, job, stopped)
    held = catalog.jobs.get(job)
    assert (held.state, held.error) == (JobState.CANCELLED, "")


def test_another_error_fails_it_and_is_raised_though_it_cannot_be_written(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(lease: Lease) -> Mapping[str, Any]:
        raise InvalidArgument("a bad column")

    job = made(catalog)
    with pytest.raises(InvalidArgument):
        run_now(catalog, job, stopped)
    held = catalog.jobs.get(job)
    assert (held.state, held.error) == (JobState.FAILED, "a bad column")

    def away(*_: object) -> Job:
        raise Unavailable("the database is away")

    monkeypatch.setattr(catalog.leases, "fail", away)
    with pytest.raises(InvalidArgument):
        run_now(catalog, made(catalog), stopped)


def test_ray_sets_aside_what_is_asked_for(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    job = made(catalog)
    asked: dict[str, Any] = {}

    def run(*_: object, **options: Any) -> Job:
        asked.update(options)
        return job

    monkeypatch.setattr("hashsvc.app.running.ray.run", run)
    monkeypatch.setattr("hashsvc.app.running.ray.connected", lambda address: nullcontext())
    with Lease(catalog, job.id, "me") as lease:
        hands = Hands(Runner.RAY, 3, cpus=0.5, gpus=0.25)
        share_out(job, catalog, lambda: cast("processes.Bench", None), lease, hands=hands)
    assert (asked["count"], asked["resources"]) == (3, {"num_cpus": 0.5, "num_gpus": 0.25})
    assert Hands(Runner.RAY).resources == {"num_cpus": 1.0, "num_gpus": 0.0}
    with pytest.raises(InvalidArgument, match="Ray sets aside"):
        Hands(Runner.PROCESSES, 2, gpus=1)
