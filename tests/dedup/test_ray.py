"""Dedup on Ray: the decisions of one process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hashsvc.app import dedup, open_store
from hashsvc.app.running import Hands
from hashsvc.domain.jobs import Runner
from tests.dedup.conftest import planted
from tests.dedup.test_runs import SPEC

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_actors_decide_what_one_process_decides(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="the extra [ray] is not installed")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    with open_store(str(trained)) as store:
        store.create_collection("texts", encoder="toy")
        store.upsert("texts", planted())
        plain = dedup.run(store, SPEC)
        found = dedup.run(store, SPEC, Hands(Runner.RAY, processes=2))
        assert found.job != plain.job
        assert found.digest == plain.digest
        store.delete_collection("texts")
