"""The one claim about the family of autoencoders that needs no data set: the benchmark's own row, or a sixth of it."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.long import rounds

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_six_numbers_of_an_autoencoder_say_more_of_a_curve_than_eighteen_of_pca(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    deep = importlib.import_module("members.deep")
    [row] = deep.curves(0, rounds(10_000, 60_000)).values()
    assert row.ours < rounds(100, 52) / 100
