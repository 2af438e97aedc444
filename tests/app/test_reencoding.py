"""From one encoder version to the next and back, while others search and write."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hashsvc import worker
from hashsvc.app import Store, open_store
from hashsvc.app.work import flows
from hashsvc.domain.collections import Collection
from hashsvc.domain.items import Item, Outcome
from hashsvc.domain.jobs import JobKind, JobState
from hashsvc.domain.kinds import Kind
from hashsvc.domain.queries import ContentQuery
from hashsvc.errors import Aborted, AlreadyExists, FailedPrecondition, InvalidArgument, NotFound


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory, documents: Path) -> Path:
    """A store folder with encoders toy@1 (32 bits) and toy@2 (64 bits)."""
    folder = tmp_path_factory.mktemp("versions") / "store"
    with open_store(str(folder)) as store:
        store.train("toy", [str(documents)], kind=Kind.TEXT, bits=32, model="itq")
        store.train("toy", [str(documents)], kind=Kind.TEXT, bits=64, model="itq")
    return folder


@pytest.fixture
def docs(two_versions: Path, documents: Path) -> Iterator[Store]:
    """A store whose collection "docs" holds 200 texts under toy@1."""
    with open_store(str(two_versions)) as store:
        store.create_collection("docs", encoder="toy@1")
        store.ingest("docs", [str(documents)])
        yield store
        for collection in store.collections():
            store.delete_collection(collection.name)


def nearest(store: Store, text: str) -> str:
    return store.search("docs", [ContentQuery(Kind.TEXT, text.encode())], k=1)[0].keys[0]


def contents(store: Store, name: str) -> dict[str, bytes]:
    return {item.key: item.content_hash for item in store.list_items(name, page_size=1000).items}


def test_a_collection_changes_its_encoder_and_back(docs: Store) -> None:
    before = contents(docs, "docs")
    job = docs.reencode("docs", "toy")
    assert (job.state, job.counts.stored, job.result["collection"]) == (JobState.DONE, 200, "docs.toy-2")
    assert docs.collection("docs").encoder == "toy@1"
    docs.upsert("docs", [Item("late", b"amber birch late"), Item("d7", b"cedar delta changed")])
    docs.delete_items("docs", keys=["d3"])
    switched = docs.switch_collection("docs", "docs.toy-2")
    assert (switched.encoder, switched.bits) == ("toy@2", 64)
    assert docs.collection("docs.toy-2").encoder == "toy@1"
    after = contents(docs, "docs")
    assert after.keys() == before.keys() - {"d3"} | {"late"}
    assert after == contents(docs, "docs.toy-2")
    assert nearest(docs, "cedar delta changed") == "d7"
    docs.upsert("docs", [Item("later", b"ember fjord later")])
    docs.delete_items("docs", keys=["late"])
    back = docs.switch_collection("docs", "docs.toy-2")
    assert (back.encoder, back.bits) == ("toy@1", 32)
    assert contents(docs, "docs").keys() == after.keys() - {"late"} | {"later"}
    assert nearest(docs, "ember fjord later") == "later"


def test_a_worker_reencodes_and_a_second_run_does_nothing(docs: Store) -> None:
    spec = {"collection": "docs", "encoder": "toy@2", "into": "next"}
    job = docs.create_job(JobKind.REENCODE, spec, request_id="r")
    assert docs.create_job(JobKind.REENCODE, spec, request_id="r").id == job.id
    with pytest.raises(FailedPrecondition, match="still copies"):
        docs.switch_collection("docs", "next")
    assert worker.run(docs.catalog, flows(docs), once=True) == 1
    done = docs.job(job.id)
    assert (done.state, done.counts.stored, done.counts.dead) == (JobState.DONE, 200, 0)
    again = docs.reencode("docs", "toy@2", into="next")
    assert (again.counts.stored, again.counts.unchanged) == (0, 200)


def test_search_and_writes_go_on_through_switches(docs: Store) -> None:
    docs.reencode("docs", "toy@2", into="next")
    stop = threading.Event()
    failures: list[BaseException] = []
    written: list[str] = []

    def guarded(step: int) -> None:
        if step % 2:
            docs.search("docs", [ContentQuery(Kind.TEXT, b"grove heath")], k=5)
        else:
            assert docs.upsert("docs", [Item(f"w{step}", b"inlet jetty")]).outcomes == (Outcome.STORED,)
            written.append(f"w{step}")

    def run(parity: int) -> None:
        step = parity
        while not stop.is_set():
            try:
                guarded(step)
            except BaseException as error:
                failures.append(error)
                return
            step += 2
            stop.wait(0.02)

    threads = [threading.Thread(target=run, args=(parity,)) for parity in (0, 1)]
    for thread in threads:
        thread.start()
    for _ in range(6):
        docs.switch_collection("docs", "next")
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert written
    assert set(written) <= contents(docs, "docs").keys()
    assert len(contents(docs, "docs")) == 200 + len(written)


def test_writes_that_never_cease_cannot_keep_a_switch_from_happening(
    docs: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs.reencode("docs", "toy@2", into="next")
    exchange, writers = docs.catalog.collections.exchange, list[threading.Thread]()

    def interrupted(one: Collection, two: Collection, after: int | None) -> None:
        """Another write comes just before the exchange, if it can."""
        item = Item(f"w{len(writers)}", b"inlet jetty")
        writers.append(threading.Thread(target=docs.upsert, args=("docs", [item])))
        writers[-1].start()
        writers[-1].join(0.5)
        exchange(one, two, after)

    monkeypatch.setattr(docs.catalog.collections, "exchange", interrupted)
    assert docs.switch_collection("docs", "next").encoder == "toy@2"
    for writer in writers:
        writer.join(10)
    assert {f"w{number}" for number in range(len(writers))} <= contents(docs, "docs").keys()


def test_what_a_switch_refuses(docs: Store) -> None:
    docs.create_collection("raw", bits=32)
    with pytest.raises(FailedPrecondition, match="cannot stand for each other"):
        docs.switch_collection("docs", "raw")
    with pytest.raises(InvalidArgument, match="with itself"):
        docs.switch_collection("docs", "docs")
    with pytest.raises(NotFound):
        docs.switch_collection("docs", "absent")


def test_collections_that_no_job_tied_only_exchange_their_names(docs: Store) -> None:
    docs.create_collection("other", encoder="toy@2")
    docs.upsert("other", [Item("only", b"karst ledge")])
    assert docs.switch_collection("docs", "other").items == 1
    assert docs.collection("other").items == 200
    assert nearest(docs, "karst") == "only"


def test_what_a_reencode_job_refuses(docs: Store) -> None:
    for spec, field in (
        ({"collection": "docs"}, "encoder"),
        ({"encoder": "toy@2"}, "collection"),
        ({"collection": "docs", "encoder": "toy@2", "speed": 1}, "speed"),
        ({"collection": "docs", "encoder": "toy@2", "into": "No Name"}, "into"),
    ):
        with pytest.raises(InvalidArgument) as told:
            docs.create_job(JobKind.REENCODE, spec)
        assert told.value.field == field
    docs.create_collection("taken", encoder="toy@1")
    with pytest.raises(AlreadyExists):
        docs.reencode("docs", "toy@2", into="taken")
    docs.create_collection("raw", bits=32)
    with pytest.raises(FailedPrecondition, match="not their bytes"):
        docs.reencode("raw", "toy@2")
    with pytest.raises(NotFound):
        docs.reencode("docs", "absent@1")


def test_a_write_to_a_switched_collection_goes_to_what_has_the_name(docs: Store) -> None:
    docs.create_collection("other", encoder="toy@2")
    stale = docs.collection("docs")
    docs.switch_collection("docs", "other")
    with pytest.raises(Aborted, match="was switched"):
        docs.catalog.items.write(stale, [], ["d1"])
    written = docs._items.upsert(stale, [Item("new", b"amber")], "")
    assert written.outcomes == (Outcome.STORED,)
    assert docs.get_items("docs", ["new"])[0].key == "new"
    assert docs._items.delete(stale, keys=["new"], filter=None, request_id="").outcomes == (Outcome.DELETED,)
