"""Options of who works on an ingest job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hashsvc.domain.jobs import Runner
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from hashsvc.app.running import Hands

RunnerName = Annotated[
    Runner | None,
    typer.Option("--runner", help="Who runs the units; by default inline, or processes where several are asked for"),
]
Processes = Annotated[int, typer.Option("--processes", min=1, help="Processes, or Ray actors, that work on the job")]
Helpers = Annotated[
    int,
    typer.Option("--helpers", min=0, help="Processes that decode for each worker; a poisoned file kills only a helper"),
]
Cpus = Annotated[
    float | None, typer.Option("--cpus", min=0, help="Processors, or shares of one, for each Ray actor; by default 1")
]
Gpus = Annotated[float | None, typer.Option("--gpus", min=0, help="Accelerators, or shares of one, for each Ray actor")]
RayAddress = Annotated[
    str | None,
    typer.Option("--ray-address", metavar="HOST:PORT", help="Ray cluster to run on; without it Ray runs here only"),
]


def hands_of(
    runner: Runner | None,
    processes: int,
    helpers: int,
    ray_address: str | None,
    *,
    cpus: float | None = None,
    gpus: float | None = None,
) -> Hands:
    """Who works; InvalidArgument when the options do not go together."""
    from hashsvc.app.running import Hands

    if runner is None:
        runner = Runner.RAY if ray_address else Runner.PROCESSES if processes > 1 else Runner.INLINE
    if ray_address and runner is not Runner.RAY:
        raise InvalidArgument(
            f"the {runner} runner needs no Ray cluster: leave out one of the two", field="--ray-address"
        )
    return Hands(runner, processes, helpers, cpus=cpus, gpus=gpus, ray_address=ray_address or "local")
