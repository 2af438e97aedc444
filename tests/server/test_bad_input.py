"""Every field of every request: one clear error that names it, nothing stored, nobody else disturbed."""

import math
import struct
from typing import Any

import grpc
import pytest
from google.protobuf import field_mask_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from hashsvc.domain.items import Item
from hashsvc.v1 import (
    collections_pb2,
    collections_pb2_grpc,
    encoders_pb2,
    encoders_pb2_grpc,
    encoding_pb2,
    encoding_pb2_grpc,
    filters_pb2,
    items_pb2,
    items_pb2_grpc,
    jobs_pb2,
    jobs_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    types_pb2,
)
from tests.server.memory import MemoryStore

BAD, ABSENT, STATE = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION
NAN = struct.pack("<3f", 1.0, math.nan, 2.0)
EQ = filters_pb2.OPERATOR_EQ
Collection, Item_, Query, Value = collections_pb2.Collection, items_pb2.Item, search_pb2.Query, types_pb2.Value


def mask(*paths: str) -> field_mask_pb2.FieldMask:
    return field_mask_pb2.FieldMask(paths=paths)


def where(**comparison: Any) -> filters_pb2.Filter:
    return filters_pb2.Filter(must=[filters_pb2.Condition(comparison=filters_pb2.Comparison(**comparison))])


def deep(levels: int) -> filters_pb2.Filter:
    node = filters_pb2.Filter()
    for _ in range(levels):
        node = filters_pb2.Filter(should=[filters_pb2.Condition(filter=node)])
    return node


def create(**fields: Any) -> collections_pb2.CreateCollectionRequest:
    return collections_pb2.CreateCollectionRequest(collection=Collection(**fields))


def update(*paths: str, **fields: Any) -> collections_pb2.UpdateCollectionRequest:
    return collections_pb2.UpdateCollectionRequest(
        collection=Collection(**{"name": "docs", **fields}), update_mask=mask(*paths)
    )


def upsert(collection: str = "docs", request_id: str = "", **item: Any) -> items_pb2.UpsertRequest:
    return items_pb2.UpsertRequest(
        collection=collection, items=[Item_(**{"key": "bad", "text": "text", **item})], request_id=request_id
    )


def search(collection: str = "docs", k: int = 3, **fields: Any) -> search_pb2.SearchRequest:
    return search_pb2.SearchRequest(**{"collection": collection, "k": k, "queries": [Query(text="a")], **fields})


def asking(**query: Any) -> search_pb2.SearchRequest:
    return search(queries=[Query(text="fine"), Query(**query)])


def within(**fields: Any) -> search_pb2.WithinRequest:
    return search_pb2.WithinRequest(**{"collection": "docs", "query": Query(text="a"), "radius": 2, **fields})


def encode(*contents: types_pb2.Content, encoder: str = "texts") -> encoding_pb2.EncodeRequest:
    return encoding_pb2.EncodeRequest(encoder=encoder, contents=contents)


