"""Hostile input: senseless requests made from the descriptors and mutated ones get documented codes, nothing else."""

import json
import math
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hashsvc.app import Store, open_store
from hashsvc.domain.items import Item
from hashsvc.server import serve
from hashsvc.server.serving import SERVICES
from hashsvc.settings import Limits
from tests.long import rounds
from tests.server.memory import MemoryStore

SENSELESS = rounds(150, 1_000)  # to each of two servers
MUTATED = rounds(800, 100_000)
DOCUMENTED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
POOL = descriptor_pool.Default()
METHODS: list[MethodDescriptor] = [method for name in SERVICES for method in POOL.FindServiceByName(name).methods]
TEXTS = st.sampled_from(
    ["", "codes", "docs", "texts", "k1", "metadata", "*", "a" * 2000, "\x00", "../..", "é☃", "%s{0}"]
)
BYTES = st.sampled_from([b"", b"ab", b"12345678", b"\xff" * 9, bytes(4096), b"\x89PNG\r\n\x1a\n"])
WHOLE = st.sampled_from([0, 1, 2, 10, 100, 2**31 - 1])
SIGNED = st.one_of(WHOLE, st.sampled_from([-1, -(2**31)]))
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: SIGNED,
    FieldDescriptor.CPPTYPE_INT64: st.one_of(SIGNED, st.sampled_from([2**63 - 1, -(2**63)])),
    FieldDescriptor.CPPTYPE_UINT32: WHOLE,
    FieldDescriptor.CPPTYPE_UINT64: st.one_of(WHOLE, st.just(2**64 - 1)),
    FieldDescriptor.CPPTYPE_DOUBLE: st.sampled_from([0.0, -1.5, math.nan, math.inf, 1e308]),
    FieldDescriptor.CPPTYPE_FLOAT: st.sampled_from([0.0, math.nan]),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_ENUM: st.sampled_from([0, 1, 2, 3, 7, 99, -1]),
}


def fill(draw: Callable[[st.SearchStrategy[Any]], Any], message: Any, depth: int) -> Any:
    """Set some fields of ``message`` to something of their type."""
    for field in message.DESCRIPTOR.fields:
        if not draw(st.booleans()):
            continue
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            fill_map(draw, getattr(message, field.name), field, depth)
        elif field.is_repeated:
            for _ in range(draw(st.sampled_from([1, 2, 5]))):
                put(draw, getattr(message, field.name), field, depth)
        elif field.message_type is not None:
            if depth:
                getattr(message, field.name).SetInParent()
                fill(draw, getattr(message, field.name), depth - 1)
        else:
            setattr(message, field.name, draw(scalar(field)))
    return message


def scalar(field: Any) -> st.SearchStrategy[Any]:
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return BYTES if field.type == FieldDescriptor.TYPE_BYTES else TEXTS
    return SCALARS[field.cpp_type]


def put(draw: Any, container: Any, field: Any, depth: int) -> None:
    if field.message_type is None:
        container.append(draw(scalar(field)))
    elif depth:
        fill(draw, container.add(), depth - 1)


def fill_map(draw: Any, container: Any, field: Any, depth: int) -> None:
    value = field.message_type.fields_by_name["value"]
    key = draw(TEXTS)
    if value.message_type is None:
        container[key] = draw(scalar(value))
    elif depth:
        fill(draw, container[key], depth - 1)


@st.composite
def requests(draw: Any) -> tuple[MethodDescriptor, list[Message]]:
    method = draw(st.sampled_from(METHODS))
    kind = message_factory.GetMessageClass(method.input_type)
    count = draw(st.sampled_from([1, 2])) if method.client_streaming else 1
    return method, [fill(draw, kind(), 9) for _ in range(count)]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    """A real store of ready codes."""
    limits = Limits(max_message_bytes=2**20)
    folder: Path = tmp_path_factory.mktemp("hostile")
    with open_store(str(folder)) as store:
        prepare(store)
        with serve(store, "127.0.0.1:0", limits=limits) as running, grpc.insecure_channel(running.address) as channel:
            yield channel


