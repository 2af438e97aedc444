"""Keeping others out: every method for every caller, tokens in their file, TLS and mutual TLS."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from hashsvc import client as clients
from hashsvc import errors, server
from hashsvc.client import Client
from hashsvc.domain.items import Item
from hashsvc.domain.jobs import JobKind
from hashsvc.server import Server, Tokens, new_token, serve
from hashsvc.server.methods import RULES, Need
from hashsvc.v1 import (
    collections_pb2,
    dedup_pb2,
    encoders_pb2,
    encoding_pb2,
    items_pb2,
    jobs_pb2,
    search_pb2,
    types_pb2,
)
from tests.server.memory import MemoryStore

OK, BAD_TOKEN = grpc.StatusCode.OK, grpc.StatusCode.UNAUTHENTICATED
HIDDEN, DENIED = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED
CALLERS = {
    "other": {"elsewhere": Need.ADMIN},
    "reader": {"docs": Need.READ},
    "writer": {"docs": Need.WRITE},
    "admin": {"*": Need.ADMIN},
    "nobody": {},
}
ITEM = items_pb2.Item(key="k1", text="text")
QUERY = search_pb2.Query(text="text")
SEARCH = search_pb2.SearchRequest(collection="docs", queries=[QUERY], k=1)

# What reader, writer, other and nobody get, and the admin where that is not OK.
READS = (OK, OK, HIDDEN, HIDDEN)
WRITES = (DENIED, OK, HIDDEN, HIDDEN)
RULED = (DENIED, DENIED, DENIED, DENIED)
SHARED = (OK, OK, OK, DENIED)
NO_RUN = (*RULED, HIDDEN)
TABLE: dict[str, tuple[Any, tuple[grpc.StatusCode, ...]]] = {
    "Collections/Create": (
        collections_pb2.CreateCollectionRequest(collection=collections_pb2.Collection(name="new", bits=8)),
        RULED,
    ),
    "Collections/Get": (collections_pb2.GetCollectionRequest(name="docs"), READS),
    "Collections/List": (collections_pb2.ListCollectionsRequest(), SHARED),
    "Collections/Update": (
        collections_pb2.UpdateCollectionRequest(
            collection=collections_pb2.Collection(name="docs", index=types_pb2.INDEX_KIND_FLAT),
            update_mask={"paths": ["index"]},
        ),
        RULED,
    ),
    "Collections/Switch": (collections_pb2.SwitchCollectionRequest(name="docs", other="docs"), RULED),
    "Collections/Delete": (collections_pb2.DeleteCollectionRequest(name="docs"), RULED),
    "Items/Upsert": (items_pb2.UpsertRequest(collection="docs", items=[ITEM]), WRITES),
    "Items/UpsertStream": (items_pb2.UpsertStreamRequest(collection="docs", items=[ITEM]), WRITES),
    "Items/Get": (items_pb2.GetItemsRequest(collection="docs", keys=["k1"]), READS),
    "Items/GetContent": (items_pb2.GetContentRequest(collection="docs", key="k1"), READS),
    "Items/List": (items_pb2.ListItemsRequest(collection="docs"), READS),
    "Items/Delete": (items_pb2.DeleteItemsRequest(collection="docs", keys=items_pb2.Keys(keys=["x"])), WRITES),
    "Items/Count": (items_pb2.CountItemsRequest(collection="docs"), READS),
    "Search/Search": (SEARCH, READS),
    "Search/SearchStream": (search_pb2.SearchStreamRequest(search=SEARCH), READS),
    "Search/Within": (search_pb2.WithinRequest(collection="docs", query=QUERY, radius=3), READS),
    "Encoding/Encode": (
        encoding_pb2.EncodeRequest(encoder="texts", contents=[types_pb2.Content(text="a")]),
        SHARED,
    ),
    "Encoders/List": (encoders_pb2.ListEncodersRequest(), SHARED),
    "Encoders/Get": (encoders_pb2.GetEncoderRequest(encoder="texts"), SHARED),
    "Encoders/Reconstruct": (
        encoders_pb2.ReconstructRequest(encoder="texts", contents=[types_pb2.Content(text="a")]),
        SHARED,
    ),
    "Encoders/Generate": (encoders_pb2.GenerateRequest(encoder="texts", count=1), SHARED),
    "Encoders/Interpolate": (
        encoders_pb2.InterpolateRequest(
            encoder="texts", first=types_pb2.Content(text="a"), last=types_pb2.Content(text="b"), steps=2
        ),
        SHARED,
    ),
    "Dedup/GetRun": (dedup_pb2.GetDedupRunRequest(job=1), NO_RUN),
    "Dedup/ListRuns": (dedup_pb2.ListDedupRunsRequest(), RULED),
    "Dedup/Why": (dedup_pb2.WhyRequest(collection="docs", key="k1"), READS),
    "Dedup/ListDecisions": (dedup_pb2.ListDedupDecisionsRequest(job=1), NO_RUN),
    "Dedup/ListPairs": (dedup_pb2.ListDedupPairsRequest(job=1), NO_RUN),
    "Dedup/Mark": (dedup_pb2.MarkRequest(collection="docs", one="k1", other="k2"), WRITES),
    "Dedup/Apply": (dedup_pb2.ApplyDedupRequest(job=1), NO_RUN),
    "Dedup/Undo": (dedup_pb2.UndoDedupRequest(job=1), NO_RUN),
    "Jobs/Create": (jobs_pb2.CreateJobRequest(kind=jobs_pb2.JOB_KIND_TRAIN), RULED),
    "Jobs/Get": (jobs_pb2.GetJobRequest(id=1), RULED),
    "Jobs/List": (jobs_pb2.ListJobsRequest(), RULED),
    "Jobs/Cancel": (jobs_pb2.CancelJobRequest(id=1), RULED),
    "Jobs/Watch": (jobs_pb2.WatchJobRequest(id=1), RULED),
    "Jobs/ListDeadLetters": (jobs_pb2.ListDeadLettersRequest(id=1), RULED),
}
EXPECTED = {
    (method, caller): code
    for method, (_, codes) in TABLE.items()
    for caller, code in zip(("reader", "writer", "other", "nobody", "admin"), (*codes, OK)[:5], strict=True)
}


@pytest.fixture
def issued(tmp_path: Path) -> dict[str, str]:
    rows = {name: new_token(name, grants) for name, grants in CALLERS.items()}
    (tmp_path / "tokens.json").write_text(json.dumps([row for _, row in rows.values()]))
    return {name: token for name, (token, _) in rows.items()}


@pytest.fixture
def guarded(store: MemoryStore, issued: dict[str, str], tmp_path: Path) -> Iterator[Server]:
    store.create_collection("docs", encoder="texts")
    store.upsert("docs", [Item("k1", b"text")])
    store.cancel_job(store.create_job(JobKind.TRAIN, {}).id)
    with serve(store, "127.0.0.1:0", tokens=Tokens.read(tmp_path / "tokens.json")) as running:
        yield running


def code_of(address: str, method: str, request: Any, token: str) -> grpc.StatusCode:
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    with grpc.insecure_channel(address) as channel:
        call: Any = channel.stream_stream(f"/hashsvc.v1.{method}")
        try:
            answers = list(call(iter([request.SerializeToString()]), metadata=metadata, timeout=10))
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
    if method == "Search/SearchStream":  # a refused search costs only itself
        [answer] = map(search_pb2.SearchStreamResponse.FromString, answers)
        return next(code for code in grpc.StatusCode if code.value[0] == answer.error.code)
    return grpc.StatusCode.OK


def test_every_method_has_its_row() -> None:
    assert {f"/hashsvc.v1.{method}" for method in TABLE} == {name for name in RULES if name.startswith("/hashsvc")}


@pytest.mark.parametrize(("method", "caller"), EXPECTED)
def test_a_caller_gets_what_the_table_says(guarded: Server, issued: dict[str, str], method: str, caller: str) -> None:
    assert code_of(guarded.address, method, TABLE[method][0], issued[caller]) is EXPECTED[method, caller]


@pytest.mark.parametrize("method", TABLE)
def test_without_a_valid_token_nothing_happens(guarded: Server, store: MemoryStore, method: str) -> None:
    before = repr(store.held)
    for token in ("", "wrong"):
        assert code_of(guarded.address, method, TABLE[method][0], token) is BAD_TOKEN
    assert repr(store.held) == before


def test_forbidden_and_absent_look_alike(guarded: Server, issued: dict[str, str]) -> None:
    def refusal(token: str, name: str) -> tuple[object, ...]:
        with Client(guarded.address, token=token) as client, pytest.raises(errors.NotFound) as caught:
            client.count_items(name)
        error = caught.value
        return error.message.replace(name, "NAME"), error.field, error.reason

    assert refusal(issued["other"], "docs") == refusal(issued["admin"], "absent")


def test_a_search_that_is_refused_costs_only_itself(guarded: Server, issued: dict[str, str]) -> None:
    def asking(tag: int, name: str) -> bytes:
        search = search_pb2.SearchRequest(collection=name, queries=[QUERY], k=1)
        return search_pb2.SearchStreamRequest(tag=tag, search=search).SerializeToString()

    sent = [asking(1, "docs"), asking(2, "other"), b"\xff\xff", asking(3, ""), asking(4, "docs")]
    with grpc.insecure_channel(guarded.address) as channel:
        call: Any = channel.stream_stream("/hashsvc.v1.Search/SearchStream")
        metadata = (("authorization", f"Bearer {issued['reader']}"),)
        answers = map(search_pb2.SearchStreamResponse.FromString, call(iter(sent), metadata=metadata, timeout=10))
        found = [(answer.tag, answer.WhichOneof("result"), answer.error.code) for answer in answers]
    assert found == [(1, "answer", 0), (2, "error", 5), (0, "error", 3), (3, "error", 3), (4, "answer", 0)]


def test_a_listing_shows_only_what_may_be_read(guarded: Server, store: MemoryStore, issued: dict[str, str]) -> None:
    store.create_collection("elsewhere", bits=8)
    names = {}
    for caller in ("reader", "other", "admin"):
        with Client(guarded.address, token=issued[caller]) as client:
            names[caller] = [collection.name for collection in client.collections()]
    assert names == {"reader": ["docs"], "other": ["elsewhere"], "admin": ["docs", "elsewhere"]}


def test_health_asks_for_no_token(guarded: Server) -> None:
    from tests.server.test_serving import health

    with grpc.insecure_channel(guarded.address) as channel:
        assert health(channel) == 1


def test_only_digests_are_kept(issued: dict[str, str], tmp_path: Path) -> None:
    kept = (tmp_path / "tokens.json").read_text()
    assert not any(token in kept for token in issued.values())


@pytest.mark.parametrize("text", ["", "{}x", '[{"name": "a"}]', '[{"name": "a", "sha256": "12", "grants": {}}]', "[1]"])
def test_a_bad_token_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokens.json").write_text(text)
    with pytest.raises(errors.InvalidArgument) as caught:
        Tokens.read(tmp_path / "tokens.json")
    assert caught.value.field == "tokens"


def test_beyond_loopback_somebody_must_be_kept_out_or_it_must_be_said(store: MemoryStore) -> None:
    with pytest.raises(errors.FailedPrecondition) as caught:
        serve(store, "0.0.0.0:0")
    assert caught.value.reason == "OPEN_TO_ANYONE"
    with serve(store, "0.0.0.0:0", anyone=True) as running, Client(f"127.0.0.1:{running.address[8:]}") as client:
        assert client.collections() == []


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pems")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    for name in ("server", "client"):
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names"]
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)
    return folder


def test_tls(store: MemoryStore, pems: Path) -> None:
    tls = server.Tls(pems / "server.pem", pems / "server.key")
    with serve(store, "127.0.0.1:0", tls=tls) as running:
        with Client(running.address, tls=clients.Tls(pems / "ca.pem")) as client:
            assert client.collections() == []
        with Client(running.address, timeout=2) as plain, pytest.raises(errors.HashsvcError):
            plain.collections()


def test_mutual_tls_lets_only_those_in_who_are_vouched_for(store: MemoryStore, pems: Path) -> None:
    tls = server.Tls(pems / "server.pem", pems / "server.key", pems / "ca.pem")
    with serve(store, "127.0.0.1:0", tls=tls) as running:
        known = clients.Tls(pems / "ca.pem", pems / "client.pem", pems / "client.key")
        with Client(running.address, tls=known) as client:
            assert client.collections() == []
        unknown = Client(running.address, tls=clients.Tls(pems / "ca.pem"), timeout=2)
        with unknown as stranger, pytest.raises(errors.HashsvcError):
            stranger.collections()


def test_an_absent_certificate_is_named(store: MemoryStore, tmp_path: Path) -> None:
    for start in (
        lambda: serve(store, "127.0.0.1:0", tls=server.Tls(tmp_path / "no.pem", tmp_path / "no.key")),
        lambda: Client("127.0.0.1:1", tls=clients.Tls(key=tmp_path / "no.key")),
    ):
        with pytest.raises(errors.InvalidArgument) as caught:
            start()
        assert caught.value.field == "key"
