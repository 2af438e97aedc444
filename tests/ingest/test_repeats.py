"""Keys that occur in several units of a job: the first in the plan is stored, in whatever order the units commit."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from hashsvc import ingest
from hashsvc.catalog import Catalog, open_catalog
from hashsvc.catalog.tables import job_keys
from hashsvc.content import Blobs
from hashsvc.domain.collections import Collection
from hashsvc.domain.jobs import Counts, Job, Unit
from hashsvc.domain.kinds import ContentMode, Kind
from hashsvc.ingest import Bench, IngestSpec
from hashsvc.ingest.unit import Batch, compare, encoded, kept, read, store

ROWS = 5
Rows = Sequence[tuple[str, int]]


@dataclass
class Place:
    """A catalog with collections of codes, and files of rows of a key and a code."""

    catalog: Catalog
    folder: Path

    def collection(self, name: str) -> Collection:
        self.catalog.collections.create(Collection(name, Kind.CODE, 32, content=ContentMode.NONE))
        return self.catalog.collections.get(name)

    def write(self, rows: Rows, name: str = "rows.jsonl") -> str:
        lines = [json.dumps({"id": key, "code": f"{value:08x}"}) + "\n" for key, value in rows]
        (self.folder / name).write_text("".join(lines))
        return str(self.folder / name)

    def planned(self, held: Collection, sources: Sequence[str], rows: int = ROWS) -> tuple[Job, Bench]:
        spec = IngestSpec(tuple(sources), rows=rows)
        job = ingest.plan(self.catalog, held, spec)
        return job, Bench(self.catalog, Blobs(str(self.folder / "blobs")), held, None, spec.open(held))

    def held(self, held: Collection) -> dict[str, int]:
        return {item.key: int.from_bytes(item.code, "big") for item in self.catalog.items.list(held, limit=10_000)}

    def letters(self, job: Job) -> list[tuple[int, str | None, int]]:
        letters = self.catalog.jobs.dead_letters(job)
        assert all("occurs twice" in letter.reason for letter in letters)
        return sorted((letter.row, letter.key, letter.unit) for letter in letters)

    def check_counts(self, job: Job) -> Counts:
        counts = self.catalog.jobs.get(job).counts
        units = self.catalog.jobs.units(job)
        assert counts == sum((unit.counts for unit in units), Counts())
        assert all(one.read == one.stored + one.unchanged + one.dead for one in (counts, *(u.counts for u in units)))
        letters = self.catalog.jobs.dead_letters(job)
        assert all(unit.counts.dead == sum(letter.unit == unit.number for letter in letters) for unit in units)
        return counts

    def settled(self, job: Job) -> None:
        self.catalog.leases.claim("me", 60, job)
        self.catalog.leases.finish(job, "me", {})


@pytest.fixture
def place(catalog_url: str, tmp_path: Path) -> Iterator[Place]:
    catalog = open_catalog(catalog_url)
    yield Place(catalog, tmp_path)
    catalog.close()


def firsts(rows: Rows) -> dict[str, int]:
    return dict(reversed(rows))


def run_all(bench: Bench, units: Sequence[Unit], rng: random.Random | None = None) -> None:
    """Run units in order; with a generator in any order, each compared with what is held some commits too early."""
    if rng is None:
        for unit in units:
            ingest.run_unit(bench, unit)
        return
    begun: list[Batch] = []
    waiting = list(units)
    rng.shuffle(waiting)
    while waiting or begun:
        if waiting and (not begun or rng.random() < 0.5):
            begun.append(encoded(bench, compare(bench, read(bench, waiting.pop()))))
        else:
            store(bench, kept(bench, begun.pop(rng.randrange(len(begun)))))


@pytest.mark.parametrize("seed", range(4))
def test_the_first_in_the_plan_is_stored_in_any_order(place: Place, seed: int) -> None:
    rng = random.Random(seed)
    rows = [(f"k{rng.randrange(30)}", rng.randrange(4)) for _ in range(60)]
    source = place.write(rows)
    held = place.collection("things")
    before = {f"k{n}": rng.randrange(4) for n in range(0, 30, 2)}
    job, bench = place.planned(held, [place.write(list(before.items()), "before.jsonl")])
    run_all(bench, place.catalog.jobs.units(job))
    place.settled(job)
    job, bench = place.planned(held, [source])
    run_all(bench, place.catalog.jobs.units(job), rng)
    assert place.held(held) == before | firsts(rows)
    counts = place.check_counts(job)
    later = [row for row, (key, _) in enumerate(rows) if key in {other for other, _ in rows[:row]}]
    assert place.letters(job) == [(row, rows[row][0], row // ROWS) for row in later]
    assert (counts.read, counts.dead) == (len(rows), len(later))
    place.settled(job)
    watermark = place.catalog.collections.get("things").watermark
    again, bench = place.planned(held, [source])
    assert again.id != job.id
    run_all(bench, place.catalog.jobs.units(again))
    assert place.check_counts(again) == Counts(60, 0, 60 - len(later), len(later))
    assert place.catalog.collections.get("things").watermark == watermark, "a second run is quiet"


def test_a_late_winner_puts_back_what_it_found_unchanged(place: Place) -> None:
    held = place.collection("things")
    first, second = place.write([("k", 1), ("a", 1)], "1.jsonl"), place.write([("b", 1), ("k", 2)], "2.jsonl")
    job, bench = place.planned(held, [first])
    run_all(bench, place.catalog.jobs.units(job))
    job, bench = place.planned(held, [first, second])
    early, late = (encoded(bench, compare(bench, read(bench, unit))) for unit in place.catalog.jobs.units(job))
    store(bench, late)
    assert place.held(held)["k"] == 2
    store(bench, early)
    assert place.held(held) == {"k": 1, "a": 1, "b": 1}
    assert place.check_counts(job) == Counts(4, 2, 1, 1)
    [letter] = place.catalog.jobs.dead_letters(job)
    assert (letter.source, letter.row, letter.unit, letter.key) == (second, 1, 1, "k")


def test_a_retry_leaves_repeated_keys_dead(place: Place) -> None:
    held = place.collection("things")
    source = place.write([(f"k{n % 8}", n) for n in range(16)])
    job, bench = place.planned(held, [source])
    for unit in reversed(place.catalog.jobs.units(job)):
        ingest.run_unit(bench, unit)
    place.settled(job)
    expected = place.held(held)
    job = ingest.plan_again(place.catalog, held, place.catalog.jobs.get(job))
    run_all(bench, [unit for unit in place.catalog.jobs.units(job) if not unit.done])
    assert place.held(held) == expected == {f"k{n}": n for n in range(8)}
    assert place.check_counts(job) == Counts(16, 8, 0, 8)


def test_keys_are_forgotten_with_the_job_and_never_noted_where_they_are_places(place: Place) -> None:
    def noted() -> int:
        with place.catalog.jobs._database.reading() as connection:
            return len(connection.execute(job_keys.select()).all())

    held = place.collection("things")
    job, bench = place.planned(held, [place.write([(f"k{n}", n) for n in range(12)])])
    run_all(bench, place.catalog.jobs.units(job))
    assert noted() == 12
    place.settled(job)
    assert noted() == 0
    (place.folder / "rows.csv").write_text("code\n" + "".join(f"{n:08x}\n" for n in range(12)))
    job, bench = place.planned(held, [str(place.folder / "rows.csv")])
    run_all(bench, place.catalog.jobs.units(job))
    assert noted() == 0, "a row number occurs once"
    assert place.check_counts(job) == Counts(12, 12)


def test_the_first_row_that_can_be_stored_has_the_key(place: Place) -> None:
    held = place.collection("things")
    lines = ['{"id": "k", "code": "00"}', '{"id": "k", "code": "00000001"}', '{"id": "k", "code": "00000002"}']
    (place.folder / "rows.jsonl").write_text("\n".join(lines) + "\n")
    for rows in (1, 3):
        job, bench = place.planned(held, [str(place.folder / "rows.jsonl")], rows)
        run_all(bench, place.catalog.jobs.units(job))
        assert place.held(held) == {"k": 1}
        assert [letter.row for letter in place.catalog.jobs.dead_letters(job)] == [0, 2]
        place.settled(job)
