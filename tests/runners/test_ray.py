"""The Ray runner on several nodes of one machine: what it stores is what the inline runner stores, whoever dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hashsvc import ingest
from hashsvc.domain.collections import Collection
from hashsvc.domain.jobs import Counts
from hashsvc.domain.kinds import ContentMode, Kind
from hashsvc.errors import FailedPrecondition
from hashsvc.ingest import Bench, IngestSpec
from hashsvc.runners import ray as runner
from hashsvc.runners.lease import Lease
from hashsvc.runners.progress import Progress
from tests.ingest.workplace import Workplace, workplace
from tests.runners.openers import open_codes

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head node and two more; logical processors, so that it starts on any machine."""
    ray = pytest.importorskip("ray", reason="the extra [ray] is not installed")
    from ray.cluster_utils import Cluster

    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    more = [nodes.add_node(num_cpus=2) for _ in range(2)]
    ray.init(address=nodes.address, runtime_env={"env_vars": {"PYTHONPATH": path}}, log_to_driver=False)
    yield nodes, more
    ray.shutdown()
    nodes.shutdown()  # type: ignore[no-untyped-call]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    with workplace(tmp_path) as made:
        made.catalog.collections.create(Collection("codes", Kind.CODE, 64, content=ContentMode.NONE))
        yield made


def plan(place: Workplace, source: Path) -> tuple[Collection, IngestSpec]:
    spec = IngestSpec((str(source),), rows=25)
    held = place.catalog.collections.get("codes")
    ingest.plan(place.catalog, held, spec)
    return held, spec


def write_codes(folder: Path, count: int) -> Path:
    np.save(folder / "codes.npy", np.random.default_rng(2).integers(0, 256, (count, 8), dtype=np.uint8))
    return folder / "codes.npy"


def run(place: Workplace, spec: IngestSpec, count: int, progress: Any = None) -> Counts:
    job = place.catalog.leases.claim("me", 60)
    assert job is not None
    opened = partial(open_codes, place.folder, spec.as_json())
    with Lease(place.catalog, job.id, "me") as lease:
        return runner.run(job, place.catalog, opened, lease, count=count, progress=progress).counts


def undisturbed(folder: Path, source: Path) -> str:
    with workplace(folder) as other:
        other.catalog.collections.create(Collection("codes", Kind.CODE, 64, content=ContentMode.NONE))
        held, spec = plan(other, source)
        bench = Bench(other.catalog, other.blobs, held, None, spec.open(held))
        for unit in reversed(other.catalog.jobs.units(1)):
            ingest.run_unit(bench, unit)
        return other.catalog.items.digest(held)


def test_without_a_cluster_it_says_what_to_do(place: Workplace) -> None:
    ray = pytest.importorskip("ray", reason="the extra [ray] is not installed")
    assert not ray.is_initialized()
    _, spec = plan(place, write_codes(place.folder, 10))
    with pytest.raises(FailedPrecondition, match=r"ray\.init"):
        run(place, spec, 1)


@pytest.mark.parametrize("count", [1, 3])
def test_actors_store_what_one_process_stores(cluster: Any, place: Workplace, tmp_path: Path, count: int) -> None:
    source = write_codes(place.folder, 1000)
    held, spec = plan(place, source)
    assert run(place, spec, count) == Counts(1000, 1000, 0, 0)
    assert place.catalog.items.digest(held) == undisturbed(tmp_path / "other", source)


def test_a_node_that_goes_away_costs_nothing(cluster: Any, place: Workplace, tmp_path: Path) -> None:
    source = write_codes(place.folder, 6000)
    held, spec = plan(place, source)
    gone: list[int] = []
    nodes, more = cluster

    def pull_the_plug(progress: Progress) -> None:
        if progress.done >= 20 and not gone:
            gone.append(progress.done)
            nodes.remove_node(more[-1], allow_graceful=False)

    assert run(place, spec, 3, pull_the_plug) == Counts(6000, 6000, 0, 0)
    assert gone
    assert place.catalog.items.digest(held) == undisturbed(tmp_path / "other", source)
    assert place.catalog.collections.get("codes").watermark == 6000, "no row was written twice"
