"""Ingest end to end: plan, run, run again; counts add up, bad rows cost themselves, nothing is lost or doubled."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hashsvc import ingest
from hashsvc.domain.collections import Collection
from hashsvc.domain.items import content_hash
from hashsvc.domain.jobs import Counts, Job, JobState
from hashsvc.domain.kinds import ContentMode, Kind
from hashsvc.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound
from hashsvc.ingest import Bench, IngestSpec
from tests.ingest.workplace import Workplace, text, tiny_encoder, workplace, write_rows


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    with workplace(tmp_path) as made:
        yield made


def run_all(bench: Bench, job: Job, order: random.Random | None = None, *, again: bool = False) -> Job:
    units = [unit for unit in bench.catalog.jobs.units(job) if again or not unit.done]
    if order:
        order.shuffle(units)
    for unit in units:
        ingest.run_unit(bench, unit)
    return bench.catalog.jobs.get(job)


def test_every_row_is_stored_with_its_code(place: Workplace) -> None:
    spec = IngestSpec((str(write_rows(place.folder / "rows.jsonl", 300)),), rows=64)
    job = run_all(place.bench(spec), ingest.plan(place.catalog, place.collection, spec))
    assert job.counts == Counts(300, 300, 0, 0)
    assert (job.units, job.units_done) == (5, 5)
    encoder = tiny_encoder()
    expected = encoder.encode([encoder.decode(text(i).encode()) for i in range(300)])
    held = place.catalog.items.get(place.collection, [f"row-{i}" for i in range(300)])
    assert np.array_equal(np.array([list(item.code) for item in held], np.uint8), expected)
    assert [item.content_hash for item in held] == [content_hash(text(i).encode()) for i in range(300)]
    assert [item.metadata["part"] for item in held] == [i % 3 for i in range(300)]


def test_running_again_changes_nothing(place: Workplace) -> None:
    spec = IngestSpec((str(write_rows(place.folder / "rows.jsonl", 200, bad=[7, 8])),), rows=50)
    run_all(place.bench(spec), ingest.plan(place.catalog, place.collection, spec))
    before = place.digest(), place.catalog.collections.get("texts").watermark
    job = ingest.plan(place.catalog, place.collection, spec)
    bench = place.bench(spec)
    again = run_all(bench, job)
    assert again.counts == Counts(200, 0, 198, 2)
    with pytest.raises(Aborted, match="is done"):
        run_all(bench, job, again=True)
    assert place.catalog.jobs.get(job).counts == again.counts
    assert (place.digest(), place.catalog.collections.get("texts").watermark) == before
    assert place.counts_add_up(job)


def test_the_outcome_does_not_depend_on_units_or_their_order(place: Workplace, tmp_path: Path) -> None:
    path = str(write_rows(place.folder / "rows.jsonl", 250, bad=[3, 100]))
    digests = set()
    for seed, rows in enumerate((1000, 64, 17)):
        with workplace(tmp_path / str(seed)) as other:
            spec = IngestSpec((path,), rows=rows)
            job = ingest.plan(other.catalog, other.collection, spec)
            run_all(other.bench(spec), job, random.Random(seed))
            digests.add(other.digest())
    assert len(digests) == 1


def test_bad_rows_cost_exactly_themselves_and_come_back_mended(place: Workplace) -> None:
    bad = [5, 8, 150]
    path = write_rows(place.folder / "rows.jsonl", 2000, bad=bad)
    spec = IngestSpec((str(path),), rows=500)
    job = run_all(place.bench(spec), ingest.plan(place.catalog, place.collection, spec))
    assert job.counts == Counts(2000, 1997, 0, 3)
    letters = place.catalog.jobs.dead_letters(job)
    assert [(letter.source, letter.row) for letter in letters] == [(str(path), row) for row in bad]
    assert "no valid JSON" in letters[0].reason
    assert "text is empty" in letters[1].reason
    assert letters[1].key == "row-8"


def settled(place: Workplace, job: Job) -> Job:
    place.catalog.leases.claim("me", 60, job)
    return place.catalog.leases.finish(job, "me", {})


def test_mended_dead_letters_are_retried_in_the_same_job(place: Workplace) -> None:
    bad = [5, 8, 150]
    path = write_rows(place.folder / "rows.jsonl", 400, bad=bad)
    with path.open("a") as out:
        out.write(json.dumps({"id": "row-0", "text": "the key of another row"}) + "\n")
    spec = IngestSpec((str(path),), rows=500)
    job = run_all(place.bench(spec), ingest.plan(place.catalog, place.collection, spec))
    with pytest.raises(FailedPrecondition, match="wait for its end"):
        ingest.plan_again(place.catalog, place.collection, job)
    job = settled(place, job)
    assert job.counts == Counts(401, 397, 0, 4)
    watermark = place.catalog.collections.get("texts").watermark
    tail = path.read_text().splitlines()[-1] + "\n"
    write_rows(path, 400, bad=[150])
    with path.open("a") as out:
        out.write(tail)
    job = ingest.plan_again(place.catalog, place.collection, job)
    assert (job.units, job.units_done, job.counts) == (2, 1, Counts(397, 397, 0, 0))
    job = settled(place, run_all(place.bench(spec), job))
    assert job.counts == Counts(401, 399, 0, 2)
    assert place.counts_add_up(job)
    assert [letter.row for letter in place.catalog.jobs.dead_letters(job)] == [150, 400]
    assert place.catalog.collections.get("texts").watermark == watermark + 2, "exactly the mended rows are stored"
    [first] = place.catalog.items.get(place.collection, ["row-0"])
    assert first.content_hash == content_hash(text(0).encode()), "a key that occurs twice takes nobody's place"
    path.unlink()
    with pytest.raises((FailedPrecondition, NotFound)):
        ingest.plan_again(place.catalog, place.collection, job)


def test_mended_files_of_a_folder_are_retried(place: Workplace) -> None:
    folder = place.folder / "texts"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.txt").write_text("" if number % 2 else text(number))
    spec = IngestSpec((str(folder), str(write_rows(place.folder / "rows.jsonl", 20, bad=[4]))), rows=4)
    job = settled(place, run_all(place.bench(spec), ingest.plan(place.catalog, place.collection, spec)))
    assert job.counts == Counts(26, 22, 0, 4)
    (folder / "3.txt").write_text("mended")
    job = ingest.plan_again(place.catalog, place.collection, job)
    job = settled(place, run_all(place.bench(spec), job))
    assert job.counts == Counts(26, 23, 0, 3)
    assert [item.key for item in place.catalog.items.get(place.collection, ["texts/3.txt"])] == ["texts/3.txt"]
    assert place.counts_add_up(job)


def test_changed_rows_are_written_and_metadata_alone_is_not_encoded(place: Workplace) -> None:
    path = place.folder / "rows.jsonl"
    rows = [{"id": f"r{i}", "text": text(i), "tag": "old"} for i in range(20)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = IngestSpec((str(path),))
    run_all(place.bench(spec), ingest.plan(place.catalog, place.collection, spec))
    before = place.catalog.items.get(place.collection, ["r3"])[0]
    rows[3]["tag"] = "new"
    rows[4]["text"] = text(1000)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    job = ingest.plan(place.catalog, place.collection, spec)
    bench = place.bench(spec)
    batch = ingest.unit.compare(bench, ingest.unit.read(bench, place.catalog.jobs.units(job)[0]))
    assert batch.checked is not None
    assert list(batch.checked.contents) == [4], "only the changed text goes to the encoder"
    assert run_all(place.bench(spec), job).counts == Counts(20, 2, 18, 0)
    after = place.catalog.items.get(place.collection, ["r3", "r4"])
    assert (after[0].code, after[0].metadata["tag"]) == (before.code, "new")
    assert after[1].content_hash == content_hash(text(1000).encode())


def test_a_key_twice_in_a_unit_is_a_dead_letter(place: Workplace) -> None:
    path = place.folder / "rows.jsonl"
    path.write_text('{"id": "a", "text": "red cats"}\n{"id": "a", "text": "blue dogs"}\n')
    spec = IngestSpec((str(path),))
    job = run_all(place.bench(spec), ingest.plan(place.catalog, place.collection, spec))
    assert job.counts == Counts(2, 1, 0, 1)
    [letter] = place.catalog.jobs.dead_letters(job)
    assert (letter.row, letter.key) == (1, "a")
    assert "occurs twice" in letter.reason


def test_metadata_of_another_type_than_declared_is_a_dead_letter(place: Workplace) -> None:
    path = place.folder / "rows.jsonl"
    path.write_text('{"id": "a", "text": "red cats", "part": "one"}\n{"id": "b", "text": "blue dogs", "part": 1}\n')
    spec = IngestSpec((str(path),))
    job = run_all(place.bench(spec), ingest.plan(place.catalog, place.collection, spec))
    assert job.counts == Counts(2, 1, 0, 1)
    assert "is no integer" in place.catalog.jobs.dead_letters(job)[0].reason


def test_bytes_are_kept_before_the_commit(tmp_path: Path) -> None:
    with workplace(tmp_path, ContentMode.BYTES) as place:
        spec = IngestSpec((str(write_rows(place.folder / "rows.jsonl", 30, bad=[4])),))
        run_all(place.bench(spec), ingest.plan(place.catalog, place.collection, spec))
        for item in place.catalog.items.list(place.collection):
            assert content_hash(place.blobs.get(item.content_hash.hex())) == item.content_hash
        assert len(list(place.blobs.names())) == 29


def test_references_and_features_are_kept_where_asked(tmp_path: Path) -> None:
    with workplace(tmp_path / "a", ContentMode.REFERENCE) as place:
        path = write_rows(place.folder / "rows.jsonl", 3)
        spec = IngestSpec((str(path),))
        run_all(place.bench(spec), ingest.plan(place.catalog, place.collection, spec))
        assert [i.reference for i in place.catalog.items.get(place.collection, ["row-0", "row-2"])] == [
            f"{path}#0",
            f"{path}#2",
        ]
    with workplace(tmp_path / "b", ContentMode.FEATURES) as place:
        spec = IngestSpec((str(write_rows(place.folder / "rows.jsonl", 40)),))
        run_all(place.bench(spec), ingest.plan(place.catalog, place.collection, spec))
        [held] = place.catalog.items.get(place.collection, ["row-5"])
        kept = np.frombuffer(held.features or b"", np.int8).astype(np.float32)
        encoder = tiny_encoder()
        exact = encoder.features([encoder.decode(text(5).encode())])[0]
        assert kept @ exact / np.linalg.norm(kept) / np.linalg.norm(exact) > 0.999
        assert run_all(place.bench(spec), ingest.plan(place.catalog, place.collection, spec)).counts.unchanged == 40


def test_ready_codes(place: Workplace) -> None:
    place.catalog.collections.create(Collection("codes", Kind.CODE, 32, content=ContentMode.NONE))
    held = place.catalog.collections.get("codes")
    codes = np.random.default_rng(0).integers(0, 256, (100, 4), dtype=np.uint8)
    np.save(place.folder / "codes.npy", codes)
    spec = IngestSpec((str(place.folder / "codes.npy"),), rows=30)
    job = run_all(place.bench(spec, held), ingest.plan(place.catalog, held, spec))
    assert job.counts == Counts(100, 100, 0, 0)
    stored = place.catalog.items.get(held, [str(i) for i in range(100)])
    assert [item.code for item in stored] == [code.tobytes() for code in codes]
    np.save(place.folder / "wide.npy", np.zeros((3, 8), np.uint8))
    spec = IngestSpec((str(place.folder / "wide.npy"),))
    job = run_all(place.bench(spec, held), ingest.plan(place.catalog, held, spec))
    assert job.counts == Counts(3, 0, 0, 3)


def test_limit_and_preview(place: Workplace) -> None:
    path = str(write_rows(place.folder / "rows.jsonl", 100, bad=[3]))
    spec = IngestSpec((path,), rows=30, limit=70)
    seen = ingest.preview(place.collection, spec, rows=5)
    assert (seen.units, [row.key for row in seen.rows]) == (3, ["row-0", "row-1", "row-2", None, "row-4"])
    assert place.catalog.jobs.list() == []
    job = run_all(place.bench(spec), ingest.plan(place.catalog, place.collection, spec))
    assert job.counts == Counts(70, 69, 0, 1)


def test_errors_are_found_before_anything_is_planned(place: Workplace) -> None:
    path = str(write_rows(place.folder / "rows.jsonl", 3))
    for spec, error, message in (
        (IngestSpec((str(place.folder / "gone"),)), NotFound, "nothing at"),
        (IngestSpec.of({"sources": [path], "columns": {"content": "body"}}), InvalidArgument, "id, text, part"),
    ):
        with pytest.raises(error, match=message):
            ingest.plan(place.catalog, place.collection, spec)
    assert place.catalog.jobs.list() == []


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({}, "sources"),
        ({"sources": []}, "sources"),
        ({"sources": "a"}, "sources"),
        ({"sources": ["a"], "colums": {}}, "colums"),
        ({"sources": ["a"], "columns": {"keys": "x"}}, "columns"),
        ({"sources": ["a"], "columns": {"key": 3}}, "columns.key"),
        ({"sources": ["a"], "limit": 0}, "limit"),
        ({"sources": ["a"], "rows": 1.5}, "rows"),
    ],
)
def test_specs_are_checked(spec: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        IngestSpec.of(spec)
    assert caught.value.field == field


def test_a_spec_survives_its_row() -> None:
    spec = IngestSpec.of({"sources": ["a", "b"], "columns": {"key": "k", "metadata": []}, "limit": 5.0})
    assert IngestSpec.of(json.loads(json.dumps(spec.as_json()))) == spec


def test_a_source_that_changed_fails_its_unit(place: Workplace) -> None:
    path = write_rows(place.folder / "rows.jsonl", 30)
    spec = IngestSpec((str(path),))
    job = ingest.plan(place.catalog, place.collection, spec)
    write_rows(path, 31)
    with pytest.raises(FailedPrecondition, match="changed since the job was planned"):
        run_all(place.bench(spec), job)


def test_asking_again_goes_on_with_what_was_left(place: Workplace) -> None:
    spec = IngestSpec((str(write_rows(place.folder / "rows.jsonl", 100)),), rows=10)
    first = ingest.plan(place.catalog, place.collection, spec)
    bench = place.bench(spec)
    for unit in place.catalog.jobs.units(first)[:4]:
        ingest.run_unit(bench, unit)
    again = ingest.plan(place.catalog, place.collection, spec)
    assert (again.id, again.units_done) == (first.id, 4)
    other = ingest.plan(place.catalog, place.collection, IngestSpec(spec.sources, rows=20))
    assert other.id != first.id
    settled(place, run_all(bench, again))
    assert ingest.plan(place.catalog, place.collection, spec).id not in {first.id, other.id}


@pytest.mark.parametrize("end", ["fail", "cancel"])
@pytest.mark.parametrize("verb", ["plan", "retry"])
def test_what_a_stopped_job_left_is_gone_on_with(place: Workplace, end: str, verb: str) -> None:
    path = write_rows(place.folder / "rows.jsonl", 100)
    spec = IngestSpec((str(path),), rows=10)
    job = ingest.plan(place.catalog, place.collection, spec)
    bench = place.bench(spec)
    for unit in place.catalog.jobs.units(job)[:4]:
        ingest.run_unit(bench, unit)
    stopped = place.catalog.jobs.cancel(job) if end == "cancel" else place.catalog.leases.fail(job, "", "away")
    assert stopped.state.final
    if verb == "retry":
        again = ingest.plan_again(place.catalog, place.collection, stopped)
    else:
        again = ingest.plan(place.catalog, place.collection, spec)
    assert (again.id, again.state, again.units_done) == (job.id, JobState.PLANNED, 4)
    assert settled(place, run_all(bench, again)).counts == Counts(100, 100, 0, 0)
    assert ingest.plan(place.catalog, place.collection, spec).id != job.id


def test_a_job_that_failed_because_its_file_changed_is_planned_anew(place: Workplace) -> None:
    path = write_rows(place.folder / "rows.jsonl", 30)
    spec = IngestSpec((str(path),), rows=10)
    job = ingest.plan(place.catalog, place.collection, spec)
    place.catalog.leases.fail(job, "", "the file changed")
    write_rows(path, 31)
    again = ingest.plan(place.catalog, place.collection, spec)
    assert again.id != job.id
    assert settled(place, run_all(place.bench(spec), again)).counts == Counts(31, 31, 0, 0)


def test_repeated_requests_make_one_job(place: Workplace) -> None:
    spec = IngestSpec((str(write_rows(place.folder / "rows.jsonl", 30)),), rows=10)
    first = ingest.plan(place.catalog, place.collection, spec, request_id="once")
    assert ingest.plan(place.catalog, place.collection, spec, request_id="once").id == first.id
    assert len(place.catalog.jobs.units(first)) == 3
