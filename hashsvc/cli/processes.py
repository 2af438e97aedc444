"""``hashsvc serve``, ``work`` and ``migrate``: the processes of an installation."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hashsvc.cli import access, options
from hashsvc.cli.doors import local_store
from hashsvc.cli.logs import speak_as
from hashsvc.cli.screen import show, tell
from hashsvc.domain.shards import Shard
from hashsvc.errors import Fenced, HashsvcError, InvalidArgument
from hashsvc.settings import Settings

if TYPE_CHECKING:
    from hashsvc.app import Store
    from hashsvc.server import Server

UPKEEP_SECONDS = 0.25  # how far a server may lag behind what workers commit
log = logging.getLogger(__name__)

Listen = Annotated[
    str | None,
    typer.Option("--listen", metavar="HOST:PORT", help="Address, port 0 for a free one (or HASHSVC_LISTEN)"),
]
MetricsAt = Annotated[
    str | None,
    typer.Option("--metrics", envvar="HASHSVC_METRICS", metavar="HOST:PORT", help="Address of metrics for Prometheus"),
]

Traces = Annotated[
    bool, typer.Option("--traces", envvar="HASHSVC_TRACES", help="Spans for the OpenTelemetry that is set up here")
]
Replica = Annotated[bool, typer.Option("--replica", help="Only read: follow what the owner and the workers write")]
ShardOf = Annotated[
    str | None, typer.Option("--shard", metavar="N/OF", help="Only read, and this part only: 0/4 is the first of four")
]


def register(tree: typer.Typer) -> None:
    """Add the verbs to the program."""
    tree.command("serve")(serve)
    tree.command("work")(work)
    tree.command("migrate")(migrate)


def serve(
    *,
    listen: Listen = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Threads that search")] = None,
    tokens: access.TokenFile = None,
    certificate: access.Certificate = None,
    key: access.Key = None,
    clients: access.Clients = None,
    anyone: access.Anyone = False,
    metrics: MetricsAt = None,
    traces: Traces = False,
    replica: Replica = False,
    shard: ShardOf = None,
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """Own the store and answer gRPC calls until SIGTERM or Ctrl-C; then drain and stop.

    With --replica or --shard it owns nothing and only reads: any number may stand beside the owner. A shard enters
    its address into the shard map of the store.

    Says where it listens as soon as it serves; with --json as {"listening": "HOST:PORT"}.
    """
    from hashsvc.server import Tokens, trace
    from hashsvc.server import serve as start

    settings = Settings.read()
    _speak(settings)
    if traces:
        trace()
    address = _with_port(listen or settings.listen)
    with (
        stopping() as stop,
        _warmed(store, address, settings, replica=replica, shard=Shard.parse(shard) if shard else None) as held,
        start(
            held,
            address,
            threads=threads or settings.threads,
            limits=settings.limits,
            tokens=Tokens.read(tokens) if tokens else None,
            tls=access.server_tls(certificate, key, clients),
            anyone=anyone,
        ) as server,
        _metrics(server, metrics, anyone=anyone),
    ):
        if shard:
            held.catalog.shards.place(Shard.parse(shard), server.address, socket.gethostname(), os.getpid())
        show({"listening": server.address}, f"serving at {server.address}", json=json)
        while not stop.wait(UPKEEP_SECONDS):
            _tried(held.upkeep)
        tell("hashsvc: stopping")
        server.drain()


@contextmanager
def _metrics(server: Server, listen: str | None, *, anyone: bool) -> Iterator[None]:
    """Metrics for Prometheus at http://HOST:PORT/metrics, where an address is given."""
    from hashsvc.server import Page

    page = Page(server.metrics, listen, anyone=anyone) if listen else None
    try:
        yield
    finally:
        if page:
            page.close()


@contextmanager
def _warmed(
    store: str | None, address: str, settings: Settings, *, replica: bool, shard: Shard | None
) -> Iterator[Store]:
    """The store with everything loaded, and the search kernel compiled, before the first call comes."""
    from hashsvc.index import warm
    from hashsvc.server import settle_process

    warm(settings.kernel_cache)
    reads = replica or shard is not None
    role: Literal["owner", "replica"] = "replica" if reads else "owner"
    with local_store(store, role=role, create=not reads, address=address, eager=False, shard=shard) as held:
        _tried(held.warm)
        settle_process()
        yield held


def _tried(work: Callable[[], None]) -> None:
    """Do what a server can live without for a while: a damaged encoder or a database away costs nobody else a call."""
    try:
        work()
    except Fenced:
        raise  # another owner serves: answers from here would be of yesterday
    except HashsvcError as error:
        log.warning("put off: %s", error.message)
    except OSError as error:
        log.warning("put off: %s", error)


def work(
    *,
    once: Annotated[bool, typer.Option("--once", help="Return when no job waits")] = False,
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """Claim and run jobs until SIGTERM or Ctrl-C; the unit in hand is finished first. Run as many as you like."""
    from hashsvc import worker
    from hashsvc.app.work import flows

    _speak(Settings.read())
    with stopping() as stop, local_store(store, role="worker") as held:
        done = worker.run(held.catalog, flows(held), once=once, stop=stop)
    show({"jobs": done}, f"{done:,} jobs run", json=json)


def migrate(
    *,
    phase: Annotated[
        Literal["pre", "post"],
        typer.Option("--phase", help="pre: only what may run while the older version still serves; post: everything"),
    ] = "post",
    store: options.Store = None,
    json: options.Json = False,
) -> None:
    """Bring the schema of the store up to date; a store that does not exist yet is made."""
    from hashsvc.app.layout import Layout
    from hashsvc.catalog import migrate as bring_up_to_date

    settings = Settings.read()
    location = store or settings.store
    layout = Layout.of(location, settings.folder)
    layout.folder.mkdir(parents=True, exist_ok=True)
    revision = bring_up_to_date(layout.database, phase=phase)
    show({"migrated": location, "revision": revision}, f"{location} is at schema {revision}", json=json)


def _speak(settings: Settings) -> None:
    """Processes that stay say what they do; verbs that end only warn."""
    level = settings.log_level.upper()
    if level not in logging.getLevelNamesMapping():
        raise InvalidArgument(
            f"HASHSVC_LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR, not {settings.log_level!r}",
            field="HASHSVC_LOG_LEVEL",
        )
    speak_as(settings.log_format)
    logging.getLogger("hashsvc").setLevel(level)


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that SIGTERM or Ctrl-C sets; Ctrl-C goes on as KeyboardInterrupt once the work has been put down."""
    stop, interrupted = threading.Event(), threading.Event()

    def ask(number: int, _: FrameType | None) -> None:
        if number == signal.SIGINT:
            if stop.is_set():
                raise KeyboardInterrupt  # asked twice: at once
            interrupted.set()
        stop.set()

    held = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
    if interrupted.is_set():
        raise KeyboardInterrupt


def _with_port(listen: str) -> str:
    """The address with a free port in place of port 0, so that the store can say who owns it before it is served."""
    host, colon, port = listen.rpartition(":")
    if not (host and colon and port.isdigit() and int(port) < 2**16):
        raise InvalidArgument(f"{listen!r} is no HOST:PORT", field="--listen")
    if int(port):
        return listen
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    with socket.socket(family) as free:
        free.bind((host.strip("[]"), 0))
        return f"{host}:{free.getsockname()[1]}"