COLLECTIONS: list[tuple[str, Any, grpc.StatusCode, str]] = [
    ("Create", collections_pb2.CreateCollectionRequest(), BAD, "collection.name"),
    ("Create", create(name="Not Legal", bits=64), BAD, "collection.name"),
    ("Create", create(name="a" * 64, bits=64), BAD, "collection.name"),
    ("Create", create(name="new"), BAD, "encoder"),
    ("Create", create(name="new", bits=12), BAD, "bits"),
    ("Create", create(name="new", bits=2**32 - 1), BAD, "bits"),
    ("Create", create(name="new", encoder="nobody@3"), ABSENT, "encoder"),
    ("Create", create(name="new", bits=64, content=99), BAD, "collection.content"),
    ("Create", create(name="new", bits=64, index=99), BAD, "collection.index"),
    ("Create", create(name="new", bits=64, fields={"a": 0}), BAD, "collection.fields.a"),
    ("Create", create(name="new", bits=64, fields={"a": 77}), BAD, "collection.fields.a"),
    ("Create", create(name="docs", bits=64), grpc.StatusCode.ALREADY_EXISTS, "name"),
    ("Get", collections_pb2.GetCollectionRequest(), BAD, "name"),
    ("Get", collections_pb2.GetCollectionRequest(name="nobody"), ABSENT, "collection"),
    ("List", collections_pb2.ListCollectionsRequest(page_size=-1), BAD, "page_size"),
    ("List", collections_pb2.ListCollectionsRequest(page_size=21), BAD, "page_size"),
    ("List", collections_pb2.ListCollectionsRequest(page_token="junk"), BAD, "page_token"),
    ("List", collections_pb2.ListCollectionsRequest(page_token="WzFd"), BAD, "page_token"),
    ("List", collections_pb2.ListCollectionsRequest(page_token="e30="), BAD, "page_token"),
    ("Update", update(), BAD, "update_mask"),
    ("Update", update("index", "bits"), BAD, "update_mask.paths[1]"),
    ("Update", update("index"), BAD, "collection.index"),
    ("Update", update("fields", fields={"a": 0}), BAD, "collection.fields.a"),
    ("Update", update("index", name="", index=1), BAD, "collection.name"),
    ("Update", update("index", name="nobody", index=1), ABSENT, "collection"),
    ("Delete", collections_pb2.DeleteCollectionRequest(), BAD, "name"),
    ("Switch", collections_pb2.SwitchCollectionRequest(name="docs"), BAD, "other"),
    ("Switch", collections_pb2.SwitchCollectionRequest(name="docs", other="nobody"), ABSENT, "collection"),
    ("Delete", collections_pb2.DeleteCollectionRequest(name="nobody"), ABSENT, "collection"),
]

