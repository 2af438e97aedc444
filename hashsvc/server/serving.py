"""Serving a store: listen, answer, drain."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from hashsvc.errors import FailedPrecondition, InvalidArgument, Unavailable
from hashsvc.server.boundary import Boundary
from hashsvc.server.collections import CollectionsServicer
from hashsvc.server.dedup import DedupServicer
from hashsvc.server.encoders import EncodersServicer, EncodingServicer
from hashsvc.server.gathering import Gathering
from hashsvc.server.guard import Guard
from hashsvc.server.items import ItemsServicer
from hashsvc.server.jobs import JobsServicer
from hashsvc.server.lanes import Pool, sizes
from hashsvc.server.loopback import LOOPBACK
from hashsvc.server.methods import Lane
from hashsvc.server.metrics import Metrics
from hashsvc.server.search import SearchServicer
from hashsvc.settings import Limits
from hashsvc.v1 import (
    collections_pb2_grpc,
    dedup_pb2_grpc,
    encoders_pb2_grpc,
    encoding_pb2_grpc,
    items_pb2_grpc,
    jobs_pb2_grpc,
    search_pb2_grpc,
)

if TYPE_CHECKING:
    from types import TracebackType

    from hashsvc.domain.service import Service
    from hashsvc.server.tls import Tls
    from hashsvc.server.tokens import Tokens

NAMES = ("Collections", "Items", "Search", "Encoding", "Encoders", "Jobs", "Dedup")
SERVICES = tuple(f"hashsvc.v1.{name}" for name in NAMES)
NOTICE_SECONDS = 1.0
LAST_WORDS_SECONDS = 0.25
GRACE_SECONDS = 10.0
MOST_TOGETHER = 64
SWITCH_SECONDS = 0.0005


def settle_process() -> None:
    """Make this process one that answers quickly; for doors, once everything is loaded.

    A look of the garbage collector at all that was loaded takes a tenth of a second in which nobody is answered: it is
    left out from now on. A thread lets go of the interpreter sooner when another asks for it. And on Linux a thread
    that wakes does not push aside the one that woke it, which mostly still holds the interpreter that both need: more
    than half of all forced changes of threads were that.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_SECONDS)
    if hasattr(os, "SCHED_BATCH"):
        with suppress(OSError):  # a sandbox may forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def serve(
    store: Service,
    listen: str = "127.0.0.1:50051",
    *,
    threads: int = 8,
    limits: Limits | None = None,
    tokens: Tokens | None = None,
    tls: Tls | None = None,
    anyone: bool = False,
) -> Server:
    """Answer calls for ``store`` at ``listen`` until the server is drained.

    Args:
        store: answers; it stays open when the server has drained.
        listen: HOST:PORT; port 0 takes a free one, see :attr:`Server.address`.
        threads: threads that search; the other classes of calls get pools in proportion.
        limits: what one request may ask for; those of the store should be no narrower.

        tokens: who may do what; None asks for none.
        tls: certificate of the server; None speaks plain text.
        anyone: serve beyond this machine although neither tokens nor client certificates are asked for.

    Raises:
        InvalidArgument: ``listen`` cannot be understood, or a certificate not be read.
        FailedPrecondition: anyone on the network could do anything, and ``anyone`` does not allow it.
        Unavailable: the address is taken or not of this machine.
    """
    host = _host_of(listen)
    asked = tokens is not None or (tls is not None and tls.client_authorities is not None)
    if not (asked or anyone or host in LOOPBACK):
        raise FailedPrecondition(
            f"at {listen} whoever reaches this machine could do anything: give tokens, ask for client certificates, "
            "or say that anyone may",
            field="listen",
            reason="OPEN_TO_ANYONE",
        )
    return Server(store, listen, threads=threads, limits=limits or Limits(), guard=Guard(tokens), tls=tls)


class Server:
    """A running server. Use as a context manager, or call :meth:`drain`.

    Args:
        address: HOST:PORT it listens at.
        metrics: what happened to its calls.
    """

    def __init__(
        self, store: Service, listen: str, *, threads: int, limits: Limits, guard: Guard, tls: Tls | None
    ) -> None:
        self._pools = {lane: Pool(lane, size) for lane, size in sizes(threads).items()}
        self.metrics = Metrics(self._pools, store.collections, getattr(store, "indexes", tuple))
        self._boundary = Boundary(self._pools, guard, self.metrics, limits.max_message_bytes)
        self._server = grpc.server(
            self._pools[Lane.CONTROL],
            interceptors=[self._boundary],
            options=_options(limits.max_message_bytes),
        )
        self._health = health.HealthServicer(experimental_non_blocking=False)
        self._add_services(store, limits)
        try:
            bound = (
                self._server.add_secure_port(listen, tls.credentials())
                if tls
                else self._server.add_insecure_port(listen)
            )
        except RuntimeError as error:
            raise Unavailable(f"cannot listen at {listen}: it is taken or no address of this machine") from error
        self.address = f"{_host_of(listen)}:{bound}"
        self._server.start()
        self._drained = threading.Event()

    def _add_services(self, store: Service, limits: Limits) -> None:
        server, search = self._server, self._pools[Lane.SEARCH]
        most = min(MOST_TOGETHER, limits.max_queries, limits.max_items)
        together = Gathering(cores(), most, search, self.metrics.gathered)
        collections_pb2_grpc.add_CollectionsServicer_to_server(CollectionsServicer(store, limits), server)
        items_pb2_grpc.add_ItemsServicer_to_server(ItemsServicer(store, limits), server)
        search_pb2_grpc.add_SearchServicer_to_server(SearchServicer(store, together), server)
        encoding_pb2_grpc.add_EncodingServicer_to_server(EncodingServicer(store, together), server)
        encoders_pb2_grpc.add_EncodersServicer_to_server(EncodersServicer(store, limits), server)
        jobs_pb2_grpc.add_JobsServicer_to_server(JobsServicer(store, limits), server)
        dedup_pb2_grpc.add_DedupServicer_to_server(DedupServicer(store.dedup, limits), server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        for name in SERVICES:
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)

    def pool(self, lane: Lane) -> Pool:
        """The pool of a lane: what it holds, whether it is full."""
        return self._pools[lane]

    def drain(self, *, notice: float = NOTICE_SECONDS, grace: float = GRACE_SECONDS) -> None:
        """Say NOT_SERVING, then refuse new calls and let those running end.

        Args:
            notice: seconds between the two, for load balancers to hear of it.
            grace: seconds after which what still runs is cancelled.
        """
        if self._drained.is_set():
            return
        self._drained.set()
        self._health.enter_graceful_shutdown()
        time.sleep(notice)
        # gRPC cancels what arrived and was not taken up when it stops: refuse first, so that little arrives then.
        self._boundary.closing = True
        time.sleep(min(notice, LAST_WORDS_SECONDS))
        self._server.stop(grace).wait()
        for pool in self._pools.values():
            pool.shutdown(wait=True)

    def wait(self) -> None:
        """Wait until the server has stopped."""
        self._server.wait_for_termination()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drain(notice=0.0)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _host_of(listen: str) -> str:
    host, colon, port = listen.rpartition(":")
    if not (host and colon and port.isdigit() and int(port) < 2**16):
        raise InvalidArgument(f"{listen!r} is no HOST:PORT", field="listen")
    return host


def _options(max_message: int) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", max_message),
        ("grpc.max_send_message_length", max_message),
        ("grpc.so_reuseport", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
    ]
