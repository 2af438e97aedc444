"""Planning: an ingest job and its units as rows, before the first of them runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hashsvc.domain.collections import Collection
from hashsvc.domain.items import Item
from hashsvc.domain.jobs import DeadLetter, Job, JobKind
from hashsvc.ingest.spec import IngestSpec
from hashsvc.readers import Source

if TYPE_CHECKING:
    from hashsvc.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Preview:
    """What a job would do: its units, and its first rows as they would be read."""

    units: int
    rows: Sequence[Item | DeadLetter]


def plan(catalog: Catalog, collection: Collection, spec: IngestSpec, *, request_id: str = "") -> Job:
    """Create an ingest job with its units in the manifest.

    Raises:
        NotFound: there is nothing at a source.
        InvalidArgument: a source is of no known format, or has not the columns that were asked for.
    """
    sources = spec.open(collection)
    try:
        for source in sources:
            source.check()
        job = catalog.jobs.create(JobKind.INGEST, collection.name, spec.as_json(), request_id)
        return job if job.units else plan_units(catalog, job, sources, spec)
    finally:
        close(sources)


def plan_units(catalog: Catalog, job: Job, sources: Sequence[Source], spec: IngestSpec) -> Job:
    """Write the units of a job that has none yet."""
    return catalog.jobs.plan(job, cut(sources, spec))


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