ITEMS: list[tuple[str, Any, grpc.StatusCode, str]] = [
    ("Upsert", upsert(collection=""), BAD, "collection"),
    ("Upsert", upsert(collection="../etc"), BAD, "collection"),
    ("Upsert", upsert(collection="nobody"), ABSENT, "collection"),
    ("Upsert", items_pb2.UpsertRequest(collection="docs"), BAD, "items"),
    (
        "Upsert",
        items_pb2.UpsertRequest(collection="docs", items=[Item_(key=str(i), text="a") for i in range(51)]),
        BAD,
        "items",
    ),
    ("Upsert", upsert(key=""), BAD, "items[0].key"),
    ("Upsert", upsert(key="k" * 1025), BAD, "items[0].key"),
    ("Upsert", upsert(key="a\0b"), BAD, "items[0].key"),
    ("Upsert", items_pb2.UpsertRequest(collection="docs", items=[Item_(key="a")]), BAD, "items[0]"),
    ("Upsert", upsert(text=""), BAD, "items[0].text"),
    ("Upsert", upsert(text="  \n "), BAD, "items[0].content"),
    ("Upsert", upsert(code=b"12345678"), BAD, "items[0].code"),
    ("Upsert", upsert(image=b"png"), BAD, "items[0].image"),
    ("Upsert", upsert(metadata={"a": Value()}), BAD, "items[0].metadata.a"),
    ("Upsert", upsert(metadata={"a": Value(float_value=math.inf)}), BAD, "items[0].metadata.a"),
    ("Upsert", upsert(metadata={"year": Value(string_value="1999")}), BAD, "items[0].metadata.year"),
    ("Upsert", upsert(metadata={"a": Value(string_value="\0")}), BAD, "items[0].metadata.a"),
    ("Upsert", upsert(metadata={"": Value(boolean_value=True)}), BAD, "items[0].metadata"),
    ("Upsert", upsert(request_id="r" * 129), BAD, "request_id"),
    ("Upsert", items_pb2.UpsertRequest(collection="docs", novelty=items_pb2.Novelty(radius=65)), BAD, "novelty.radius"),
    ("Upsert", upsert(collection="codes", text="text"), BAD, "items[0].text"),
    ("Upsert", upsert(collection="codes", code=b"123"), BAD, "items[0].code"),
    ("Upsert", upsert(collection="vectors", vector=b"12345"), BAD, "items[0].vector"),
    ("Upsert", upsert(collection="vectors", vector=b""), BAD, "items[0].vector"),
    ("Upsert", upsert(collection="vectors", vector=NAN), BAD, "items[0].vector"),
    ("Get", items_pb2.GetItemsRequest(collection="docs"), BAD, "keys"),
    ("Get", items_pb2.GetItemsRequest(collection="docs", keys=["k1", ""]), BAD, "keys[1]"),
    ("Get", items_pb2.GetItemsRequest(collection="docs", keys=["k1", "gone"]), ABSENT, "keys[1]"),
    (
        "Get",
        items_pb2.GetItemsRequest(collection="docs", keys=["k1"], read_mask=mask("secrets")),
        BAD,
        "read_mask.paths[0]",
    ),
    ("GetContent", items_pb2.GetContentRequest(collection="docs"), BAD, "key"),
    ("GetContent", items_pb2.GetContentRequest(collection="codes", key="c1"), STATE, ""),
    ("List", items_pb2.ListItemsRequest(collection="docs", page_size=-5), BAD, "page_size"),
    ("List", items_pb2.ListItemsRequest(collection="docs", page_token="junk"), BAD, "page_token"),
    ("List", items_pb2.ListItemsRequest(collection="docs", filter=deep(8)), BAD, "filter" + ".should[0].filter" * 8),
    (
        "List",
        items_pb2.ListItemsRequest(collection="docs", filter=where(operator=EQ)),
        BAD,
        "filter.must[0].comparison.field",
    ),
    (
        "List",
        items_pb2.ListItemsRequest(collection="docs", filter=where(field="a")),
        BAD,
        "filter.must[0].comparison.operator",
    ),
    ("Delete", items_pb2.DeleteItemsRequest(collection="docs"), BAD, "keys"),
    ("Delete", items_pb2.DeleteItemsRequest(collection="docs", keys=items_pb2.Keys()), BAD, "keys"),
    ("Delete", items_pb2.DeleteItemsRequest(collection="docs", keys=items_pb2.Keys(keys=[""])), BAD, "keys[0]"),
    (
        "Delete",
        items_pb2.DeleteItemsRequest(collection="docs", keys=items_pb2.Keys(keys=["a"]), request_id="\0"),
        BAD,
        "request_id",
    ),
    (
        "Delete",
        items_pb2.DeleteItemsRequest(collection="docs", filter=where(field="a", operator=EQ)),
        BAD,
        "filter.must[0]",
    ),
    (
        "Count",
        items_pb2.CountItemsRequest(collection="docs", filter=filters_pb2.Filter(must=[filters_pb2.Condition()])),
        BAD,
        "filter.must[0]",
    ),
    (
        "Count",
        items_pb2.CountItemsRequest(collection="docs", filter=where(field="a", operator=99)),
        BAD,
        "filter.must[0].comparison.operator",
    ),
    (
        "Count",
        items_pb2.CountItemsRequest(collection="docs", filter=where(field="a", operator=EQ, values=[Value()])),
        BAD,
        "filter.must[0].comparison.values[0]",
    ),
]

