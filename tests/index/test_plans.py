"""Plans say what answers for each part, and why."""

from __future__ import annotations

import numpy as np
import pytest

from hashsvc.domain.kinds import IndexKind
from hashsvc.index import LiveIndex, kinds
from hashsvc.index.kernel import compiled
from tests.index.filling import NONE, big


def test_plans_name_the_pass_and_the_reason() -> None:
    view = big(IndexKind.AUTO).view()
    assert {"scan", "tables"} <= set(view.explain()[0].microseconds)
    assert view.explain(radius=1)[0].chosen == "tables"
    assert view.explain(radius=60)[0].chosen == "scan"
    assert view.explain(1000, allowed=np.arange(10))[0].chosen == "gather"
    assert view.explain(64, allowed=np.arange(50_000))[0].chosen in {"scan", "tables"}
    assert "chose" in big(IndexKind.FLAT, 9_000).view().explain()[-1].reason


def told(live: LiveIndex, radius: int | None = None, allowed: np.ndarray | None = None) -> list[tuple[str, str]]:
    return [(step.part, step.chosen) for step in live.view().explain(radius=radius, allowed=allowed)]


def test_plans_name_what_answers_for_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.random.default_rng(8).integers(0, 256, (9_000, 8), dtype=np.uint8)

    def index(kind: IndexKind) -> LiveIndex:
        live = LiveIndex(64, kind)
        live.apply(np.arange(9_000), codes, NONE, 1)
        live.apply(np.arange(9_000, 9_010), codes[:10], NONE, 2)
        live.merge()
        return live

    assert told(index(IndexKind.TABLES)) == [("segment 0", "tables"), ("tail", "scan")]
    assert told(index(IndexKind.TABLES), allowed=np.arange(9_000, 9_003)) == [("tail", "scan")]
    assert told(index(IndexKind.FLAT)) == [("segment 0", "flat"), ("tail", "scan")]
    assert told(index(IndexKind.FLAT), 3) == [("segment 0", "flat"), ("tail", "scan")]
    assert told(index(IndexKind.HNSW)) == [("segment 0", "scan"), ("tail", "scan")]
    monkeypatch.setitem(kinds.APPROXIMATE_FROM, IndexKind.IVF, 1_000)
    live = index(IndexKind.IVF)
    assert told(live) == [("segment 0", "ivf"), ("tail", "scan")]
    assert "miss" in live.view().explain()[0].reason
    assert told(live, 3) == [("segment 0", "scan"), ("tail", "scan")]
    assert told(live, None, np.arange(10))[0][1] in {"gather", "scan"}
    assert told(live, None, np.arange(9_010)) == [("segment 0", "ivf"), ("tail", "scan")]
    monkeypatch.setitem(kinds.TABLES_FROM, IndexKind.TABLES, 10_000)
    step = index(IndexKind.TABLES).view().explain()[0]
    assert (step.chosen, step.codes, "small" in step.reason) == ("scan", 9_000, True)
    assert index(IndexKind.TABLES).memory().tables == 0


@pytest.mark.parametrize("kind", [IndexKind.AUTO, IndexKind.TABLES, IndexKind.IVF])
def test_plans_tell_an_index_without_a_kernel(kind: IndexKind, monkeypatch: pytest.MonkeyPatch) -> None:
    assert big(IndexKind.REFERENCE, 500).view().explain()[0].reason == "the collection chose this kind"
    monkeypatch.setattr(compiled._State, "ready", {})
    monkeypatch.setattr(compiled._State, "failure", "this process has not warmed the kernel")
    step = big(kind, 500).view().explain()[0]
    assert (step.chosen, step.reason) == (
        "reference",
        "plain numpy compares every code: this process has not warmed the kernel",
    )
