"""Shards on a Ray cluster: an actor a shard keeps its server process running, on whichever node Ray places it.

Ray places and restarts; requests never pass through it. Where each server listens is known from the shard map in SQL,
which the servers write themselves.
"""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from hashsvc.domain.shards import Shard
from hashsvc.errors import Unavailable
from hashsvc.runners.ray import connected

NAMESPACE = "hashsvc"
START_S = 120.0
PAUSE_S = 0.5
MOST_PAUSE_S = 30.0
ANSWER_S = 5.0
DRAIN_S = 90.0
# The server asks Linux (PR_SET_PDEATHSIG) for SIGTERM when its actor dies: a second one would find the shard owned.
TIED = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 15)
os.execv(sys.executable, [sys.executable, "-m", "hashsvc", *sys.argv[1:]])
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A store whose collections are served in parts.

    Args:
        store: folder or database URL, the same on every node.
        ray_address: of the Ray cluster.
        flags: further flags of ``hashsvc serve``.
        resources: what Ray sets aside for each shard, as ``num_cpus``.
    """

    store: str
    ray_address: str
    flags: tuple[str, ...] = ()
    resources: tuple[tuple[str, float], ...] = (("num_cpus", 1.0),)

    @property
    def prefix(self) -> str:
        """What the names of this store's actors begin with."""
        return f"{hashlib.sha256(self.store.encode()).hexdigest()[:12]}/"

    def actor(self, shard: Shard) -> str:
        """Name of the actor that keeps a shard."""
        return f"{self.prefix}{shard.label}"


class Keeper:
    """Runs one server process and starts it again whenever it ends; the address stays as long as the node does."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = list(arguments)
        self._host = _host()
        self._port = _free_port(self._host)
        self._stop = threading.Event()
        self._serving = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._said = ""
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def address(self, patience: float) -> tuple[str, str]:
        """Where it listens, or "" and the last line of the server's errors when it does not within ``patience`` s."""
        return (f"{self._host}:{self._port}", "") if self._serving.wait(patience) else ("", self._said)

    def stop(self) -> None:
        """End the server as SIGTERM does: it drains first."""
        self._stop.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(60)

    def _keep(self) -> None:
        pause = PAUSE_S
        while not self._stop.is_set():
            began = time.monotonic()
            self._run()
            self._serving.clear()
            pause = PAUSE_S if time.monotonic() - began > MOST_PAUSE_S else min(2 * pause, MOST_PAUSE_S)
            self._stop.wait(pause)

    def _run(self) -> None:
        command = [sys.executable, "-c", TIED, "serve", *self._arguments, "--json"]
        command += ["--listen", f"{self._host}:{self._port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            self._process = process
            assert process.stdout is not None
            assert process.stderr is not None
            if process.stdout.readline().startswith("{"):
                self._serving.set()
            for line in process.stderr:
                self._said = line.strip() or self._said


def up(cluster: Cluster, shards: int) -> list[str]:
    """Place a server for each shard and wait until all serve; those that run already stay. Their addresses, in order.

    What was placed here is ended again when one does not serve.

    Raises:
        FailedPrecondition: Ray is not installed.
        Unavailable: no Ray cluster answers, it has no room, or a server does not start.
    """
    with connected(cluster.ray_address, namespace=NAMESPACE) as ray:
        before = set(_names(ray, cluster))
        try:
            keepers = [_placed(ray, cluster, Shard(number, shards)) for number in range(shards)]
            return [_address(ray, keeper, f"{number}/{shards}") for number, keeper in enumerate(keepers)]
        except BaseException:
            _end(ray, [_kept(ray, name) for name in _names(ray, cluster) if name not in before])
            raise


def down(cluster: Cluster) -> int:
    """End every server that was placed for the store, also one that never served; how many."""
    with connected(cluster.ray_address, namespace=NAMESPACE) as ray:
        return _end(ray, [_kept(ray, name) for name in _names(ray, cluster)])


def _address(ray: Any, keeper: Any, shard: str) -> str:
    try:
        address, said = ray.get(keeper.address.remote(START_S), timeout=2 * START_S)
    except ray.exceptions.RayError as error:
        address, said = "", type(error).__name__
    if not address:
        raise Unavailable(f"shard {shard} does not start: {said or 'the cluster has no room for it'}")
    return str(address)


def _end(ray: Any, found: Sequence[Any]) -> int:
    """End keepers, those that run after their servers have drained; how many there were."""
    keepers = [keeper for keeper in found if keeper is not None]
    running = _waited(ray, {keeper.address.remote(0.0): keeper for keeper in keepers}, ANSWER_S)
    _waited(ray, {keeper.stop.remote(): keeper for keeper in running}, DRAIN_S)
    for keeper in keepers:
        ray.kill(keeper, no_restart=True)
    return len(keepers)


def _waited(ray: Any, calls: Mapping[Any, Any], seconds: float) -> list[Any]:
    """The keepers that answered in time."""
    if not calls:
        return []
    answered, _ = ray.wait(list(calls), num_returns=len(calls), timeout=seconds)
    return [calls[call] for call in answered]


def _names(ray: Any, cluster: Cluster) -> list[str]:
    """Names of the store's actors, as Ray knows them."""
    listed = ray.util.list_named_actors(all_namespaces=True)
    names = [str(one["name"]) for one in listed if one["namespace"] == NAMESPACE]
    return [name for name in names if name.startswith(cluster.prefix)]


def _placed(ray: Any, cluster: Cluster, shard: Shard) -> Any:
    # Two threads: one waits for the server, the other hears the word to stop.
    options = {
        "name": cluster.actor(shard),
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
        "max_restarts": -1,
        "max_concurrency": 4,
        "scheduling_strategy": "SPREAD",
        **dict(cluster.resources),
    }
    return (
        ray.remote(Keeper).options(**options).remote(["--store", cluster.store, "--shard", str(shard), *cluster.flags])
    )


def _kept(ray: Any, name: str) -> Any:
    try:
        return ray.get_actor(name, namespace=NAMESPACE)
    except ValueError:
        return None


def _host() -> str:
    import ray

    find: Any = ray.util.get_node_ip_address
    return str(find())


def _free_port(host: str) -> int:
    with closing(socket.socket()) as free:
        free.bind((host, 0))
        return int(free.getsockname()[1])