SEARCH: list[tuple[str, Any, grpc.StatusCode, str]] = [
    ("Search", search(collection=""), BAD, "collection"),
    ("Search", search(collection="nobody"), ABSENT, "collection"),
    ("Search", search(k=0), BAD, "k"),
    ("Search", search(k=101), BAD, "k"),
    ("Search", search(queries=[]), BAD, "queries"),
    ("Search", search(queries=[Query(text="a")] * 17), BAD, "queries"),
    ("Search", asking(), BAD, "queries[1]"),
    ("Search", asking(text=""), BAD, "queries[1].text"),
    ("Search", asking(code=b"short"), BAD, "queries[1].code"),
    ("Search", asking(key=""), BAD, "queries[1].key"),
    ("Search", asking(key="gone"), ABSENT, "queries[1].key"),
    ("Search", asking(image=b"picture"), BAD, "queries[1]"),
    ("Search", asking(vector=b"12345"), BAD, "queries[1].vector"),
    ("Search", asking(vector=NAN), BAD, "queries[1].vector"),
    ("Search", search(filter=deep(8)), BAD, "filter" + ".should[0].filter" * 8),
    ("Search", search(read_mask=mask("keys", "codes")), BAD, "read_mask.paths[1]"),
    ("Search", search(rerank=search_pb2.Rerank()), BAD, "rerank.oversampling"),
    ("Within", search_pb2.WithinRequest(collection="docs", query=Query(text="a")), BAD, "radius"),
    ("Within", within(radius=65), BAD, "radius"),
    ("Within", search_pb2.WithinRequest(collection="docs", radius=1), BAD, "query"),
    ("Within", within(query=Query(code=b"short")), BAD, "query.code"),
    ("Within", within(collection=""), BAD, "collection"),
    ("Within", within(read_mask=mask("all")), BAD, "read_mask.paths[0]"),
]

TEXT, VECTOR = types_pb2.Content(text="a"), types_pb2.Content(vector=b"1234")
ENCODING: list[tuple[str, Any, grpc.StatusCode, str]] = [
    ("Encode", encode(TEXT, encoder=""), BAD, "encoder"),
    ("Encode", encode(TEXT, encoder="texts@0"), BAD, "encoder"),
    ("Encode", encode(TEXT, encoder="nobody"), ABSENT, "encoder"),
    ("Encode", encode(), BAD, "contents"),
    ("Encode", encode(TEXT, types_pb2.Content()), BAD, "contents[1]"),
    ("Encode", encode(TEXT, VECTOR), BAD, "contents[1].vector"),
    ("Encode", encode(types_pb2.Content(vector=NAN), encoder="vectors"), BAD, "contents[0].vector"),
]

ENCODERS: list[tuple[str, Any, grpc.StatusCode, str]] = [
    ("Get", encoders_pb2.GetEncoderRequest(), BAD, "encoder"),
    ("Get", encoders_pb2.GetEncoderRequest(encoder="nobody"), ABSENT, "encoder"),
    ("List", encoders_pb2.ListEncodersRequest(page_size=-1), BAD, "page_size"),
    ("List", encoders_pb2.ListEncodersRequest(page_token="!"), BAD, "page_token"),
    ("Reconstruct", encoders_pb2.ReconstructRequest(contents=[TEXT]), BAD, "encoder"),
    ("Reconstruct", encoders_pb2.ReconstructRequest(encoder="nobody", contents=[TEXT]), ABSENT, "encoder"),
    ("Reconstruct", encoders_pb2.ReconstructRequest(encoder="texts"), BAD, "contents"),
    ("Reconstruct", encoders_pb2.ReconstructRequest(encoder="texts", contents=[TEXT] * 257), BAD, "contents"),
    ("Reconstruct", encoders_pb2.ReconstructRequest(encoder="texts", contents=[VECTOR]), BAD, "contents[0].vector"),
    ("Generate", encoders_pb2.GenerateRequest(encoder="texts@0", count=1), BAD, "encoder"),
    ("Generate", encoders_pb2.GenerateRequest(encoder="nobody", count=1), ABSENT, "encoder"),
    ("Generate", encoders_pb2.GenerateRequest(encoder="texts"), BAD, "count"),
    ("Generate", encoders_pb2.GenerateRequest(encoder="texts", count=2**32 - 1), BAD, "count"),
    ("Interpolate", encoders_pb2.InterpolateRequest(encoder="texts", last=TEXT, steps=3), BAD, "first"),
    ("Interpolate", encoders_pb2.InterpolateRequest(encoder="texts", first=TEXT, steps=3), BAD, "last"),
    ("Interpolate", encoders_pb2.InterpolateRequest(encoder="texts", first=TEXT, last=TEXT), BAD, "steps"),
]

