"""``hashsvc cluster``: the collections of a store served in parts on a Ray cluster: up, status, down."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from hashsvc.cli import options
from hashsvc.cli.access import connect
from hashsvc.cli.doors import local_store
from hashsvc.cli.screen import show, table
from hashsvc.errors import FailedPrecondition, HashsvcError
from hashsvc.settings import Settings

if TYPE_CHECKING:
    from hashsvc.domain.shards import Placement
    from hashsvc.runners.placing import Cluster

ANSWER_S = 5.0
verbs = typer.Typer(no_args_is_help=True, help="Collections in parts, each served by a process on a Ray cluster.")

RayAddress = Annotated[
    str, typer.Option("--ray-address", metavar="HOST:PORT", envvar="RAY_ADDRESS", help="The Ray cluster; auto finds it")
]


@dataclass(frozen=True, slots=True)
class Standing:
    """One shard: where its server was last started, and whether it answers."""

    shard: str
    address: str
    host: str
    process: int
    answers: bool


def register(tree: typer.Typer) -> None:
    """Add the verbs to the program."""
    tree.add_typer(verbs, name="cluster")


@verbs.command("up")
def bring_up(
    *,
    shards: Annotated[int, typer.Option("--shards", min=1, max=4096, help="Parts that every collection is split into")],
    ray_address: RayAddress = "auto",
    processors: Annotated[
        float, typer.Option("--cpus", min=0.0, help="Processors that Ray sets aside for a shard")
    ] = 1.0,
    anyone: Annotated[bool, typer.Option("--anyone", help="Serve beyond each machine and ask for nothing")] = False,
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """Place a server for each shard; Ray starts it again when its process or node dies.

    Every node must reach the store under its name. Which server holds what is written into the store; shards that
    run already stay as they are.
    """
    from hashsvc.runners import placing

    with local_store(store, role="worker") as held:
        running = {placed.shard.of for placed in held.catalog.shards.list()} - {shards}
        if running:
            raise FailedPrecondition(
                f"the store is served in {min(running)} shards: `hashsvc cluster down` first", field="--shards"
            )
        flags = ("--anyone",) if anyone else ()
        cluster = _cluster(store, ray_address, flags=flags, processors=processors)
        placing.up(cluster, shards)
        standing = _standing(held.catalog.shards.list())
    _show(standing, json=json)


@verbs.command("status")
def status(*, store: options.Store = None, json: options.Json = False) -> None:
    """Each shard of the map: where its server was last started, and whether it answers now."""
    with local_store(store, role="worker") as held:
        standing = _standing(held.catalog.shards.list())
    _show(standing, json=json)


@verbs.command("down")
def take_down(*, ray_address: RayAddress = "auto", store: options.Store = None, json: options.Json = False) -> None:
    """End every server that ``up`` placed, and forget the map; the store itself stays as it is."""
    from hashsvc.runners import placing

    with local_store(store, role="worker") as held:
        ended = placing.down(_cluster(store, ray_address))
        held.catalog.shards.clear()
    show({"ended": ended}, f"{ended} shards ended", json=json)


def _cluster(store: str | None, ray_address: str, *, flags: tuple[str, ...] = (), processors: float = 1.0) -> Cluster:
    from pathlib import Path

    from hashsvc.runners.placing import Cluster

    location = store or Settings.read().store
    where = location if "://" in location else str(Path(location).expanduser().resolve())
    return Cluster(where, ray_address, flags, (("num_cpus", processors),))


def _standing(placed: Sequence[Placement]) -> list[Standing]:
    with ThreadPoolExecutor(max(1, min(32, len(placed)))) as pool:
        answering = pool.map(_answers, [one.address for one in placed])
        return [
            Standing(str(one.shard), one.address, one.host, one.process, answers)
            for one, answers in zip(placed, answering, strict=True)
        ]


def _answers(address: str) -> bool:
    client = connect(address)
    client.timeout = ANSWER_S
    try:
        client.collections()
    except HashsvcError:
        return False
    finally:
        client.close()
    return True


def _show(standing: Sequence[Standing], *, json: bool) -> None:
    answering = sum(one.answers for one in standing)
    server = ",".join(one.address for one in standing)
    rows = [(one.shard, one.address, one.host, one.process, one.answers) for one in standing]
    show(
        {"shards": list(standing), "answering": answering, "server": server},
        table(("shard", "address", "host", "process", "answers"), rows),
        f"{answering} of {len(standing)} shards answer" + (f"; ask them with --server {server}" if standing else ""),
        json=json,
    )
