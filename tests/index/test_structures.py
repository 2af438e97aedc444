"""What the FAISS kinds search by: how much they find, what they leave to an exact pass, what is published of them."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from hashsvc.domain.kinds import IndexKind
from hashsvc.index import Audit, LiveIndex, kinds, publish
from hashsvc.index.audit import recall
from hashsvc.index.faisskinds import FaissStructure, faiss_module
from tests.index.filling import big
from tests.index.oracle import clustered


@pytest.mark.parametrize("kind", [IndexKind.IVF, IndexKind.HNSW])
def test_approximate_kinds_recall_audit_and_never_break_a_filter(
    kind: IndexKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(kinds.APPROXIMATE_FROM, kind, 10_000)
    reported: list[float] = []
    live = LiveIndex(64, kind, audit=Audit(1.0, reported.append))
    codes = clustered(np.random.default_rng(5), 20_000, 64)
    live.apply(np.arange(20_000), codes, np.arange(0, 20_000, 7), 1)
    assert live.merge()
    assert not live.merge()
    view, queries = live.view(), codes[:40]
    found, truth = view.search(queries, 10), view.search(queries, 10, exact=True)
    assert (found.exact, truth.exact) == (False, True)
    assert reported == [recall(found, truth)]
    assert reported[0] > 0.8
    assert recall(view.search(queries, 10, effort=4000), truth) >= 0.99
    allowed = np.arange(1, 20_000, 9)
    some = view.search(queries, 10, allowed)
    assert set(some.ids.tolist()) <= set(allowed.tolist())
    assert np.array_equal(some.ids, view.search(queries, 10, allowed, exact=True).ids)


def test_faiss_starts_no_threads_of_its_own() -> None:
    faiss = faiss_module()
    view, query, threads = big(IndexKind.FLAT, 9_000).view(), np.zeros((1, 8), np.uint8), []

    def both() -> None:
        for ask in (view.within, view.search):
            faiss.omp_set_num_threads(4)
            ask(query, 3)
            threads.append(faiss.omp_get_max_threads())

    # What is set holds for the thread that sets it.
    asking = threading.Thread(target=both)
    asking.start()
    asking.join()
    assert view.held[0].segment.structure is not None
    assert threads == [1, 1]


def test_what_a_graph_would_slow_down_is_answered_exactly() -> None:
    live = big(IndexKind.HNSW, 12_000)
    live.merge()
    view = live.view()
    assert view.held[0].segment.structure is None
    assert view.search(np.zeros((1, 8), np.uint8), 10).exact


def test_a_filter_leaves_k_when_k_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kinds.APPROXIMATE_FROM, IndexKind.HNSW, 10_000)
    live = big(IndexKind.HNSW, 12_000)
    assert live.merge()
    view = live.view()
    for count in (1, 5, 10, 1000, 11_999):
        found = view.search(np.zeros((1, 8), np.uint8), 10, np.arange(count))
        assert len(found.ids) == min(10, count)


@pytest.mark.parametrize("kind", [IndexKind.TABLES, IndexKind.FLAT, IndexKind.IVF])
def test_what_a_kind_searches_by_is_published_with_it(kind: IndexKind, tmp_path: Path) -> None:
    live = big(kind, 12_000)
    live.merge(everything=True)
    publish(live.view(), tmp_path)
    first = publish(live.view(), tmp_path)
    back = LiveIndex.from_snapshot(tmp_path, kind)
    segment = back.view().held[0].segment
    assert (segment.tables is not None, segment.structure is not None) == (kind is IndexKind.TABLES, kind != "tables")
    assert (first / "0-blocks.bin").stat().st_nlink == 2
    queries = clustered(np.random.default_rng(5), 9, 64)
    assert np.array_equal(back.view().search(queries, 10).ids, live.view().search(queries, 10).ids)
    publish(back.view(), tmp_path)
    assert LiveIndex.from_snapshot(tmp_path, IndexKind.AUTO).view().items == 12_000


def test_a_structure_that_is_published_is_linked_not_made_into_bytes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = big(IndexKind.FLAT, 9_000)
    publish(live.view(), tmp_path)

    def refuse(structure: FaissStructure) -> None:
        pytest.fail(f"the {structure.kind} structure was made into bytes")

    monkeypatch.setattr(FaissStructure, "to_bytes", refuse)
    second = publish(live.view(), tmp_path)
    assert (second / "0-faiss_flat.bin").stat().st_nlink == 2
