"""Bulk ingest over a store, by this process, by several or on a Ray cluster; the retry of its dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hashsvc import ingest
from hashsvc.app.running import Hands, run_now, share_out
from hashsvc.domain.jobs import Job, Runner
from hashsvc.ingest import Bench, IngestSpec, Preview
from hashsvc.ingest.helpers import MEMORY, Decoder, Helpers
from hashsvc.runners import inline

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hashsvc.app.layout import Layout
    from hashsvc.app.store import Store
    from hashsvc.readers import Columns
    from hashsvc.runners.lease import Lease
    from hashsvc.runners.progress import OnProgress
    from hashsvc.settings import Settings


def ingest_sources(
    store: Store,
    collection: str,
    sources: Sequence[str],
    *,
    columns: Columns | None = None,
    limit: int | None = None,
    hands: Hands | None = None,
    progress: OnProgress | None = None,
) -> Job:
    """Ingest sources as a job run now, on this machine; an unfinished job that was asked the same is gone on with.

    Raises:
        NotFound: the collection, or a source.
        InvalidArgument: a source is of no known format, or has not the columns that were asked for.
        HashsvcError: what stopped the job, which is then settled as failed.
    """
    spec = _spec(sources, columns, limit)
    return run(store, ingest.plan(store.catalog, store.collection(collection), spec), hands, progress)


def preview(
    store: Store, collection: str, sources: Sequence[str], *, columns: Columns | None = None, limit: int | None = None
) -> Preview:
    """What :func:`ingest_sources` would do: the units it would plan, and its first rows. Nothing is stored."""
    return ingest.preview(store.collection(collection), _spec(sources, columns, limit))


def retry(store: Store, number: int, hands: Hands | None = None, progress: OnProgress | None = None) -> Job:
    """Read the dead letters of a job again, in the same job, after their files were mended.

    Raises:
        FailedPrecondition: the job still runs, has no dead letters, or a file they name is gone.
    """
    job = store.job(number)
    return run(store, ingest.plan_again(store.catalog, store.collection(job.collection), job), hands, progress)


def run(store: Store, job: Job, hands: Hands | None = None, progress: OnProgress | None = None) -> Job:
    """Run what is left of a planned ingest job, now; returns it as it ended.

    Raises:
        FailedPrecondition: another worker has it.
        HashsvcError: what stopped it; the job is then settled as failed, or as cancelled.
        KeyboardInterrupt: the job is then left as it is, and may be gone on with.
    """
    return run_now(store.catalog, job, lambda lease: asdict(_run(store, job, hands or Hands(), lease, progress).counts))


def _run(store: Store, job: Job, hands: Hands, lease: Lease, progress: OnProgress | None) -> Job:
    if hands.runner is Runner.INLINE:
        return _run_inline(store, job, hands, lease, progress)
    opened = partial(open_bench, store.layout, store.settings, job.id, hands.helpers, hands.memory)
    return share_out(job, store.catalog, opened, lease, hands=hands, progress=progress)


def _run_inline(store: Store, job: Job, hands: Hands, lease: Lease, progress: OnProgress | None) -> Job:
    bench = bench_of(store, job)
    try:
        with _decoding(store, bench, hands) as helpers:
            return inline.run(job, bench, lease, progress=progress, decode=helpers.decode if helpers else None)
    finally:
        for source in bench.sources:
            source.close()


@contextmanager
def _decoding(store: Store, bench: Bench, hands: Hands) -> Iterator[Helpers | None]:
    if not hands.helpers or bench.encoder is None:
        yield None
        return
    folder = store.folders.path(bench.collection.fingerprint)
    with Helpers(partial(_open_decoder, folder), hands.helpers, memory=hands.memory) as helpers:
        yield helpers


def _open_decoder(folder: Path) -> Decoder:
    from hashsvc.encoders import load  # in the helper, where torch is not loaded yet

    return load(folder)


def bench_of(store: Store, job: Job) -> Bench:
    """What the units of an ingest job are worked with."""
    collection = store.collection(job.collection)
    most = store.limits.content_bytes(collection.kind)
    sources = IngestSpec.of(job.spec).open(collection, max_bytes=most)
    return Bench(store.catalog, store.blobs, collection, store.writing_encoder(collection), sources)


def open_bench(layout: Layout, settings: Settings, number: int, helpers: int = 0, memory: int = MEMORY) -> Bench:
    """The bench of a job in a process of its own, which stands beside the owner of the store as a worker.

    Its helpers, if there are any, end with the process.
    """
    from hashsvc.app.store import Store

    store = Store(layout, settings, role="worker", address="", eager=False)
    bench = bench_of(store, store.job(number))
    if not helpers or bench.encoder is None:
        return bench
    folder = store.folders.path(bench.collection.fingerprint)
    return replace(bench, decode=Helpers(partial(_open_decoder, folder), helpers, memory=memory).decode)


def _spec(sources: Sequence[str], columns: Columns | None, limit: int | None) -> IngestSpec:
    from hashsvc.readers import Columns as Choice

    return IngestSpec(tuple(sources), columns or Choice(), limit)
