"""Bulk ingest over a store: whoever does the work, the collection is the same; mended rows are retried in their job."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hashsvc.app import open_store
from hashsvc.app.bulk import ingest_sources, preview, retry
from hashsvc.app.running import Hands
from hashsvc.domain.jobs import Counts, JobState, Runner
from hashsvc.domain.kinds import ContentMode, Kind
from hashsvc.errors import FailedPrecondition
from tests.ingest.workplace import text, write_rows


@pytest.mark.parametrize(
    "hands",
    [Hands(), Hands(helpers=1), Hands(Runner.PROCESSES, 2), Hands(Runner.PROCESSES, 1, helpers=1)],
    ids=["inline", "helpers", "processes", "processes with helpers"],
)
def test_whoever_works_the_collection_is_the_same(tmp_path: Path, hands: Hands) -> None:
    path = write_rows(tmp_path / "rows.jsonl", 120, bad=[4, 5])
    with open_store(str(tmp_path / "store")) as store:
        clean = write_rows(tmp_path / "clean.jsonl", 120)
        version = store.train("tiny", [str(clean)], kind=Kind.TEXT, bits=32, model="itq")
        for name in ("ours", "plain"):
            store.create_collection(name, encoder=version.label, content=ContentMode.NONE)
        seen = preview(store, "ours", [str(path)])
        assert (seen.units, len(seen.rows), store.jobs()) == (1, 10, [])
        job = ingest_sources(store, "ours", [str(path)], hands=hands)
        assert (job.state, job.counts) == (JobState.DONE, Counts(120, 118, 0, 2))
        ingest_sources(store, "plain", [str(path)])
        digests = {store.catalog.items.digest(store.collection(name)) for name in ("ours", "plain")}
        assert len(digests) == 1
        lines = path.read_text().splitlines()
        lines[4] = json.dumps({"id": "row-4", "text": text(4), "part": 1})
        path.write_text("\n".join(lines) + "\n")
        job = retry(store, job.id, hands)
        assert (job.state, job.counts) == (JobState.DONE, Counts(120, 119, 0, 1))
        assert [item.key for item in store.get_items("ours", ["row-4"])] == ["row-4"]
        if hands.processes > 1 or hands.helpers:
            return
        path.write_text("\n".join([*lines[:5], json.dumps({"id": "row-5", "text": "mended"}), *lines[6:]]) + "\n")
        assert retry(store, job.id, hands).counts == Counts(120, 120, 0, 0)
        with pytest.raises(FailedPrecondition, match="no dead letters"):
            retry(store, job.id, hands)
