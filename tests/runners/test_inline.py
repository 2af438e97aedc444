"""The inline runner: what is left of a job is run, progress is told, cancelling takes effect between units."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from hashsvc import ingest
from hashsvc.catalog.database import Database
from hashsvc.domain.items import Item
from hashsvc.domain.jobs import Counts, DeadLetter, Job, Unit
from hashsvc.errors import Aborted, Cancelled, FailedPrecondition, Unavailable
from hashsvc.ingest import IngestSpec, pipeline
from hashsvc.ingest.line import Clock
from hashsvc.readers import Source, Spec
from hashsvc.runners import inline
from hashsvc.runners.lease import Lease
from hashsvc.runners.progress import Progress
from tests.ingest.workplace import Workplace, workplace, write_rows


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    with workplace(tmp_path) as made:
        yield made


def planned(place: Workplace, count: int, rows: int, bad: tuple[int, ...] = ()) -> tuple[IngestSpec, Job]:
    spec = IngestSpec((str(write_rows(place.folder / "rows.jsonl", count, bad=bad)),), rows=rows)
    ingest.plan(place.catalog, place.collection, spec)
    job = place.catalog.leases.claim("me", 60)
    assert job is not None
    return spec, job


def test_a_job_is_run_to_its_end_with_progress(place: Workplace) -> None:
    spec, job = planned(place, 400, 40, bad=(3, 4))
    seen: list[Progress] = []
    clocks: dict[str, Clock] = {}
    with Lease(place.catalog, job.id, "me") as lease:
        job = inline.run(job, place.bench(spec), lease, progress=seen.append, clocks=clocks)
    assert job.counts == Counts(400, 398, 0, 2)
    assert place.counts_add_up(job)
    assert len(seen) == 10
    assert (seen[-1].done, seen[-1].units, seen[-1].left) == (10, 10, 0)
    assert all(progress.rate > 0 for progress in seen)
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
    assert all(clocks[step].busy > 0 for step in ("source", "read", "decode", "encode", "keep", "store"))
    with Lease(place.catalog, job.id, "me") as lease:
        inline.run(job, place.bench(spec), lease, progress=seen.append)
    assert len(seen) == 10, "a second run does no unit"


def test_it_gives_what_units_one_by_one_give(place: Workplace, tmp_path: Path) -> None:
    spec, job = planned(place, 300, 30, bad=(7,))
    with Lease(place.catalog, job.id, "me") as lease:
        inline.run(job, place.bench(spec), lease)
    with workplace(tmp_path / "other") as other:
        plain = ingest.plan(other.catalog, other.collection, spec)
        for unit in reversed(other.catalog.jobs.units(plain)):
            ingest.run_unit(other.bench(spec), unit)
        assert other.digest() == place.digest()
        assert other.catalog.jobs.get(plain).counts == place.catalog.jobs.get(job).counts


def test_cancelling_takes_effect_between_units(place: Workplace) -> None:
    spec, job = planned(place, 500, 5)
    done = threading.Event()

    def cancel(progress: Progress) -> None:
        if progress.done >= 5 and not done.is_set():
            place.catalog.jobs.cancel(job)
            done.set()

    with Lease(place.catalog, job.id, "me") as lease, pytest.raises(Cancelled):
        inline.run(job, place.bench(spec), lease, progress=cancel)
    held = place.catalog.jobs.get(job)
    assert 5 <= held.units_done < 60
    assert held.counts.read == 5 * held.units_done
    assert place.catalog.items.count(place.collection) == held.counts.stored


def test_stopping_leaves_the_rest_to_others(place: Workplace) -> None:
    spec, job = planned(place, 500, 5)
    stop = threading.Event()
    with Lease(place.catalog, job.id, "me", stop=stop) as lease:
        part = inline.run(job, place.bench(spec), lease, progress=lambda progress: stop.set())
    assert 0 < part.units_done < 60
    with Lease(place.catalog, job.id, "me") as lease:
        assert inline.run(job, place.bench(spec), lease).counts == Counts(500, 500, 0, 0)
    assert place.counts_add_up(job)


def test_a_failing_unit_raises_after_what_was_committed(place: Workplace) -> None:
    spec, job = planned(place, 300, 30)
    bench = place.bench(spec)
    first = place.catalog.jobs.units(job)[0]
    ingest.run_unit(bench, first)
    write_rows(place.folder / "rows.jsonl", 301)
    with Lease(place.catalog, job.id, "me") as lease, pytest.raises(FailedPrecondition, match="changed since"):
        inline.run(job, place.bench(spec), lease)
    assert place.catalog.jobs.get(job).units_done == 1


class Shaky:
    """A source on a network that fails now and then."""

    def __init__(self, inner: Source, failures: int) -> None:
        self.inner = inner
        self.failures = failures
        self.location = inner.location

    def read(self, spec: Spec) -> Iterator[Item | DeadLetter]:
        if self.failures:
            self.failures -= 1
            raise OSError("the network is away")
        return self.inner.read(spec)

    def keyed(self, spec: Spec) -> bool:
        return self.inner.keyed(spec)

    def place(self, item: Item) -> tuple[str, int]:
        return self.inner.place(item)


@pytest.mark.parametrize("failures", [2, 100])
def test_a_source_that_comes_back_costs_time_only(place: Workplace, failures: int) -> None:
    spec, job = planned(place, 40, 10)
    bench = place.bench(spec)
    bench = replace(bench, sources=[cast("Source", Shaky(bench.sources[0], failures))])
    with Lease(place.catalog, job.id, "me") as lease:
        if failures == 2:
            assert inline.run(job, bench, lease).counts == Counts(40, 40, 0, 0)
        else:
            with pytest.raises(Unavailable, match="the network is away"):
                inline.run(job, bench, lease)


def test_a_unit_that_another_took_is_passed_over(place: Workplace) -> None:
    spec, job = planned(place, 60, 10)
    mine = list(iter(lambda: place.catalog.leases.claim_unit(job, "me", 60), None))
    place.catalog.leases.renew_units(job, "me", 0)
    theirs = place.catalog.leases.claim_unit(job, "somebody else", 60)
    assert theirs is not None
    ingest.run_unit(place.bench(spec), theirs)
    place.catalog.items.write(place.collection, [], ["row-3"])
    done = [unit.number for unit, _ in pipeline.run_units(place.bench(spec), mine)]
    assert done == [1, 2, 3, 4, 5]
    assert not place.catalog.items.held(place.collection, ["row-3"]), "what was deleted since stays deleted"
    assert place.catalog.jobs.get(job).counts == Counts(60, 60, 0, 0)
    assert place.counts_add_up(job)


def test_a_worker_claims_few_units_ahead(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, job = planned(place, 60, 5)
    ahead: list[int] = []
    real = place.catalog.leases.claim_unit

    def claim(*arguments: Any, **named: Any) -> Unit | None:
        unit = real(*arguments, **named)
        in_hand = [u for u in place.catalog.jobs.units(job) if u.worker and not u.done]
        ahead.append(len(in_hand))
        return unit

    monkeypatch.setattr(place.catalog.leases, "claim_unit", claim)
    with Lease(place.catalog, job.id, "me") as lease:
        assert inline.run(job, place.bench(spec), lease, progress=dawdle).counts == Counts(60, 60, 0, 0)
    assert max(ahead) <= pipeline.AHEAD


def test_who_waits_looks_and_writes_nothing(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    _, job = planned(place, 20, 10)
    while place.catalog.leases.claim_unit(job, "somebody else", 60) is not None:
        pass
    stop, looks, writes = threading.Event(), threading.Semaphore(0), []
    real_get, real_writing = place.catalog.jobs.get, Database.writing

    def get(number: int) -> Job:
        looks.release()
        return real_get(number)

    def writing(self: Database) -> Any:
        writes.append(threading.current_thread().name)
        return real_writing(self)

    monkeypatch.setattr(place.catalog.jobs, "get", get)
    monkeypatch.setattr(Database, "writing", writing)
    lease = Lease(place.catalog, job.id, "me")
    waiting = threading.Thread(target=lambda: list(inline.claims(place.catalog, lease, stop)), name="waiting")
    waiting.start()
    assert all(looks.acquire(timeout=30) for _ in range(4))
    stop.set()
    waiting.join(30)
    assert "waiting" not in writes


def dawdle(progress: Progress) -> None:
    threading.Event().wait(0.1)


def test_a_job_taken_over_is_let_go(place: Workplace) -> None:
    spec, job = planned(place, 500, 5)
    with (
        Lease(place.catalog, job.id, "somebody else", seconds=0.3) as lease,
        pytest.raises(Aborted, match="no longer leased"),
    ):
        inline.run(job, place.bench(spec), lease, progress=dawdle)
