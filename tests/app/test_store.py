from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hashsvc
from hashsvc.app import Store, open_store
from hashsvc.app.following import Follower
from hashsvc.app.layout import Layout
from hashsvc.domain.filters import Comparison, Operator
from hashsvc.domain.items import Item, Outcome
from hashsvc.domain.jobs import JobKind, JobState
from hashsvc.domain.kinds import ContentMode, FieldType, Kind
from hashsvc.domain.queries import CodeQuery, ContentQuery
from hashsvc.errors import (
    AlreadyExists,
    FailedPrecondition,
    HashsvcError,
    InvalidArgument,
    InvalidContent,
    NotFound,
    Owned,
    PermissionDenied,
    ResourceExhausted,
)

SMALL = Comparison("n", Operator.LT, (5,))


def test_a_second_owner_is_refused_and_told_where_the_first_is(tmp_path: Path) -> None:
    with open_store(str(tmp_path), address="127.0.0.1:4242"), pytest.raises(Owned, match=r"127\.0\.0\.1:4242"):
        open_store(str(tmp_path))


def test_an_opened_store_has_the_kernel_of_its_code_lengths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warmed: list[tuple[str, list[int]]] = []
    monkeypatch.setattr("hashsvc.app.collections.warm", lambda cache, bits: warmed.append((cache, list(bits))))
    with open_store(str(tmp_path)) as store:
        store.create_collection("small", bits=64)
        store.create_collection("large", bits=128)
        assert warmed == []
    with hashsvc.open(str(tmp_path), warm=False):
        assert warmed == []
    with hashsvc.open(str(tmp_path)) as store:
        assert warmed == [("", [64, 128])]
        store.create_collection("larger", bits=256)
        assert warmed[1:] == [("", [256])]
        store.upsert("small", [Item("one", code=bytes(8))])
        store.warm_kernel(least=1)
        assert warmed[2:] == [("", [64])]


def test_a_worker_stands_beside_the_owner_and_its_writes_are_seen(raw: Store, codes: np.ndarray) -> None:
    from hashsvc.domain.queries import CodeQuery

    with open_store(str(raw.layout.folder), role="worker") as worker:
        worker.upsert("raw", [Item("theirs", code=codes[0].tobytes())])
        with pytest.raises(FailedPrecondition, match="holds no index"):
            worker.search("raw", [CodeQuery(codes[0].tobytes())])
    [answer] = raw.search("raw", [CodeQuery(codes[0].tobytes())], k=2)
    assert set(answer.keys) == {"k0", "theirs"}


@pytest.mark.parametrize(
    ("arguments", "kind", "field"),
    [
        ({}, InvalidArgument, "encoder"),
        ({"bits": 63}, InvalidArgument, "bits"),
        ({"encoder": "absent"}, NotFound, "encoder"),
        ({"encoder": "toy", "bits": 64}, InvalidArgument, "bits"),
    ],
)
def test_a_collection_needs_an_encoder_or_a_code_length(
    texts: Store, arguments: dict[str, object], kind: type[HashsvcError], field: str
) -> None:
    with pytest.raises(kind) as caught:
        texts.create_collection("other", **arguments)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert [held.name for held in texts.collections()] == ["texts"]


def test_a_taken_name_and_an_unknown_one(raw: Store) -> None:
    with pytest.raises(AlreadyExists):
        raw.create_collection("raw", bits=8)
    for call in (raw.collection, raw.delete_collection, raw.count_items):
        with pytest.raises(NotFound, match="absent"):
            call("absent")


def test_a_wrong_item_stores_nothing_and_is_named(raw: Store) -> None:
    with pytest.raises(InvalidArgument) as caught:
        raw.upsert("raw", [Item("good", code=b"8 bytes!"), Item("bad", code=b"short")])
    assert caught.value.field == "items[1].code"
    assert raw.count_items("raw") == 200


def test_in_a_stream_a_wrong_item_costs_only_itself(raw: Store) -> None:
    items = [Item("good", code=b"8 bytes!"), Item("bad", code=b"short"), Item("k0", code=b"8 bytes.")]
    [written] = raw.upsert_stream("raw", items)
    assert written.outcomes == (Outcome.STORED, Outcome.REFUSED, Outcome.STORED)
    assert list(written.errors) == [1]


