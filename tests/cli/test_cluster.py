"""``hashsvc cluster``: shards on a Ray cluster answer as one store does, say who is missing, and come back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hashsvc.domain.shards import Shard
from hashsvc.errors import Unavailable
from hashsvc.runners import placing
from hashsvc.runners.placing import NAMESPACE, Cluster
from tests.cli.conftest import Run, random_codes, write_codes

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def nodes() -> Iterator[None]:
    """Two Ray nodes on this machine."""
    ray = pytest.importorskip("ray", reason="the extra [ray] is not installed")
    from ray.cluster_utils import Cluster as Nodes

    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    made = Nodes(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    made.add_node(num_cpus=2)
    ray.init(address=made.address, log_to_driver=False)
    yield
    ray.shutdown()
    made.shutdown()  # type: ignore[no-untyped-call]


def eventually(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.2)


def test_shards_are_placed_found_lost_restarted_and_ended(hashsvc: Run, nodes: None) -> None:
    write_codes(Path("codes.jsonl"), [code.tobytes() for code in random_codes(200)])
    assert hashsvc("ingest", "codes", "codes.jsonl", "--bits", 64, "--store", "s").status == 0
    up = hashsvc("cluster", "up", "--shards", 2, "--anyone", "--store", "s", "--json").document
    assert (up["answering"], [shard["shard"] for shard in up["shards"]]) == (2, ["0/2", "1/2"])
    server = up["server"]

    def ask(*where: str) -> Any:
        found = hashsvc("search", "codes", "--key", "k7", "-k", 50, *where, "--json")
        return found.document["answers"][0], found.err

    whole, _ = ask("--store", "s")
    merged, said = ask("--server", server)
    assert (merged["matches"], merged["complete"], said) == (whole["matches"], True, "")
    assert "name one server" in hashsvc("items", "count", "codes", "--server", server).error
    assert "down` first" in hashsvc("cluster", "up", "--shards", 3, "--store", "s").error

    lost = next(shard for shard in up["shards"] if shard["shard"] == "0/2")
    os.kill(lost["process"], signal.SIGKILL)

    def back() -> bool:
        status = hashsvc("cluster", "status", "--store", "s", "--json").document
        processes = [shard["process"] for shard in status["shards"]]
        return bool(status["answering"] == 2 and lost["process"] not in processes)

    eventually(back)
    assert hashsvc("cluster", "status", "--store", "s", "--json").document["server"] == server, "at the same addresses"
    assert ask("--server", server)[0]["matches"] == whole["matches"]

    assert hashsvc("cluster", "down", "--store", "s", "--json").document == {"ended": 2}
    assert hashsvc("cluster", "status", "--store", "s", "--json").document["shards"] == []
    assert "127.0.0.1" in server or hashsvc("search", "codes", "--key", "k7", "--server", server).status == 2


def actors() -> list[str]:
    import ray

    return [one["name"] for one in ray.util.list_named_actors(all_namespaces=True) if one["namespace"] == NAMESPACE]


def test_what_an_up_that_fails_has_placed_does_not_stay(
    hashsvc: Run, nodes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_codes(Path("codes.jsonl"), [code.tobytes() for code in random_codes(20)])
    assert hashsvc("ingest", "codes", "codes.jsonl", "--bits", 64, "--store", "s").status == 0
    assert hashsvc("cluster", "up", "--shards", 1, "--cpus", 0, "--anyone", "--store", "s").status == 0
    before = actors()
    assert len(before) == 1
    monkeypatch.setattr(placing, "START_S", 1.0)
    cluster = Cluster(str(Path("s").resolve()), "auto", (), (("num_cpus", 2.0),))
    with pytest.raises(Unavailable, match="does not start"):
        placing.up(cluster, 3)
    eventually(lambda: actors() == before)
    assert hashsvc("cluster", "down", "--store", "s", "--json").document == {"ended": 1}
    eventually(lambda: actors() == [])


def test_down_ends_what_is_in_no_map(hashsvc: Run, nodes: None) -> None:
    import ray

    assert hashsvc("collections", "create", "codes", "--bits", 64, "--store", "s").status == 0
    other = Cluster("elsewhere", "auto", (), (("num_cpus", 0.0),))
    mine = Cluster(str(Path("s").resolve()), "auto", ("--no-such-flag",), (("num_cpus", 0.0),))
    for cluster in (mine, other):
        placing._placed(ray, cluster, Shard(0, 1))
    assert hashsvc("cluster", "down", "--store", "s", "--json").document == {"ended": 1}
    eventually(lambda: actors() == [other.actor(Shard(0, 1))])
    assert placing.down(other) == 1
    eventually(lambda: actors() == [])


def test_a_cluster_that_is_not_there(hashsvc: Run, codes_store: Path) -> None:
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    said = hashsvc("cluster", "status", "--store", codes_store).out
    assert "0 of 0 shards answer" in said
