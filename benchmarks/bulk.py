"""The claim: a bulk job runs nearly as fast as the slowest of its parts, and loses nothing when its processes die.

Reader, encoder (decoding in helper processes, then the network) and store (bytes on disk, then one transaction a unit)
are each measured alone on the first units, in the same run, with the cores they have in the pipeline; then the whole
job runs. With --kills, a second job runs in two processes of which one is killed at random that many times; with
--node-kills, others run on one, two and three Ray nodes, one of which is killed that often. Example:

    python benchmarks/bulk.py --texts 200000 --images 70000 --kills 20 --json
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import re
import resource
import signal
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from hashsvc import ingest
from hashsvc.catalog import Catalog, migrate, open_catalog
from hashsvc.content import Blobs
from hashsvc.domain.collections import Collection
from hashsvc.domain.encoders import EncoderVersion
from hashsvc.domain.jobs import Job
from hashsvc.domain.kinds import ContentMode, Kind
from hashsvc.encoders import Encoder, fit, load, save
from hashsvc.ingest import Bench, IngestSpec
from hashsvc.ingest.helpers import Helpers
from hashsvc.ingest.line import Clock
from hashsvc.ingest.unit import Batch, compare, encoded, kept, read, store
from hashsvc.runners import inline, processes
from hashsvc.runners import ray as runners_ray
from hashsvc.runners.lease import Lease
from hashsvc.runners.progress import Progress

ALONE_UNITS = 10
SHARD = 10_000
ROWS, NODE_ROWS = 1_500, 15_000  # of ready codes for each kill: a new node takes seconds, the others go on meanwhile
NAME = "bulk"
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Store:
    """A scratch store: catalog, blobs, one collection."""

    folder: Path
    catalog: Catalog
    collection: Collection

    def bench(self, spec: IngestSpec, encoder: Encoder | None) -> Bench:
        """What a job in this store is worked with."""
        return Bench(
            self.catalog, Blobs(str(self.folder / "blobs")), self.collection, encoder, spec.open(self.collection)
        )


def new_store(folder: Path, collection: Collection, encoder: Encoder | None) -> Store:
    """A fresh store with one empty collection."""
    folder.mkdir(parents=True)
    url = f"sqlite:///{folder / 'catalog.sqlite3'}"
    migrate(url)
    catalog = open_catalog(url)
    if encoder is not None:
        version = EncoderVersion(NAME, 0, encoder.spec, encoder.model, "", datetime.now(UTC))
        catalog.encoders.register(version)
    catalog.collections.create(collection)
    return Store(folder, catalog, catalog.collections.get(collection.name))


def paragraphs(count: int) -> list[bytes]:
    """Paragraphs of the 20 Newsgroups posts; beyond their number, two halves of different ones put together."""
    data = datasets.newsgroups()
    found = [
        part.strip()
        for post in (*data.contents, *data.queries)
        for part in re.split(rb"\n\s*\n", post)
        if len(part.strip()) >= 20
    ]
    rng = random.Random(0)
    while len(found) < count:
        left, right = rng.choice(found), rng.choice(found)
        found.append(_half(left, first=True) + b" " + _half(right, first=False))
    return found[:count]


def _half(text: bytes, *, first: bool) -> bytes:
    words = text.split()
    middle = (len(words) + 1) // 2
    return b" ".join(words[:middle] if first else words[middle:])


def write_texts(contents: Sequence[bytes], folder: Path) -> str:
    """One .jsonl."""
    path = folder / "texts.jsonl"
    with path.open("w", encoding="utf-8") as out:
        for number, content in enumerate(contents):
            out.write(json.dumps({"id": f"t{number}", "text": content.decode()}) + "\n")
    return str(path)


def write_images(contents: Sequence[bytes], folder: Path) -> str:
    """Tar shards."""
    shards = folder / "shards"
    shards.mkdir()
    for start in range(0, len(contents), SHARD):
        with tarfile.open(shards / f"{start // SHARD:05}.tar", "w") as tar:
            for number, content in enumerate(contents[start : start + SHARD], start):
                info = tarfile.TarInfo(f"{number:07}.png")
                info.size = len(content)
                tar.addfile(info, BytesIO(content))
    return str(shards)


def measure(kind: Kind, contents: Sequence[bytes], folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Each part alone, then the whole job."""
    source = write_texts(contents, folder) if kind is Kind.TEXT else write_images(contents, folder)
    encoder = fit(contents[:: max(1, len(contents) // 4000)], kind=kind, bits=64, model=options.model).encoder
    save(encoder, folder / "encoder")
    collection = Collection(
        NAME, kind, 64, encoder=f"{NAME}@1", fingerprint=encoder.spec.fingerprint, content=ContentMode(options.content)
    )
    spec = IngestSpec((source,), rows=options.rows)
    with Helpers(partial(load, folder / "encoder"), options.helpers) as helpers:
        alone = measure_alone(new_store(folder / "alone", collection, encoder), spec, encoder, helpers)
        before = resident()
        clocks: dict[str, Clock] = {}
        target = new_store(folder / "whole", collection, encoder)
        began = time.perf_counter()
        job = run_job(target, spec, encoder, helpers, clocks)
        seconds = time.perf_counter() - began
    assert job.counts.read == len(contents) == job.counts.stored + job.counts.unchanged + job.counts.dead
    rate = job.counts.read / seconds
    slowest = min(alone, key=lambda part: alone[part])
    decode = clocks["decode"]
    waiting = decode.starved + decode.blocked
    return {
        "items": target.catalog.items.count(target.collection),
        "dead": job.counts.dead,
        "seconds": round(seconds, 1),
        "items_per_s": round(rate),
        "limit_ratio": round(rate / alone[slowest], 3),
        "slowest": slowest,
        "alone_per_s": {part: round(value) for part, value in alone.items()},
        "encoder_waits": round(waiting / (waiting + decode.busy), 3),
        "peak_mib_above_encoder": round(max(0.0, resident(peak=True) - before)),
    }


def measure_alone(scratch: Store, spec: IngestSpec, encoder: Encoder, helpers: Helpers) -> dict[str, float]:
    """Rows a second of reader, encoder and store, one after the other over the same first units."""
    job = ingest.plan(scratch.catalog, scratch.collection, spec)
    bench = scratch.bench(spec, encoder)
    units = scratch.catalog.jobs.units(job)[:ALONE_UNITS]
    seconds: dict[str, float] = {}
    began = time.perf_counter()
    batches = [compare(bench, read(bench, unit)) for unit in units]
    seconds["reader"] = time.perf_counter() - began
    began = time.perf_counter()
    for batch in batches:
        encode(bench, batch, helpers)
    seconds["encoder"] = time.perf_counter() - began
    began = time.perf_counter()
    rows = sum(store(bench, kept(bench, batch)).read for batch in batches)
    seconds["store"] = time.perf_counter() - began
    return {part: rows / value for part, value in seconds.items()}


def encode(bench: Bench, batch: Batch, helpers: Helpers) -> None:
    """Decode in helpers, then encode, as the pipeline does."""
    assert batch.checked is not None
    batch.decoded = helpers.decode(list(batch.checked.contents.values()))
    encoded(bench, batch)


def run_job(target: Store, spec: IngestSpec, encoder: Encoder, helpers: Helpers, clocks: dict[str, Clock]) -> Job:
    """Plan a job and run it here."""
    ingest.plan(target.catalog, target.collection, spec)
    job = target.catalog.leases.claim(NAME, 60)
    assert job is not None
    with Lease(target.catalog, job.id, NAME) as lease:
        job = inline.run(job, target.bench(spec, encoder), lease, decode=helpers.decode, clocks=clocks)
    return target.catalog.leases.finish(job, NAME, {})


def resident(*, peak: bool = False) -> float:
    """MiB of this process: now, or at most so far."""
    if peak:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def open_codes(folder: Path, spec: dict[str, Any]) -> Bench:
    """A bench for ready codes, in another process."""
    catalog = open_catalog(f"sqlite:///{folder / 'catalog.sqlite3'}")
    held = catalog.collections.get(NAME)
    return Bench(catalog, Blobs(str(folder / "blobs")), held, None, IngestSpec.of(spec).open(held))


@dataclass(frozen=True, slots=True)
class Crew:
    """Who runs a job of ready codes, and how one of them is killed.

    Args:
        run: ``(job, catalog, open_bench, lease, progress=) -> job``; progress is told in the calling thread.
        strike: kills one at random; whether there was one.
    """

    run: Callable[..., Job]
    strike: Callable[[random.Random], bool]


def measure_kills(kills: int, folder: Path, crew: Crew, rows: int) -> dict[str, Any]:
    """A job whose crew loses one again and again, against the same job undisturbed."""
    np.save(folder / "codes.npy", np.random.default_rng(0).integers(0, 256, (rows, 8), dtype=np.uint8))
    spec = IngestSpec((str(folder / "codes.npy"),), rows=50)
    collection = Collection(NAME, Kind.CODE, 64, content=ContentMode.NONE)
    killed, calm = (new_store(folder / name, collection, None) for name in ("killed", "calm"))
    job = ingest.plan(killed.catalog, killed.collection, spec)
    rng, done = random.Random(0), 0
    due = rng.randint(1, 30)

    def kill(at: Progress) -> None:
        nonlocal due, done
        if done < kills and at.done >= due and crew.strike(rng):
            done, due = done + 1, at.done + rng.randint(1, 30)

    killed.catalog.leases.claim(NAME, 60)
    with Lease(killed.catalog, job.id, NAME) as lease:
        opened = partial(open_codes, killed.folder, spec.as_json())
        job = crew.run(job, killed.catalog, opened, lease, progress=kill)
        again = crew.run(job, killed.catalog, opened, lease)
    plain = ingest.plan(calm.catalog, calm.collection, spec)
    for one in calm.catalog.jobs.units(plain):
        ingest.run_unit(calm.bench(spec, None), one)
    return {
        "kills": done,
        "equal": killed.catalog.items.digest(killed.collection) == calm.catalog.items.digest(calm.collection),
        "lost": rows - killed.catalog.items.count(killed.collection),
        "doubled": killed.catalog.collections.get(NAME).watermark - rows,
        "units_of_second_run": again.units_done - job.units_done,
    }


def two_processes() -> Crew:
    """Two worker processes of this machine."""

    def strike(rng: random.Random) -> bool:
        if not (victims := list(members())):
            return False
        os.kill(rng.choice(victims), signal.SIGKILL)
        return True

    return Crew(partial(processes.run, count=2), strike)


@contextmanager
def ray_nodes(count: int) -> Iterator[Crew]:
    """An actor on each of ``count`` Ray nodes; a node that is killed is replaced by a new one. The head stays."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    others = [cluster.add_node(num_cpus=1) for _ in range(count - 1)]
    path = os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])
    ray.init(address=cluster.address, runtime_env={"env_vars": {"PYTHONPATH": path}}, log_to_driver=False)

    def strike(rng: random.Random) -> bool:
        cluster.remove_node(others.pop(rng.randrange(len(others))), allow_graceful=False)
        others.append(cluster.add_node(num_cpus=1))
        return True

    try:
        yield Crew(partial(runners_ray.run, count=count), strike)
    finally:
        ray.shutdown()
        cluster.shutdown()  # type: ignore[no-untyped-call]


def measure_nodes(kills: int) -> dict[str, Any]:
    """The same job on one, two and three Ray nodes, and on three of which one is killed again and again."""
    found: dict[str, Any] = {}
    for count, struck in ((1, 0), (2, 0), (3, 0), (3, kills)):
        with ray_nodes(count) as crew, scratch() as folder:
            found[f"{count} nodes" + (", killed" if struck else "")] = measure_kills(
                struck, folder, crew, max(ROWS, NODE_ROWS * struck)
            )
    return found


def members() -> Iterator[int]:
    """Process ids of the processes at work."""
    return (child.pid for child in multiprocessing.active_children() if "#" in child.name and child.pid)


def main() -> None:
    """Measure, and print one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=200_000)
    parser.add_argument("--images", type=int, default=70_000)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--node-kills", type=int, default=0, help="the same on Ray nodes, which needs hashsvc[ray]")
    parser.add_argument("--rows", type=int, default=2048, help="rows of a unit")
    parser.add_argument("--helpers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--model", default="itq")
    parser.add_argument("--content", default=str(ContentMode.BYTES), choices=[str(mode) for mode in ContentMode])
    parser.add_argument("--json", action="store_true", help="print nothing but the last line")
    options = parser.parse_args()
    result: dict[str, Any] = {}
    for name, kind, count in (("texts", Kind.TEXT, options.texts), ("images", Kind.IMAGE, options.images)):
        if not count:
            continue
        try:
            contents = paragraphs(count) if kind is Kind.TEXT else pictures(count)
        except datasets.Absent as absent:
            print(f"skipped {name}: {absent}", file=sys.stderr)
            continue
        with scratch() as folder:
            result[name] = measure(kind, contents, folder, options)
            if not options.json:
                print(f"{name}: {result[name]}", file=sys.stderr)
    if options.kills:
        with scratch() as folder:
            result["killed"] = measure_kills(options.kills, folder, two_processes(), ROWS * options.kills)
    if options.node_kills:
        result["ray"] = measure_nodes(options.node_kills)
    print(json.dumps(result))


def pictures(count: int) -> list[bytes]:
    """MNIST, both sides."""
    data = datasets.mnist()
    return [*data.contents, *data.queries][:count]


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for the time of a ``with`` block."""
    with tempfile.TemporaryDirectory(prefix="hashsvc-bulk-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


if __name__ == "__main__":
    main()