JOBS: list[tuple[str, Any, grpc.StatusCode, str]] = [
    ("Create", jobs_pb2.CreateJobRequest(), BAD, "kind"),
    ("Create", jobs_pb2.CreateJobRequest(kind=9), BAD, "kind"),  # type: ignore[arg-type]
    ("Create", jobs_pb2.CreateJobRequest(kind=jobs_pb2.JOB_KIND_TRAIN, request_id="x" * 200), BAD, "request_id"),
    ("Get", jobs_pb2.GetJobRequest(), BAD, "id"),
    ("Get", jobs_pb2.GetJobRequest(id=-4), BAD, "id"),
    ("Get", jobs_pb2.GetJobRequest(id=99), ABSENT, "id"),
    ("Cancel", jobs_pb2.CancelJobRequest(id=99), ABSENT, "id"),
    ("Watch", jobs_pb2.WatchJobRequest(id=99), ABSENT, "id"),
    ("List", jobs_pb2.ListJobsRequest(page_size=-1), BAD, "page_size"),
    ("ListDeadLetters", jobs_pb2.ListDeadLettersRequest(id=0), BAD, "id"),
    ("ListDeadLetters", jobs_pb2.ListDeadLettersRequest(id=1, page_token="W10="), BAD, "page_token"),
    ("ListDeadLetters", jobs_pb2.ListDeadLettersRequest(id=1, page_token="WzVd"), ABSENT, "id"),
]

STUBS: list[tuple[Any, list[tuple[str, Any, grpc.StatusCode, str]]]] = [
    (collections_pb2_grpc.CollectionsStub, COLLECTIONS),
    (items_pb2_grpc.ItemsStub, ITEMS),
    (search_pb2_grpc.SearchStub, SEARCH),
    (encoding_pb2_grpc.EncodingStub, ENCODING),
    (encoders_pb2_grpc.EncodersStub, ENCODERS),
    (jobs_pb2_grpc.JobsStub, JOBS),
]
CASES = [(stub, *case) for stub, cases in STUBS for case in cases]


def fill(store: MemoryStore) -> None:
    store.create_collection("docs", encoder="texts", fields={"year": "integer"})  # type: ignore[dict-item]
    store.upsert("docs", [Item("k1", b"one"), Item("k2", b"two")])
    store.create_collection("codes", bits=16)
    store.upsert("codes", [Item("c1", code=b"ab")])
    store.create_collection("vectors", encoder="vectors")


def failure(call: Any) -> Any:
    try:
        answer = call()
        if not hasattr(answer, "DESCRIPTOR"):
            list(answer)
    except grpc.RpcError as error:
        return error
    raise AssertionError(f"the call was answered: {answer}")


def details(error: Any) -> tuple[error_details_pb2.ErrorInfo, error_details_pb2.BadRequest]:
    status = rpc_status.from_call(error)
    assert status is not None
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        _ = detail.Unpack(info) or detail.Unpack(bad)
    return info, bad


@pytest.mark.parametrize(("stub", "method", "request_", "code", "field"), CASES)
def test_one_clear_error(
    store: MemoryStore, channel: grpc.Channel, stub: Any, method: str, request_: Any, code: grpc.StatusCode, field: str
) -> None:
    fill(store)
    before = repr(store.held)
    error = failure(lambda: getattr(stub(channel), method)(request_, timeout=10))
    info, bad = details(error)
    assert (error.code(), info.metadata.get("field", "")) == (code, field)
    assert "\n" not in error.details()
    assert info.domain == "hashsvc"
    if code is BAD:
        assert [violation.field for violation in bad.field_violations] == [field]
    assert repr(store.held) == before


