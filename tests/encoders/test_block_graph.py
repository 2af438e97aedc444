"""Neighbours by dense products are those of the sparse way: exactly where neighbours are counted."""

from __future__ import annotations

import numpy as np
import pytest

from hashsvc.encoders import block_graph, graph
from hashsvc.encoders.training_set import HOST


@pytest.mark.parametrize(("items", "listed", "kept"), [(50, 6, 5), (300, 40, 20), (900, 40, 8), (7, 4, 9)])
@pytest.mark.parametrize("hub", [2_000, 42])
def test_shared_neighbours_are_the_same(
    items: int, listed: int, kept: int, hub: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_graph, "BLOCK", 128)
    for module in (block_graph, graph):
        monkeypatch.setattr(module, "HUB", hub)
    candidates = np.random.default_rng(items).integers(0, items, (items, listed))
    here = graph.shared(candidates, kept).neighbours
    assert (block_graph.shared_in_blocks(candidates, kept, HOST).neighbours == here).all()


def test_nearest_rows_are_the_same() -> None:
    values = np.random.default_rng(0).normal(size=(500, 16)).astype(np.float32)
    found = block_graph.nearest_in_blocks(values, 20, HOST)
    assert (found == graph.nearest(values, 20)).mean() > 0.999
    assert (found != np.arange(500)[:, None]).all()