def test_the_same_items_again_change_nothing(raw: Store, codes: np.ndarray) -> None:
    again = raw.upsert("raw", [Item("k1", code=codes[1].tobytes(), metadata={"n": 1})])
    assert (again.outcomes, again.watermark) == ((Outcome.UNCHANGED,), 200)


def test_a_repeated_request_is_answered_as_the_first_time(raw: Store) -> None:
    first = raw.upsert("raw", [Item("once", code=b"8 bytes!")], request_id="r-1")
    raw.delete_items("raw", keys=["once"])
    assert raw.upsert("raw", [Item("once", code=b"8 bytes!")], request_id="r-1") == first
    assert raw.count_items("raw") == 200


def test_a_repeated_request_is_known_while_its_items_are_held(raw: Store) -> None:
    items = [Item("twice", code=b"8 bytes!"), Item("k1", code=b"8 bytes.")]
    first = raw.upsert("raw", items, request_id="r-2")
    assert raw.upsert("raw", items, request_id="r-2") == first
    where = Comparison("n", Operator.LT, (5,))
    gone = raw.delete_items("raw", filter=where, request_id="r-3")
    assert raw.delete_items("raw", filter=where, request_id="r-3") == gone
    with pytest.raises(InvalidArgument):
        raw.delete_items("raw", filter=Comparison("n", Operator.LT, (6,)), request_id="r-3")


def test_pages_cover_the_listing_once(raw: Store) -> None:
    keys: list[str] = []
    token = ""
    while True:
        page = raw.list_items("raw", page_size=33, page_token=token)
        keys += [item.key for item in page.items]
        token = page.next_token
        if not token:
            break
    assert sorted(keys) == sorted(f"k{n}" for n in range(200))