def test_a_stream_costs_a_wrong_row_only_itself(store: MemoryStore, channel: grpc.Channel) -> None:
    fill(store)
    rows = [Item_(key="a", text="fine"), Item_(key="", text="x"), Item_(key="b"), Item_(key="c", text="fine too")]
    rows += [Item_(key="d", text="x", metadata={"m": Value()}), Item_(key="e", text=" "), Item_(key="f", text="last")]
    stream = items_pb2_grpc.ItemsStub(channel).UpsertStream(
        iter(
            [
                items_pb2.UpsertStreamRequest(collection="docs", items=rows, batch=7),
                items_pb2.UpsertStreamRequest(batch=8),
            ]
        )
    )
    first, second = stream
    assert (first.batch, second.batch, len(second.outcomes)) == (7, 8, 0)
    assert first.watermark == second.watermark == store.collection("docs").watermark
    assert [error.position for error in first.errors] == [1, 2, 4, 5]
    assert [error.error.field for error in first.errors] == [
        "items[1].key",
        "items[2]",
        "items[4].metadata.m",
        "items[5].content",
    ]
    refused = [i for i, outcome in enumerate(first.outcomes) if outcome == items_pb2.OUTCOME_REFUSED]
    assert refused == [1, 2, 4, 5]
    assert {"a", "c", "f"} <= set(store.held["docs"].items)


def test_a_stream_needs_its_collection_first_and_keeps_it(store: MemoryStore, channel: grpc.Channel) -> None:
    fill(store)
    stub = items_pb2_grpc.ItemsStub(channel)
    for requests in (
        [items_pb2.UpsertStreamRequest()],
        [items_pb2.UpsertStreamRequest(collection="docs"), items_pb2.UpsertStreamRequest(collection="codes")],
    ):
        error = failure(lambda requests=requests: stub.UpsertStream(iter(requests)))
        assert (error.code(), details(error)[0].metadata["field"]) == (BAD, "collection")


def test_a_wrong_search_of_a_stream_costs_only_itself(store: MemoryStore, channel: grpc.Channel) -> None:
    fill(store)
    searches = [search(), search(k=0), search_pb2.SearchRequest(), asking(code=b"short"), search(k=1)]
    requests = (search_pb2.SearchStreamRequest(search=one, tag=i * 10) for i, one in enumerate(searches))
    answers = list(search_pb2_grpc.SearchStub(channel).SearchStream(requests))
    assert [answer.tag for answer in answers] == [0, 10, 20, 30, 40]
    assert [answer.WhichOneof("result") for answer in answers] == ["answer", "error", "error", "error", "answer"]
    assert [answer.error.field for answer in answers] == ["", "k", "collection", "queries[1].code", ""]


def test_a_malformed_message_is_an_invalid_argument(channel: grpc.Channel) -> None:
    method: Any = channel.unary_unary("/hashsvc.v1.Search/Search")
    error = failure(lambda: method(b"\x0a\xff\xff\xff\xff\x0fnot a message"))
    assert (error.code(), details(error)[0].reason) == (BAD, "MALFORMED")


def test_an_unknown_method_is_unimplemented(channel: grpc.Channel) -> None:
    method: Any = channel.unary_unary("/hashsvc.v1.Search/Nothing")
    error = failure(lambda: method(b""))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


def test_an_answer_beyond_one_message_is_refused(store: MemoryStore, channel: grpc.Channel) -> None:
    fill(store)
    long = "x" * 300_000
    store.upsert("docs", [Item(f"long{i}", b"text", metadata={"long": long}) for i in range(5)])
    stub = search_pb2_grpc.SearchStub(channel)
    error = failure(lambda: stub.Search(search(k=10)))
    assert (error.code(), details(error)[0].reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "ANSWER_TOO_LARGE")
    pieces = list(stub.Within(within(radius=64)))
    assert pieces[0].summary.total == sum(len(piece.matches.ids) for piece in pieces[1:]) == 7
    assert len(pieces) >= 3


def test_a_defect_is_internal_and_logged(
    store: MemoryStore, channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(store, "collections", broken)
    stub = collections_pb2_grpc.CollectionsStub(channel)
    error = failure(lambda: stub.List(collections_pb2.ListCollectionsRequest()))
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in error.details()
    [record] = [record for record in caplog.records if record.name == "hashsvc.server.boundary"]
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
