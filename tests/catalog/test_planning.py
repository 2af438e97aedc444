"""A job is given its units: others write in between, a plan that was left is made anew."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from hashsvc.catalog import Catalog
from hashsvc.domain.collections import Collection
from hashsvc.domain.jobs import JobKind, JobState
from hashsvc.errors import Aborted, NotFound
from tests.catalog.samples import row


def test_others_write_while_a_plan_is_drawn_and_nobody_gets_the_job(catalog: Catalog, held: Collection) -> None:
    job = catalog.jobs.create(JobKind.INGEST, "things", {})
    drawn: list[int] = []

    def specs() -> Iterator[dict[str, int]]:
        for n in range(2500):
            if n in {1200, 2400}:
                with ThreadPoolExecutor(1) as pool:  # it would wait for ever behind a transaction of ours
                    pool.submit(catalog.items.write, held, [row(f"k{n}")]).result(timeout=20)
                drawn.append(catalog.jobs.get(job).units)
                assert catalog.leases.claim("eager", 60, job) is None
                assert catalog.jobs.plan(job, [{"n": -1}]).units == 0, "another planner keeps out"
            yield {"n": n}

    assert catalog.jobs.plan(job, specs()).units == 2500
    assert drawn == [0, 0]
    assert [unit.spec["n"] for unit in catalog.jobs.units(job)] == list(range(2500))
    assert catalog.leases.claim("w", 60, job) is not None


def test_a_plan_that_was_left_is_made_anew(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    job = catalog.jobs.create(JobKind.INGEST, "things", {})
    monkeypatch.setattr("hashsvc.catalog.planning.PLAN_S", 0.0)

    def dying() -> Iterator[dict[str, int]]:
        yield from ({"n": n} for n in range(1500))
        assert catalog.leases.claim("successor", 60, job) is not None
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
