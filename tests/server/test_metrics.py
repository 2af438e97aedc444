"""Metrics: what happened is counted, and read over HTTP."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from hashsvc import errors
from hashsvc.app import open_store
from hashsvc.client import Client
from hashsvc.domain.items import Item
from hashsvc.domain.queries import CodeQuery
from hashsvc.server import Page, Server, serve
from tests.server.memory import MemoryStore


def test_calls_are_counted_by_method_and_code(server: Server) -> None:
    with Client(server.address) as client:
        client.create_collection("codes", bits=8)
        client.upsert("codes", [Item("a", code=b"x")])
        for _ in range(3):
            client.count_items("codes")
        with pytest.raises(errors.NotFound):
            client.count_items("nobody")
        list(client.upsert_stream("codes", [Item("b", code=b"y")]))
    lines = server.metrics.text().splitlines()
    method = 'method="/hashsvc.v1.Items/Count"'
    assert f'hashsvc_calls_total{{{method},code="OK"}} 3' in lines
    assert f'hashsvc_calls_total{{{method},code="NOT_FOUND"}} 1' in lines
    assert f"hashsvc_call_seconds_count{{{method}}} 4" in lines
    assert 'hashsvc_calls_total{method="/hashsvc.v1.Items/UpsertStream",code="OK"} 1' in lines
    assert 'hashsvc_collection_items{collection="codes"} 2' in lines
    assert 'hashsvc_lane_calls{lane="search",state="waiting"} 0' in lines


def test_the_page_is_read_over_http(store: MemoryStore, server: Server) -> None:
    store.create_collection("codes", bits=8)
    page = Page(server.metrics, "127.0.0.1:0")
    try:
        with urllib.request.urlopen(f"http://{page.address}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert text == server.metrics.text()
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"http://{page.address}/other", timeout=5)
        caught.value.close()
    finally:
        page.close()


def test_the_page_needs_an_address_of_its_own(server: Server) -> None:
    with pytest.raises(errors.InvalidArgument):
        Page(server.metrics, "nowhere")
    with pytest.raises(errors.Unavailable):
        Page(server.metrics, server.address)


def test_live_indexes_say_what_they_hold(tmp_path: Path) -> None:
    with open_store(str(tmp_path), eager=False) as store:
        store.create_collection("codes", bits=64)
        store.upsert("codes", [Item(f"k{n}", code=n.to_bytes(8, "big")) for n in range(100)])
        with serve(store, "127.0.0.1:0") as running, Client(running.address) as client:
            client.search("codes", [CodeQuery(bytes(8))], k=3)
            lines = running.metrics.text().splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if line.startswith("hashsvc_"))
    assert values['hashsvc_index_lag{collection="codes"}'] == "0"
    assert int(values['hashsvc_index_bytes{collection="codes"}']) > 100 * 8
    assert values['hashsvc_index_recall{collection="codes"}'] == "1.0"
    assert values['hashsvc_batch_questions_bucket{le="1"}'] == "1"
    assert values["hashsvc_batch_questions_count"] == "1"