@pytest.mark.parametrize("token", ["x", "0" * 32, "-" * 32])
def test_a_page_token_of_another_listing_is_refused(raw: Store, token: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        raw.list_items("raw", page_token=token)
    assert caught.value.field == "page_token"


def test_a_page_token_belongs_to_its_filter(raw: Store) -> None:
    token = raw.list_items("raw", page_size=10).next_token
    with pytest.raises(InvalidArgument, match="does not belong"):
        raw.list_items("raw", page_token=token, filter=SMALL)


def test_delete_by_filter(raw: Store) -> None:
    assert raw.delete_items("raw", filter=SMALL).count(Outcome.DELETED) == 5
    assert raw.count_items("raw", filter=SMALL) == 0
    assert raw.count_items("raw") == 195


def test_delete_takes_keys_or_a_filter(raw: Store) -> None:
    for arguments in ({}, {"keys": ["k0"], "filter": SMALL}):
        with pytest.raises(InvalidArgument, match="exactly one"):
            raw.delete_items("raw", **arguments)  # type: ignore[arg-type]
    assert raw.delete_items("raw", keys=["absent"]).outcomes == (Outcome.ABSENT,)


def test_what_is_not_kept_cannot_be_given(texts: Store) -> None:
    texts.create_collection("bare", encoder="toy@1", content=ContentMode.NONE)
    texts.upsert("bare", [Item("a", content=b"amber birch")])
    with pytest.raises(FailedPrecondition, match="keeps none"):
        texts.content("bare", "a")
    texts.delete_collection("bare")


def test_empty_text_is_refused_and_stores_nothing(texts: Store) -> None:
    with pytest.raises(InvalidContent) as caught:
        texts.upsert("texts", [Item("a", content=b"amber"), Item("b", content=b"  ")])
    assert (caught.value.field or "").startswith("items[1]")
    assert texts.count_items("texts") == 0


def test_an_ingest_job_of_the_service_is_planned_and_run_by_a_worker(texts: Store, documents: Path) -> None:
    from hashsvc import worker
    from hashsvc.app.work import flows

    job = texts.create_job(JobKind.INGEST, {"collection": "texts", "sources": [str(documents)]})
    assert job.state is JobState.PLANNED
    assert worker.run(texts.catalog, flows(texts), once=True) == 1
    states = [seen.state for seen in texts.watch_job(job.id)]
    assert states == [JobState.DONE]
    assert texts.job(job.id).counts.stored == texts.count_items("texts") == 200


def test_a_train_job_makes_a_version(texts: Store, documents: Path) -> None:
    from hashsvc import worker
    from hashsvc.app.work import flows

    spec = {"name": "second", "sources": [str(documents)], "kind": "text", "bits": 16.0, "model": "itq"}
    job = texts.create_job(JobKind.TRAIN, spec)
    worker.run(texts.catalog, flows(texts), once=True)
    done = texts.job(job.id)
    assert (done.state, done.error) == (JobState.DONE, "")
    assert done.result["encoder"] == "second@1"
    assert texts.encode("second", [b"amber"]).shape == (1, 2)


@pytest.mark.parametrize("source", ["/etc/passwd", "http://example.org/x.jsonl", "../../etc/passwd"])
def test_a_job_reads_only_below_the_roots(texts: Store, source: str) -> None:
    with pytest.raises(PermissionDenied, match="outside the configured roots"):
        texts.create_job(JobKind.INGEST, {"collection": "texts", "sources": [source]})


def test_a_link_does_not_lead_out_of_the_roots(texts: Store, documents: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.jsonl").write_text("{}")
    link = documents.parent / "link.jsonl"
    link.symlink_to(tmp_path / "secret.jsonl")
    with pytest.raises(PermissionDenied):
        texts.create_job(JobKind.INGEST, {"collection": "texts", "sources": [str(link)]})
    link.unlink()


def test_without_roots_the_service_reads_nothing(raw: Store) -> None:
    with pytest.raises(FailedPrecondition, match="HASHSVC_ROOTS"):
        raw.create_job(JobKind.INGEST, {"collection": "raw", "sources": ["x.npy"]})


@pytest.mark.parametrize(
    ("kind", "spec", "field"),
    [
        (JobKind.TRAIN, {"name": "x", "sources": ["a"], "kind": "smell"}, "kind"),
        (JobKind.TRAIN, {"name": "X!", "sources": ["a"], "kind": "text"}, "name"),
        (JobKind.TRAIN, {"name": "x", "sources": ["a"], "kind": "text", "bits": 1.5}, "bits"),
        (JobKind.TRAIN, {"name": "x", "sources": ["a"], "kind": "text", "colour": 1}, "colour"),
        (JobKind.INGEST, {"collection": "texts", "sources": []}, "sources"),
        (JobKind.DEDUP, {}, "collection"),
        (JobKind.REENCODE, {}, "collection"),
    ],
)
def test_a_wrong_job_is_refused_by_field(texts: Store, kind: JobKind, spec: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        texts.create_job(kind, spec)
    assert caught.value.field == field
    assert [job for job in texts.jobs() if job.state is JobState.PLANNED] == []


def test_layouts(tmp_path: Path) -> None:
    assert Layout.of(str(tmp_path)).database == f"sqlite:///{tmp_path}/catalog.sqlite3"
    remote = Layout.of("postgresql://host/name", str(tmp_path))
    assert (remote.database, remote.embedded) == ("postgresql+psycopg://host/name", False)
    for location, folder in (("mysql://x/y", "/f"), ("postgresql://x/y", "")):
        with pytest.raises(InvalidArgument):
            Layout.of(location, folder)


def test_training_on_nothing_readable_says_why(store: Store, tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text('{"text": 5}\n')
    with pytest.raises(InvalidArgument, match=r"hold no text that can be read: .*broken\.jsonl row 0"):
        store.train("x", [str(tmp_path / "broken.jsonl")], kind=Kind.TEXT)


def test_a_store_that_leaves_the_log_to_upkeep_sees_its_own_writes_at_once(tmp_path: Path) -> None:
    from hashsvc.domain.queries import CodeQuery

    query = CodeQuery(b"8 bytes!")
    with open_store(str(tmp_path), eager=False) as owner:
        owner.create_collection("raw", bits=64)
        owner.warm()
        owner.upsert("raw", [Item("mine", code=query.code)])
        assert owner.search("raw", [query])[0].keys == ("mine",)
        with open_store(str(tmp_path), role="worker") as worker:
            worker.upsert("raw", [Item("theirs", code=query.code), Item("mine", code=query.code, metadata={"n": 1})])
        owner.upkeep()
        [answer] = owner.search("raw", [query])
        assert {match.key: dict(match.metadata) for match in answer.matches} == {"mine": {"n": 1}, "theirs": {}}
        owner.delete_collection("raw")
        with pytest.raises(NotFound):
            owner.search("raw", [query])


def test_rows_read_before_a_change_are_not_kept_after_it() -> None:
    from hashsvc.app.rows import RowCache
    from hashsvc.domain.items import StoredItem

    def row(sequence: int) -> StoredItem:
        return StoredItem(1, "k", b"", b"", {}, sequence)

    sequence = 1

    def read(ids: list[int]) -> dict[int, StoredItem]:
        found = {number: row(sequence) for number in ids if number == 1}
        if sequence == 1:
            cache.evict([1])  # the item changes while its row is on its way
        return found

    cache = RowCache(read, 10)
    assert cache.get([1, 2]) == {1: row(1)}
    sequence = 2
    assert cache.get([1]) == {1: row(2)}
    sequence = 3
    assert cache.get([1]) == {1: row(2)}
    cache.evict([1])
    assert cache.get([1]) == {1: row(3)}


def test_the_cache_of_rows_stays_within_its_size() -> None:
    from hashsvc.app.rows import RowCache
    from hashsvc.domain.items import StoredItem

    asked: list[int] = []

    def read(ids: list[int]) -> dict[int, StoredItem]:
        asked.extend(ids)
        return {number: StoredItem(number, str(number), b"", b"", {}, 1) for number in ids}

    cache = RowCache(read, 8)
    for number in range(20):
        assert cache.get([number])[number].key == str(number)
    cache.get([19])
    cache.get([0])
    assert asked == [*range(20), 0]


def test_a_filtered_delete_spares_what_changed_since_it_was_chosen(raw: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = raw.catalog.items.keys

    def keys_then_change(*arguments: object) -> list[str]:
        found = chosen(*arguments)  # type: ignore[arg-type]
        raw.upsert("raw", [Item("k1", code=b"8 bytes!", metadata={"n": 100})])
        return found

    monkeypatch.setattr(raw.catalog.items, "keys", keys_then_change)
    assert raw.delete_items("raw", filter=SMALL).count(Outcome.DELETED) == 4
    assert raw.get_items("raw", ["k1"])[0].metadata == {"n": 100}


@pytest.mark.parametrize("name", ["", "x" * 65, "a\x00b", "\ud800"])
def test_a_field_that_no_item_can_hold_is_refused(raw: Store, name: str) -> None:
    with pytest.raises(InvalidArgument):
        raw.create_collection("other", bits=8, fields={name: FieldType.STRING})
    with pytest.raises(InvalidArgument):
        raw.update_collection("raw", fields={name: FieldType.STRING})


def test_numbers_and_names_that_cannot_exist_are_not_found(raw: Store) -> None:
    for number in (0, 2**70):
        with pytest.raises(NotFound):
            raw.job(number)
    with pytest.raises(NotFound):
        raw.collection("\ud800")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.5])
def test_a_number_of_a_job_that_is_none_is_refused(texts: Store, value: float) -> None:
    for kind, spec in (
        (JobKind.INGEST, {"collection": "texts", "sources": ["a"], "limit": value}),
        (JobKind.TRAIN, {"name": "x", "sources": ["a"], "kind": "text", "bits": value}),
    ):
        with pytest.raises(InvalidArgument, match="integer"):
            texts.create_job(kind, spec)


@pytest.mark.parametrize("query", ["ship", ContentQuery(Kind.TEXT, "ship")])  # type: ignore[arg-type]
def test_what_is_no_query_is_refused(raw: Store, query: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"ContentQuery|bytes"):
        raw.search("raw", [query])
    with pytest.raises(InvalidArgument, match=r"ContentQuery|bytes"):
        raw.within("raw", query, radius=1)


def test_one_collection_in_trouble_does_not_hold_up_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_store(str(tmp_path), eager=False) as owner:
        for name in ("a", "b"):
            owner.create_collection(name, bits=64)
        owner.warm()
        with open_store(str(tmp_path), role="worker") as worker:
            worker.upsert("b", [Item("theirs", code=b"8 bytes!")])
        merge = Follower.merge

        def full(self: Follower) -> None:
            if self is owner._live.follower(owner.collection("a")):
                raise ResourceExhausted("no space")
            merge(self)

        monkeypatch.setattr(Follower, "merge", full)
        with pytest.raises(ResourceExhausted):
            owner.upkeep()
        assert owner.search("b", [CodeQuery(b"8 bytes!")])[0].keys == ("theirs",)
