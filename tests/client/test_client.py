"""The client says what the store says: every verb, compared over a real socket."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from hashsvc import errors
from hashsvc.client import Client
from hashsvc.domain.filters import Comparison, Filter, Operator
from hashsvc.domain.items import Item, Outcome
from hashsvc.domain.jobs import JobKind, JobState
from hashsvc.domain.kinds import ContentMode, FieldType, IndexKind, Kind
from hashsvc.domain.metadata import Metadata
from hashsvc.domain.queries import CodeQuery, ContentQuery, KeyQuery
from hashsvc.domain.service import Service
from tests.server.memory import MemoryStore

METADATA: Metadata = {
    "title": "Straße ☃",
    "year": -(2**62),
    "score": 0.25,
    "draft": False,
    "tags": ("a", "b"),
    "none": (),
}


def fill(service: Service) -> None:
    service.create_collection("docs", encoder="texts@1", fields={"year": FieldType.INTEGER, "tags": FieldType.STRINGS})
    service.upsert("docs", [Item(f"k{i}", f"text {i}".encode(), metadata={**METADATA, "year": i}) for i in range(30)])
    service.create_collection("codes", bits=16, index=IndexKind.FLAT)
    service.upsert("codes", [Item(f"c{i}", code=bytes([i, 255 - i])) for i in range(20)])


@pytest.fixture
def filled(store: MemoryStore, client: Client) -> tuple[MemoryStore, Client]:
    fill(client)
    return store, client


ODD = Filter(
    must=(Comparison("year", Operator.GE, (3,)),),
    should=(Comparison("title", Operator.PREFIX, ("Str",)), Filter(must_not=(Comparison("gone", Operator.EXISTS),))),
    must_not=(Comparison("year", Operator.IN, (4, 5)), Comparison("tags", Operator.EQ, ("c",))),
)

VERBS: dict[str, Callable[[Any], Any]] = {
    "collection": lambda s: s.collection("docs"),
    "collections": lambda s: s.collections(),
    "update": lambda s: s.update_collection("codes", fields={"a": FieldType.FLOAT}, index=IndexKind.SCAN),
    "update nothing": lambda s: s.update_collection("codes"),
    "get_items": lambda s: s.get_items("docs", ["k3", "k1", "k3"]),
    "content": lambda s: s.content("docs", "k7"),
    "list_items": lambda s: s.list_items("docs", page_size=5),
    "list_items filtered": lambda s: s.list_items("docs", filter=ODD, page_size=20),
    "count": lambda s: s.count_items("docs"),
    "count filtered": lambda s: s.count_items("docs", filter=ODD),
    "count by comparison": lambda s: s.count_items("docs", filter=Comparison("year", Operator.LT, (7,))),
    "search text": lambda s: s.search("docs", [ContentQuery(Kind.TEXT, b"text 4")], k=7),
    "search many": lambda s: s.search("docs", [KeyQuery(f"k{i}") for i in range(9)], k=3, filter=ODD),
    "search codes": lambda s: s.search("codes", [CodeQuery(b"\x00\xff"), CodeQuery(b"\xf0\x0f")], k=30),
    "search bare": lambda s: s.search("docs", [KeyQuery("k1")], k=5, metadata=False),
    "within": lambda s: s.within("docs", KeyQuery("k1"), radius=30),
    "within nothing": lambda s: s.within("codes", CodeQuery(b"\xaa\xaa"), radius=0),
    "encoders": lambda s: s.encoders(),
    "encoder": lambda s: s.encoder("texts"),
    "encode": lambda s: s.encode("texts@1", [b"one", "zwei ☃".encode()]).tolist(),
    "reconstruct": lambda s: s.reconstruct("texts", [b"one", "zwei ☃".encode()]),
    "reconstruct vectors": lambda s: s.reconstruct("vectors", [np.ones(3, np.float32).tobytes()]),
    "generate": lambda s: s.generate("texts@1", 3, seed=2**32 - 1),
    "generate vectors": lambda s: s.generate("vectors", 2),
    "interpolate": lambda s: s.interpolate("texts", b"one", b"two", steps=5),
    "encode vectors": lambda s: s.encode("vectors", [np.ones(3, np.float32).tobytes()]).tolist(),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_client_answers_as_the_store_does(filled: tuple[MemoryStore, Client], verb: str) -> None:
    store, client = filled
    assert VERBS[verb](client) == VERBS[verb](store)


def test_writes_do_what_they_do_in_process(store: MemoryStore, client: Client) -> None:
    twin = MemoryStore(store.limits)
    for service in (client, twin):
        fill(service)
    again = [Item("k1", b"text 1", metadata={**METADATA, "year": 1}), Item("new", b"fresh", reference="file:///a#1")]
    assert client.upsert("docs", again) == twin.upsert("docs", again)
    assert client.delete_items("docs", keys=["k2", "nobody"]) == twin.delete_items("docs", keys=["k2", "nobody"])
    assert client.delete_items("docs", filter=ODD) == twin.delete_items("docs", filter=ODD)
    assert client.list_items("docs", page_size=20) == twin.list_items("docs", page_size=20)
    client.delete_collection("codes")
    assert [collection.name for collection in client.collections()] == ["docs"]


def test_a_request_id_writes_once(filled: tuple[MemoryStore, Client]) -> None:
    _, client = filled
    first = client.upsert("docs", [Item("once", b"a")], request_id="r-1")
    assert client.upsert("docs", [Item("once", b"b")], request_id="r-1") == first
    assert client.content("docs", "once") == b"a"


def test_arrays_in_and_out(filled: tuple[MemoryStore, Client]) -> None:
    store, client = filled
    codes = np.random.default_rng(0).integers(0, 256, (4, 2), dtype=np.uint8)
    found = client.neighbours("codes", codes, k=6)
    wanted = store.search("codes", [CodeQuery(code.tobytes()) for code in codes], k=6)
    assert [(ids.tolist(), distances.tolist()) for ids, distances in found] == [
        ([m.id for m in answer.matches], [m.distance for m in answer.matches]) for answer in wanted
    ]
    assert [str(column.dtype) for column in (found.ids, found.distances)] == ["int64", "int32"]
    client.create_collection("vectors", encoder="vectors")
    vectors = np.arange(12.0).reshape(3, 4)
    client.upsert("vectors", [Item(f"v{i}", row.astype("<f4").tobytes()) for i, row in enumerate(vectors)])
    assert client.neighbours("vectors", vectors, k=1).distances.tolist() == [0, 0, 0]
    with pytest.raises(errors.InvalidArgument) as caught:
        client.neighbours("codes", codes.astype(np.int64), k=1)
    assert caught.value.field == "queries"


def test_long_listings_come_whole(store: MemoryStore, client: Client) -> None:
    for number in range(230):
        client.create_collection(f"c{number:03}", bits=8)
    for _ in range(110):
        client.create_job(JobKind.INGEST, {"collection": "c001", "sources": ["a.jsonl"], "options": {"x": [1, 2.5]}})
    assert client.collections() == store.collections()
    assert client.jobs() == store.jobs()


def test_jobs_are_created_watched_and_cancelled(store: MemoryStore, client: Client) -> None:
    job = client.create_job(JobKind.TRAIN, {"name": "texts", "bits": 64})
    assert job == store.job(job.id)
    seen = []
    for state in client.watch_job(job.id):
        seen.append(state)
        if len(seen) < 4:
            store.step(job.id, JobState.RUNNING if len(seen) < 3 else JobState.DONE)
    assert [state.state for state in seen] == [JobState.PLANNED, JobState.RUNNING, JobState.RUNNING, JobState.DONE]
    assert seen[-1] == store.job(job.id) == client.job(job.id)
    assert client.dead_letters(job.id) == store.dead_letters(job.id)
    other = client.create_job(JobKind.REENCODE, {})
    assert client.cancel_job(other.id).state is JobState.CANCELLED


def test_uploads_in_batches_and_says_what_was_wrong(store: MemoryStore, client: Client) -> None:
    client.create_collection("docs", encoder="texts")
    items = [Item(f"k{i}", f"text {i}".encode()) for i in range(17)]
    items[4] = Item("k4", b"\xff is not UTF-8")
    items[5] = Item("", b"no key")
    items[11] = Item("k11", None)
    items[12] = Item("k12", b"odd", metadata={"bad": object()})  # type: ignore[dict-item]
    acknowledged = list(client.upsert_stream("docs", iter(items), batch_items=5))
    outcomes = [outcome for written in acknowledged for outcome in written.outcomes]
    assert [i for i, outcome in enumerate(outcomes) if outcome is Outcome.REFUSED] == [4, 5, 11, 12]
    assert [len(written.outcomes) for written in acknowledged] == [5, 5, 5, 2]
    fields = [{i: error.field for i, error in written.errors.items()} for written in acknowledged]
    assert fields == [
        {4: "items[4].text"},
        {0: "items[0].key"},
        {1: "items[1].content", 2: "items[2].metadata.bad"},
        {},
    ]
    assert client.count_items("docs") == 13


def test_an_upload_takes_items_only_as_fast_as_they_are_stored(
    store: MemoryStore, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.create_collection("docs", encoder="texts")
    taken = 0
    gate = threading.Semaphore(0)
    upsert_stream = store.upsert_stream

    def slow(collection: str, items: Any, *, novelty: int | None = None) -> Iterator[Any]:
        gate.acquire()
        yield from upsert_stream(collection, items, novelty=novelty)

    monkeypatch.setattr(store, "upsert_stream", slow)

    def source() -> Iterator[Item]:
        nonlocal taken
        for number in range(1_000):
            taken += 1
            yield Item(f"k{number}", b"text")

    upload = client.upsert_stream("docs", source(), batch_items=1)
    seen = []
    for _ in range(3):
        gate.release()
        seen.append(next(upload))
        assert taken <= len(seen) + 5
    upload.close()
    gate.release(10)


def test_a_failing_source_raises_its_own_error(client: Client) -> None:
    client.create_collection("docs", encoder="texts")

    def source() -> Iterator[Item]:
        yield Item("a", b"text")
        raise KeyError("the file ended in the middle")

    with pytest.raises(KeyError, match="in the middle"):
        list(client.upsert_stream("docs", source(), batch_items=1))
    assert client.count_items("docs") == 1


def test_the_client_loads_nothing_heavy() -> None:
    code = "import hashsvc.client, sys; assert not {'torch', 'faiss', 'sqlalchemy', 'numba'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_absent_server_is_unavailable() -> None:
    with Client("127.0.0.1:1", timeout=1) as client, pytest.raises(errors.HashsvcError) as caught:
        client.collections()
    assert isinstance(caught.value, errors.Unavailable | errors.DeadlineExceeded)


@pytest.mark.parametrize("target", ["localhost", "host:", ":7", "host:x"])
def test_a_target_is_host_and_port(target: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        Client(target)
    assert caught.value.field == "target"


def test_content_is_kept_or_it_says_so(client: Client) -> None:
    client.create_collection("docs", encoder="texts", content=ContentMode.NONE)
    client.upsert("docs", [Item("a", b"text")])
    with pytest.raises(errors.FailedPrecondition) as caught:
        client.content("docs", "a")
    assert caught.value.reason == "CONTENT_NOT_KEPT"