@pytest.fixture(scope="module")
def encoding_target() -> Iterator[grpc.Channel]:
    """A store in memory whose collections have encoders."""
    store = MemoryStore()
    store.create_collection("docs", encoder="texts")
    with serve(store, "127.0.0.1:0") as running, grpc.insecure_channel(running.address) as channel:
        yield channel


def prepare(store: Store) -> None:
    store.create_collection("codes", bits=64)
    store.upsert("codes", [Item(f"k{i}", code=bytes([i] * 8), metadata={"n": i}) for i in range(50)])


def code_of(channel: grpc.Channel, method: MethodDescriptor, bodies: list[bytes]) -> grpc.StatusCode:
    call: Any = channel.stream_stream(f"/{method.containing_service.full_name}/{method.name}")
    try:
        for _ in call(iter(bodies), timeout=1.0 if method.name == "Watch" else 20.0):
            pass
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


RELAXED = settings(
    max_examples=SENSELESS, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)


@RELAXED
@given(request=requests())
def test_senseless_requests_get_documented_codes(
    target: grpc.Channel, request: tuple[MethodDescriptor, list[Message]]
) -> None:
    method, messages = request
    assert code_of(target, method, [message.SerializeToString() for message in messages]) in DOCUMENTED


@RELAXED
@given(request=requests())
def test_senseless_requests_to_collections_with_encoders(
    encoding_target: grpc.Channel, request: tuple[MethodDescriptor, list[Message]]
) -> None:
    method, messages = request
    assert code_of(encoding_target, method, [message.SerializeToString() for message in messages]) in DOCUMENTED


def mutated(body: bytes, random: random.Random) -> bytes:
    """``body`` with bytes flipped, cut out, or repeated."""
    changed = bytearray(body)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(changed) + 1)
        match random.randrange(3):
            case 0 if at < len(changed):
                changed[at] ^= 1 << random.randrange(8)
            case 1:
                del changed[at : at + random.randint(1, 8)]
            case _:
                changed[at:at] = changed[: random.randint(0, 8)] or b"\xff"
    return bytes(changed)


@pytest.mark.timeout(1_800)
def test_mutated_messages_get_documented_codes(target: grpc.Channel) -> None:
    from hashsvc.client import requests as good
    from hashsvc.domain.filters import Comparison, Operator
    from hashsvc.domain.kinds import Kind
    from hashsvc.domain.queries import CodeQuery, KeyQuery

    somewhere = Comparison("n", Operator.GE, (3,))
    seeds: dict[str, Message] = {
        "Search/Search": good.search("codes", [CodeQuery(b"12345678"), KeyQuery("k3")], 5, somewhere, metadata=True),
        "Search/Within": good.within("codes", KeyQuery("k1"), 9, somewhere, metadata=False),
        "Items/Upsert": good.upsert("codes", Kind.CODE, [Item("a", code=b"12345678", metadata={"x": 1})], "id"),
        "Items/Delete": good.delete_items("codes", ["a", "b"], None, ""),
        "Items/List": good.list_items("codes", somewhere, 10, ""),
    }
    chance = random.Random(7)
    by_name = {f"{method.containing_service.name}/{method.name}": method for method in METHODS}
    for number in range(MUTATED):
        name = list(seeds)[number % len(seeds)]
        body = mutated(seeds[name].SerializeToString(), chance)
        assert code_of(target, by_name[name], [body]) in DOCUMENTED, (name, body)


def test_pictures_that_lie_are_refused_within_bounds() -> None:
    """Each within 2 s, all of them together within 512 MiB."""
    told = subprocess.run(
        [sys.executable, "-m", "tests.server.hostile_images"],
        check=True,
        capture_output=True,
        text=True,
        timeout=2 * 40,
    )
    found = json.loads(told.stdout)
    assert found["pictures"] >= 40
    assert found["refused"] == found["pictures"], told.stderr
    assert found["grown_mib"] < 512
