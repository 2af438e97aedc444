"""Names of files that are no UTF-8, as old archives bring them: each costs itself, and is told as one can read it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hashsvc import ingest
from hashsvc.catalog import migrate, open_catalog
from hashsvc.domain.jobs import Counts
from hashsvc.errors import InvalidArgument
from hashsvc.ingest import IngestSpec
from tests.ingest.test_ingest import run_all, settled
from tests.ingest.workplace import Workplace, text, workplace, write_rows


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    with workplace(tmp_path) as made:
        yield made


def latin(folder: Path, name: bytes) -> Path:
    return Path(os.fsdecode(os.fsencode(folder) + b"/" + name))


def test_a_file_with_such_a_name_costs_itself(place: Workplace) -> None:
    folder = place.folder / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text(text(1))
    latin(folder, b"caf\xe9.txt").write_text(text(2))
    spec = IngestSpec((str(folder),))
    job = settled(place, run_all(place.bench(spec), ingest.plan(place.catalog, place.collection, spec)))
    for _ in range(2):
        assert job.counts == Counts(2, 1, 0, 1)
        [letter] = place.catalog.jobs.dead_letters(job)
        assert (letter.source, letter.key) == (f"{folder}/caf\\xe9.txt", "caf\\xe9.txt")
        assert "rename it" in letter.reason
        job = ingest.plan_again(place.catalog, place.collection, job)
        job = settled(place, run_all(place.bench(spec), job))


def test_tables_with_such_names_are_read_and_told(place: Workplace) -> None:
    folder = latin(place.folder, b"ann\xe9e")
    folder.mkdir()
    path = write_rows(latin(folder, b"caf\xe9.jsonl"), 20, bad=[4, 7])
    with pytest.raises(InvalidArgument, match="by a pattern"):
        IngestSpec((str(path),)).open(place.collection)
    spec = IngestSpec((f"{place.folder}/ann*/*.jsonl",))
    job = settled(place, run_all(place.bench(spec), ingest.plan(place.catalog, place.collection, spec)))
    assert job.counts == Counts(20, 18, 0, 2)
    letters = place.catalog.jobs.dead_letters(job)
    assert {letter.source for letter in letters} == {f"{place.folder}/ann\\xe9e/caf\\xe9.jsonl"}
    write_rows(path, 20)
    job = ingest.plan_again(place.catalog, place.collection, job)
    assert settled(place, run_all(place.bench(spec), job)).counts == Counts(20, 20, 0, 0)


def test_a_backup_keeps_the_units_of_such_files(place: Workplace) -> None:
    folder = place.folder / "texts"
    folder.mkdir()
    latin(folder, b"caf\xe9.txt").write_text(text(2))
    job = ingest.plan(place.catalog, place.collection, IngestSpec((str(folder),)))
    known = place.catalog.dump(place.folder / "dump")
    migrate(f"sqlite:///{place.folder / 'other.sqlite3'}")
    other = open_catalog(f"sqlite:///{place.folder / 'other.sqlite3'}")
    other.load(place.folder / "dump", known)
    assert [unit.spec for unit in other.jobs.units(job)] == [unit.spec for unit in place.catalog.jobs.units(job)]
    other.close()
