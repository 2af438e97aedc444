"""Files that were cut off: what can be read is stored, and once they are mended a retry reads on from there."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hashsvc import ingest
from hashsvc.domain.jobs import Counts
from hashsvc.ingest import IngestSpec
from tests.ingest.test_ingest import run_all, settled
from tests.ingest.workplace import Workplace, text, workplace


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    with workplace(tmp_path) as made:
        yield made


def packed(name: str, rows: list[dict[str, Any]]) -> bytes:
    """The rows as a file of the format that its name says."""
    if name.endswith(".tar"):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for row in rows:
                for suffix, content in (("json", json.dumps({"part": row["part"]})), ("txt", row["text"])):
                    info = tarfile.TarInfo(f"{row['id']}.{suffix}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content.encode()))
        return out.getvalue()
    if ".csv" in name:
        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0])
        writer.writeheader()
        writer.writerows(rows)
        lines = text.getvalue()
    else:
        lines = "".join(json.dumps(row) + "\n" for row in rows)
    return gzip.compress(lines.encode(), mtime=0) if name.endswith(".gz") else lines.encode()


@pytest.mark.parametrize("name", ["r.jsonl.gz", "r.csv.gz", "r.tar", "r.jsonl"])
@pytest.mark.parametrize(("share", "again"), [(0.501, 0.8), (0.7, 0.3)])
def test_a_file_that_was_cut_off_is_read_on_after_mending(
    place: Workplace, name: str, share: float, again: float
) -> None:
    chance = random.Random(7)
    rows: list[dict[str, Any]] = [
        {"id": f"r{i}", "text": f"{text(i)} {chance.randbytes(40).hex()}", "part": i % 3} for i in range(400)
    ]
    rows[3]["text"] = ""
    path, whole = place.folder / name, packed(name, rows)
    path.write_bytes(whole[: int(len(whole) * share)])
    spec = IngestSpec((str(path),), rows=30)
    job = settled(place, run_all(place.bench(spec), ingest.plan(place.catalog, place.collection, spec)))
    assert 0 < job.counts.stored < 400
    for length in (again, 1.0):
        path.write_bytes(whole[: int(len(whole) * length)])
        stored = job.counts.stored
        job = ingest.plan_again(place.catalog, place.collection, job)
        job = settled(place, run_all(place.bench(spec), job))
        assert place.counts_add_up(job)
        assert job.counts.stored >= stored
    letters = place.catalog.jobs.dead_letters(job)
    assert [(letter.row, letter.rest) for letter in letters] == [(3, False)]
    assert (job.counts.stored, job.counts.dead) == (399, 1)
    assert place.catalog.items.count(place.collection) == 399
    held = place.catalog.items.get(place.collection, [row["id"] for row in rows if row["text"]])
    assert [item.metadata["part"] for item in held] == [row["part"] for row in rows if row["text"]]


def test_a_retry_keeps_the_limit_of_its_job(place: Workplace) -> None:
    rows: list[dict[str, Any]] = [{"id": f"r{i}", "text": text(i), "part": i % 3} for i in range(400)]
    path, whole = place.folder / "r.jsonl.gz", packed("r.jsonl.gz", rows)
    path.write_bytes(whole[: len(whole) // 2])
    spec = IngestSpec((str(path),), rows=30, limit=300)
    job = settled(place, run_all(place.bench(spec), ingest.plan(place.catalog, place.collection, spec)))
    assert job.counts.stored < 300
    path.write_bytes(whole)
    job = settled(place, run_all(place.bench(spec), ingest.plan_again(place.catalog, place.collection, job)))
    assert job.counts == Counts(300, 300, 0, 0)
