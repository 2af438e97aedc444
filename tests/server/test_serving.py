"""The server as a whole: health, reflection, refusing at once, draining."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

from hashsvc import errors
from hashsvc.client import Client
from hashsvc.domain.jobs import JobKind
from hashsvc.domain.neighbours import Answer, Match
from hashsvc.domain.queries import CodeQuery
from hashsvc.server import Server, serve, serving
from hashsvc.server.methods import RULES, Lane
from hashsvc.server.serving import SERVICES
from hashsvc.v1 import collections_pb2, collections_pb2_grpc, jobs_pb2, jobs_pb2_grpc
from tests.server.memory import MemoryStore

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def health(channel: grpc.Channel, service: str = "") -> int:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
    return int(answer.status)


def test_reflection_lists_what_has_a_rule_and_health_answers_for_each(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    pool = descriptor_pool.DescriptorPool(database)
    services = list(database.get_services())
    methods = {f"/{name}/{method.name}" for name in services for method in pool.FindServiceByName(name).methods}
    assert methods == set(RULES)
    states = [health(channel, name) for name in ["", *services] if not name.startswith("grpc.")]
    assert states == [SERVING] * (1 + len(SERVICES))


class Gate:
    """Holds calls of ``collections`` back until it is opened."""

    def __init__(self, store: MemoryStore) -> None:
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()
        self._collections = store.collections

    def __call__(self) -> Any:
        self.entered.release()
        assert self.open.wait(20)
        return self._collections()


@pytest.fixture
def gate(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate(store)
    monkeypatch.setattr(store, "collections", made)
    yield made
    made.open.set()


def test_a_full_lane_refuses_at_once_and_the_others_go_on(
    store: MemoryStore, server: Server, channel: grpc.Channel, gate: Gate
) -> None:
    stub = collections_pb2_grpc.CollectionsStub(channel)
    request = collections_pb2.ListCollectionsRequest()
    room = 4 + 64
    held = [stub.List.future(request, timeout=20) for _ in range(room)]
    for _ in range(4):
        assert gate.entered.acquire(timeout=10)
    while server.pool(Lane.READ).held < room:
        threading.Event().wait(0.01)
    with pytest.raises(grpc.RpcError) as caught:
        stub.List(request, timeout=5)
    refusal: Any = caught.value
    assert refusal.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status = rpc_status.from_call(refusal)
    assert status is not None
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in status.details)
    assert retry.retry_delay.ToTimedelta().total_seconds() > 0
    assert health(channel) == SERVING
    assert store.create_collection("codes", bits=8) == Client(server.address).update_collection("codes", fields={})
    gate.open.set()
    assert [len(call.result().collections) for call in held] == [1] * room


def test_the_client_raises_a_refusal_with_its_delay(server: Server, gate: Gate) -> None:
    with Client(server.address) as client, ThreadPoolExecutor(80) as threads:
        calls = [threads.submit(client.collections) for _ in range(80)]
        while server.pool(Lane.READ).held < 68:
            threading.Event().wait(0.01)
        gate.open.set()
        refused = [error for call in calls if (error := call.exception()) is not None]
    assert all(isinstance(error, errors.ResourceExhausted) for error in refused)
    assert all(error.reason == "OVERLOADED" and error.retry_after for error in refused)  # type: ignore[attr-defined]


def test_a_call_whose_deadline_passed_in_the_queue_is_not_run(
    store: MemoryStore, server: Server, channel: grpc.Channel, gate: Gate
) -> None:
    stub = collections_pb2_grpc.CollectionsStub(channel)
    blocking = [stub.List.future(collections_pb2.ListCollectionsRequest(), timeout=20) for _ in range(4)]
    for _ in range(4):
        assert gate.entered.acquire(timeout=10)
    late: Any = stub.List.future(collections_pb2.ListCollectionsRequest(), timeout=0.2)
    assert late.exception(timeout=10).code() is grpc.StatusCode.DEADLINE_EXCEEDED
    gate.open.set()
    for call in blocking:
        call.result()
    assert not gate.entered.acquire(timeout=0.3)


def test_drain_says_so_lets_calls_end_and_refuses_new_ones(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(store)
    monkeypatch.setattr(store, "collections", gate)
    server = serve(store, "127.0.0.1:0", threads=2)
    with grpc.insecure_channel(server.address) as channel:
        stub = collections_pb2_grpc.CollectionsStub(channel)
        running = stub.List.future(collections_pb2.ListCollectionsRequest(), timeout=20)
        assert gate.entered.acquire(timeout=10)
        drain = threading.Thread(target=server.drain, kwargs={"notice": 0.5, "grace": 10.0})
        drain.start()
        while health(channel) != NOT_SERVING:
            threading.Event().wait(0.01)
        threading.Event().wait(0.8)
        with grpc.insecure_channel(server.address) as stranger, pytest.raises(grpc.RpcError) as caught:
            collections_pb2_grpc.CollectionsStub(stranger).List(collections_pb2.ListCollectionsRequest(), timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        gate.open.set()
        assert list(running.result().collections) == []
        drain.join(timeout=10)
        assert not drain.is_alive()
    server.wait()


def test_watching_ends_with_its_watcher_and_with_the_server(store: MemoryStore) -> None:
    server = serve(store, "127.0.0.1:0", threads=2)
    with Client(server.address) as client:
        number = client.create_job(JobKind.TRAIN, {}).id
        watch = client.watch_job(number)
        assert next(watch).id == number
        with grpc.insecure_channel(server.address) as channel:
            call = jobs_pb2_grpc.JobsStub(channel).Watch(jobs_pb2.WatchJobRequest(id=number))
            next(call)
            call.cancel()
        server.drain(notice=0.0, grace=0.5)
        with pytest.raises(errors.HashsvcError):
            list(watch)
    assert all(server.pool(lane).held == 0 for lane in Lane)


def test_a_quiet_watch_may_ask_whether_the_server_is_there(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pings of three idle minutes in as many seconds: a server that does not permit them ends it with the third."""
    given = [(name, value // 100 if "ping_interval" in name else value) for name, value in serving._options(2**20)]
    monkeypatch.setattr(serving, "_options", lambda _: given)
    server = serve(store, "127.0.0.1:0", threads=2)
    often = [("grpc.keepalive_time_ms", 1_000), ("grpc.http2.max_pings_without_data", 0)]
    with grpc.insecure_channel(server.address, often) as channel, Client(server.address) as client:
        number = client.create_job(JobKind.TRAIN, {}).id
        call = jobs_pb2_grpc.JobsStub(channel).Watch(jobs_pb2.WatchJobRequest(id=number), timeout=3.5)
        with pytest.raises(grpc.RpcError) as ended:
            list(call)
        assert ended.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED, ended.value.details()
    server.drain(notice=0.0, grace=0.5)


def test_a_reader_of_a_radius_answer_may_stop_early(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    match = Match("key", 1, 0, {"text": "x" * 10_000})
    closed = threading.Event()

    def endless(*_: object, **__: object) -> Iterator[Answer]:
        try:
            while True:
                yield Answer((match,) * 100, 1, exact=True, complete=True, encoder="", total=2**40)
        finally:
            closed.set()

    monkeypatch.setattr(store, "within_pieces", endless)
    server = serve(store, "127.0.0.1:0", threads=2)
    with Client(server.address) as client:
        pieces = client.within_pieces("codes", CodeQuery(b"\0" * 8), radius=3)
        assert [next(pieces).total for _ in range(3)] == [2**40] * 3
        pieces.close()
        assert closed.wait(5)
    server.drain(notice=0.0, grace=0.5)
    assert server.pool(Lane.STREAM).held == 0


@pytest.mark.parametrize("listen", ["", "localhost", ":1", "host:port", "host:99999", "host:-1"])
def test_listen_is_host_and_port(store: MemoryStore, listen: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        serve(store, listen)
    assert caught.value.field == "listen"


def test_a_taken_address_is_unavailable(store: MemoryStore, server: Server) -> None:
    with pytest.raises(errors.Unavailable, match=r"cannot listen at 127\.0\.0\.1"):
        serve(store, server.address)
