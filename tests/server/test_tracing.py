"""Spans of a call and of what it needs, where somebody asks for them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hashsvc import spans
from hashsvc.app import open_store
from hashsvc.domain.items import Item
from hashsvc.errors import FailedPrecondition
from hashsvc.server import serve, trace
from hashsvc.v1 import search_pb2, search_pb2_grpc

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def exported() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace(provider)
    yield exporter
    spans.watch(None)
    provider.shutdown()


def test_a_search_shows_its_parts_in_the_trace_of_its_caller(tmp_path: Path, exported: InMemorySpanExporter) -> None:
    with open_store(str(tmp_path / "store"), eager=False) as store:
        store.create_collection("codes", bits=64)
        store.upsert("codes", [Item("a", code=bytes(8))])
        exported.clear()
        with serve(store, "127.0.0.1:0") as server, grpc.insecure_channel(server.address) as channel:
            request = search_pb2.SearchRequest(collection="codes", k=1, queries=[search_pb2.Query(code=bytes(8))])
            carried = (("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"),)
            search_pb2_grpc.SearchStub(channel).Search(request, metadata=carried)
    found: dict[str, ReadableSpan] = {one.name: one for one in exported.get_finished_spans()}
    call, search = found["hashsvc.v1.Search/Search"], found["index.search"]
    assert call.context is not None
    assert search.parent is not None
    assert format(call.context.trace_id, "032x") == TRACE
    assert search.parent.span_id == call.context.span_id
    assert any(one.parent == call.context for one in exported.get_finished_spans() if one.name == "sql.read")


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.propagate", None)
    with pytest.raises(FailedPrecondition, match=r"hashsvc\[tracing\]"):
        trace()
