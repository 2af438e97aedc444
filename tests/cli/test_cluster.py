"""``hashsvc cluster``: shards on a Ray cluster answer as one store does, say who is missing, and come back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, random_codes, write_codes

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def nodes() -> Iterator[None]:
    """Two Ray nodes on this machine."""
    ray = pytest.importorskip("ray", reason="the extra [ray] is not installed")
    from ray.cluster_utils import Cluster

    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
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


def test_a_cluster_that_is_not_there(hashsvc: Run, codes_store: Path) -> None:
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    said = hashsvc("cluster", "status", "--store", codes_store).out
    assert "0 of 0 shards answer" in said
