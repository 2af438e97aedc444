"""How a store runs its jobs: what each kind asks for, checked when the job is made, and who does it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hashsvc import ingest
from hashsvc.app import dedup, reencoding
from hashsvc.app.bulk import bench_of
from hashsvc.app.reencoding import ReencodeSpec
from hashsvc.codes import check_bits
from hashsvc.dedup.spec import DedupSpec
from hashsvc.domain.encoders import check_name
from hashsvc.domain.items import Item
from hashsvc.domain.jobs import DeadLetter, Job, JobKind
from hashsvc.domain.kinds import Kind
from hashsvc.domain.models import AUTO, check_model
from hashsvc.errors import FailedPrecondition, InvalidArgument, PermissionDenied
from hashsvc.ingest import IngestSpec
from hashsvc.readers import Columns, local_path, open_source, prefixes, read_all
from hashsvc.runners import inline
from hashsvc.runners.lease import Lease
from hashsvc.train import train

if TYPE_CHECKING:
    from hashsvc.app.store import Store
    from hashsvc.domain.encoders import EncoderVersion
    from hashsvc.encoders import OnProgress

log = logging.getLogger(__name__)

Flow = Callable[[Job, Lease], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """What a train job was asked to do.

    Args:
        name: the encoder's; training it again makes the next version.
        sources: locations, see :func:`hashsvc.readers.open_source`.
        kind: what the sources hold.
        model: a name of ``hashsvc.encoders.MODELS``; "auto" keeps the best of the default and the linear floors.
        limit: at most this many rows are read; None for all.
    """

    name: str
    sources: tuple[str, ...]
    kind: Kind
    bits: int = 64
    model: str = "auto"
    seed: int = 0
    columns: Columns = field(default_factory=Columns)
    limit: int | None = None

    @classmethod
    def of(cls, spec: Mapping[str, Any]) -> TrainSpec:
        """The spec of a job row; InvalidArgument names the field that is unknown, missing or of another type."""
        own = {"name", "kind", "bits", "model", "seed"}
        rows = IngestSpec.of({name: value for name, value in spec.items() if name not in own})
        try:
            kind = Kind(str(spec.get("kind")))
        except ValueError:
            raise InvalidArgument(
                f"kind must be text, image or vector, not {spec.get('kind')!r}", field="kind"
            ) from None
        return cls(
            check_name(str(spec.get("name", ""))),
            rows.sources,
            kind,
            bits=check_bits(_whole(spec, "bits", 64)),
            model=check_model(str(spec.get("model", AUTO)), kind),
            seed=_seed(_whole(spec, "seed", 0)),
            columns=rows.columns,
            limit=rows.limit,
        )


def _whole(spec: Mapping[str, Any], name: str, default: int) -> int:
    value = spec.get(name, default)
    if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
        raise InvalidArgument(f"{name} must be an integer, not {value!r}", field=name)
    return int(value)


def _seed(seed: int) -> int:
    if not 0 <= seed < 2**32:
        raise InvalidArgument(f"seed must be 0 to {2**32 - 1}, not {seed}", field="seed")
    return seed


def create(store: Store, kind: JobKind, spec: Mapping[str, Any], *, request_id: str) -> Job:
    """Check what a job asks for and write it down; a worker runs it.

    Raises:
        InvalidArgument: a field of ``spec`` is wrong.
        PermissionDenied: a source lies outside the configured roots.
    """
    if kind is JobKind.INGEST:
        collection = store.collection(str(spec.get("collection", "")))
        rows = IngestSpec.of(spec)
        _check_roots(rows.sources, store.settings.roots)
        return ingest.plan(store.catalog, collection, rows, request_id=request_id)
    if kind is JobKind.TRAIN:
        _check_roots(TrainSpec.of(spec).sources, store.settings.roots)
        return store.catalog.jobs.create(kind, "", spec, request_id)
    if kind is JobKind.DEDUP:
        return dedup.plan(store, DedupSpec.of(spec), request_id=request_id)
    return reencoding.plan(store, ReencodeSpec.of(spec), request_id=request_id)


def _check_roots(sources: Sequence[str], roots: Sequence[str]) -> None:
    """Each source lies in one of the roots, links resolved, for whoever opens it."""
    if not roots:
        raise FailedPrecondition(
            "this service reads no files of its own: set HASHSVC_ROOTS to the folders it may read, or stream the items",
            reason="NO_ROOTS",
        )
    resolved = [Path(root).resolve() for root in roots]
    for position, source in enumerate(sources):
        path = local_path(source)
        if path is None or not any(path.is_relative_to(root) for root in resolved):
            raise PermissionDenied(
                f"source {source!r} lies outside the configured roots: name files of the server by absolute paths",
                field=f"sources[{position}]",
            )


def flows(store: Store) -> dict[JobKind, Flow]:
    """How each kind of job is run over a store."""
    return {
        JobKind.INGEST: partial(_run_ingest, store),
        JobKind.TRAIN: partial(_run_train, store),
        JobKind.DEDUP: partial(dedup.work, store),
        JobKind.REENCODE: partial(reencoding.work, store),
    }


def _run_ingest(store: Store, job: Job, lease: Lease) -> Mapping[str, Any]:
    """Run what is left of an ingest job; the counts of all its units."""
    bench = bench_of(store, job)
    try:
        if not job.units:
            job = ingest.plan_units(store.catalog, job, bench.sources, IngestSpec.of(job.spec), lease.worker)
        return asdict(inline.run(job, bench, lease).counts)
    finally:
        for source in bench.sources:
            source.close()


def _run_train(store: Store, job: Job, lease: Lease) -> Mapping[str, Any]:
    lease.check()
    version = train_encoder(store, TrainSpec.of(job.spec))
    return {"encoder": version.label, "fingerprint": version.spec.fingerprint}


def train_encoder(store: Store, spec: TrainSpec, progress: OnProgress | None = None) -> EncoderVersion:
    """Train on the rows of a spec and register the encoder as the next version of its name."""
    contents, dead = read_contents(spec)
    first = f": {dead[0].source} row {dead[0].row}: {dead[0].reason}" if dead else ""
    if not contents:
        raise InvalidArgument(f"the sources hold no {spec.kind} that can be read{first}", field="sources")
    if dead:
        log.warning("%d rows could not be read and are left out of training%s", len(dead), first)
    return train(
        contents,
        name=spec.name,
        kind=spec.kind,
        bits=spec.bits,
        model=spec.model,
        seed=spec.seed,
        device=store.settings.device,
        folder=store.folders.folder,
        catalog=store.catalog,
        complete=store.folders.share,
        progress=progress,
    )


def read_contents(spec: TrainSpec) -> tuple[list[bytes], list[DeadLetter]]:
    """The contents of a spec's rows, and the rows that could not be read."""
    sources = [
        open_source(location, kind=spec.kind, columns=spec.columns, prefix=prefix)
        for location, prefix in zip(spec.sources, prefixes(spec.sources), strict=True)
    ]
    try:
        for source in sources:
            source.check()
        rows = list(islice(read_all(sources), spec.limit))
    finally:
        for source in sources:
            source.close()
    contents = [row.content for row in rows if isinstance(row, Item) and row.content is not None]
    return contents, [row for row in rows if isinstance(row, DeadLetter)]
