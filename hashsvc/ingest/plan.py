"""Planning: an ingest job and its units as rows, before the first of them runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hashsvc.domain.collections import Collection
from hashsvc.domain.items import Item
from hashsvc.domain.jobs import TWICE, DeadLetter, Job, JobKind, JobState, Unit
from hashsvc.errors import FailedPrecondition
from hashsvc.ingest.spec import IngestSpec
from hashsvc.readers import UNIT_ROWS, Source

if TYPE_CHECKING:
    from hashsvc.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Preview:
    """What a job would do: its units, and its first rows as they would be read."""

    units: int
    rows: Sequence[Item | DeadLetter]


def plan(catalog: Catalog, collection: Collection, spec: IngestSpec, *, request_id: str = "") -> Job:
    """Create an ingest job with its units in the manifest, or find the unfinished one that was asked the same.

    Without a ``request_id``, a job of this collection with this very spec that has units left is given back: what it
    has done is not done again. If it failed or was cancelled it is opened again, unless files changed since it was
    planned. Once it is done, a new job reads everything again, and stores only what is new or changed.

    Raises:
        NotFound: there is nothing at a source.
        InvalidArgument: a source is of no known format, or has not the columns that were asked for.
    """
    held = None if request_id else _unfinished(catalog, collection, spec)
    if held is not None:
        return held
    sources = spec.open(collection)
    try:
        for source in sources:
            source.check()
        left = None if request_id else _left(catalog, collection, spec, sources)
        if left is not None:
            return catalog.jobs.reopen(left)
        job = catalog.jobs.create(JobKind.INGEST, collection.name, spec.as_json(), request_id)
        return job if job.units else plan_units(catalog, job, sources, spec)
    finally:
        close(sources)


def _unfinished(catalog: Catalog, collection: Collection, spec: IngestSpec) -> Job | None:
    for job in _alike(catalog, collection, spec):
        if job.state in {JobState.PLANNED, JobState.RUNNING} and job.units_done < job.units:
            return job
    return None


def _left(catalog: Catalog, collection: Collection, spec: IngestSpec, sources: Sequence[Source]) -> Job | None:
    """The last job that was asked the same, if it ended with units left whose files are still as they were planned."""
    job = next(_alike(catalog, collection, spec), None)
    if job is None or not job.state.final or job.units_done >= job.units:
        return None
    units = {(unit.spec["source"], unit.spec.get("file")): unit for unit in catalog.jobs.units(job) if not unit.done}
    try:
        for unit in units.values():
            next(sources[unit.spec["source"]].read(dict(unit.spec)), None)
    except (FailedPrecondition, OSError):
        return None
    return job


def _alike(catalog: Catalog, collection: Collection, spec: IngestSpec) -> Iterator[Job]:
    """Jobs that were asked the same, newest first."""
    asked = (JobKind.INGEST, collection.name, spec.as_json())
    return (job for job in catalog.jobs.list() if (job.kind, job.collection, dict(job.spec)) == asked)


def plan_units(catalog: Catalog, job: Job, sources: Sequence[Source], spec: IngestSpec, worker: str = "") -> Job:
    """Write the units of a job that has none yet; see :meth:`hashsvc.catalog.jobs.Jobs.plan`."""
    return catalog.jobs.plan(job, cut(sources, spec), worker)


def plan_again(catalog: Catalog, collection: Collection, job: Job, *, rows: int = UNIT_ROWS) -> Job:
    """Open a final job again for its dead letters, after their files were mended: new units read exactly those rows.

    Of a file that was damaged or cut off they read all from there on, within the job's limit. Units that a failed or
    cancelled job has left are gone on with too.

    Raises:
        FailedPrecondition: the job still runs, has nothing to retry, or a file that dead letters name is gone.
    """
    letters = catalog.jobs.dead_letters(job)
    if not letters and job.units_done < job.units:
        return catalog.jobs.reopen(job)
    if not letters:
        raise FailedPrecondition(f"job {job.id} has no dead letters to retry")
    spec = IngestSpec.of(job.spec)
    sources = spec.open(collection)
    try:
        units = _again(catalog.jobs.units(job), letters, sources, rows)
        if spec.limit is not None:
            units = _first(units, sources, spec.limit - job.counts.read + job.counts.dead)
        return catalog.jobs.again(job, list(units))
    finally:
        close(sources)


def _again(
    units: Sequence[Unit], letters: Sequence[DeadLetter], sources: Sequence[Source], rows: int
) -> Iterator[dict[str, Any]]:
    """Specs of units that read the rows of the dead letters of each source.

    A row that was dead because its key occurred twice stays so until it has another key: ``taken``.
    """
    owner = {unit.number: int(unit.spec["source"]) for unit in units}
    for number, source in enumerate(sources):
        own = [letter for letter in letters if owner[letter.unit] == number]
        taken = sorted({letter.key for letter in own if letter.key is not None and TWICE in letter.reason})
        for spec in source.again(own, rows):
            yield {"source": number, **spec, **({"taken": taken} if taken else {})}


def cut(sources: Sequence[Source], spec: IngestSpec) -> Iterator[dict[str, Any]]:
    """Unit specs of all sources, each with the position of its source; with a limit, of its first rows only."""
    units = (
        {"source": number, **unit}
        for number, source in enumerate(sources)
        for unit in source.units(spec.rows, spec.size)
    )
    return units if spec.limit is None else _first(units, sources, spec.limit)


def _first(units: Iterable[dict[str, Any]], sources: Sequence[Source], limit: int) -> Iterator[dict[str, Any]]:
    """Units until ``limit`` rows are covered; how many a unit holds is known by reading it."""
    for unit in units:
        if limit <= 0:
            return
        count = sum(1 for _ in sources[unit["source"]].read(unit))
        yield unit if count <= limit else {**unit, "limit": limit}
        limit -= count


def preview(collection: Collection, spec: IngestSpec, rows: int = 10) -> Preview:
    """Look at a job without creating it: the number of its units, and its first rows (items and dead letters)."""
    sources = spec.open(collection)
    try:
        for source in sources:
            source.check()
        units = 0
        seen: list[Item | DeadLetter] = []
        for unit in cut(sources, spec):
            units += 1
            if len(seen) < rows:
                seen.extend(list(sources[unit["source"]].read(unit))[: rows - len(seen)])
        return Preview(units, seen)
    finally:
        close(sources)


def close(sources: Iterable[Source]) -> None:
    """Close the sources."""
    for source in sources:
        source.close()
