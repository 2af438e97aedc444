"""Jobs as a store makes them: what each kind asks for, and what it may read."""

from __future__ import annotations

from pathlib import Path

import pytest

from hashsvc import worker
from hashsvc.app import Store
from hashsvc.app.work import flows
from hashsvc.domain.jobs import JobKind, JobState
from hashsvc.domain.kinds import Kind
from hashsvc.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied


def test_an_ingest_job_of_the_service_is_planned_and_run_by_a_worker(texts: Store, documents: Path) -> None:
    job = texts.create_job(JobKind.INGEST, {"collection": "texts", "sources": [str(documents)]})
    assert job.state is JobState.PLANNED
    assert worker.run(texts.catalog, flows(texts), once=True) == 1
    states = [seen.state for seen in texts.watch_job(job.id)]
    assert states == [JobState.DONE]
    assert texts.job(job.id).counts.stored == texts.count_items("texts") == 200


def test_a_train_job_makes_a_version(texts: Store, documents: Path) -> None:
    spec = {"name": "second", "sources": [str(documents)], "kind": "text", "bits": 16.0, "model": "itq"}
    job = texts.create_job(JobKind.TRAIN, spec)
    worker.run(texts.catalog, flows(texts), once=True)
    done = texts.job(job.id)
    assert (done.state, done.error) == (JobState.DONE, "")
    assert done.result["encoder"] == "second@1"
    assert texts.encode("second", [b"amber"]).shape == (1, 2)


@pytest.mark.parametrize("source", ["/etc/passwd", "http://example.org/x.jsonl", "../../etc/passwd"])
def test_a_job_reads_only_below_the_roots(texts: Store, source: str) -> None:
    with pytest.raises(PermissionDenied, match="outside the configured roots"):
        texts.create_job(JobKind.INGEST, {"collection": "texts", "sources": [source]})


def test_a_link_does_not_lead_out_of_the_roots(texts: Store, documents: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.jsonl").write_text("{}")
    link = documents.parent / "link.jsonl"
    link.symlink_to(tmp_path / "secret.jsonl")
    with pytest.raises(PermissionDenied):
        texts.create_job(JobKind.INGEST, {"collection": "texts", "sources": [str(link)]})
    link.unlink()


def test_without_roots_the_service_reads_nothing(raw: Store) -> None:
    with pytest.raises(FailedPrecondition, match="HASHSVC_ROOTS"):
        raw.create_job(JobKind.INGEST, {"collection": "raw", "sources": ["x.npy"]})


@pytest.mark.parametrize(
    ("kind", "spec", "field"),
    [
        (JobKind.TRAIN, {"name": "x", "sources": ["a"], "kind": "smell"}, "kind"),
        (JobKind.TRAIN, {"name": "X!", "sources": ["a"], "kind": "text"}, "name"),
        (JobKind.TRAIN, {"name": "x", "sources": ["a"], "kind": "text", "bits": 1.5}, "bits"),
        (JobKind.TRAIN, {"name": "x", "sources": ["a"], "kind": "text", "colour": 1}, "colour"),
        (JobKind.INGEST, {"collection": "texts", "sources": []}, "sources"),
        (JobKind.DEDUP, {}, "collection"),
        (JobKind.REENCODE, {}, "collection"),
    ],
)
def test_a_wrong_job_is_refused_by_field(texts: Store, kind: JobKind, spec: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        texts.create_job(kind, spec)
    assert caught.value.field == field
    assert [job for job in texts.jobs() if job.state is JobState.PLANNED] == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.5])
def test_a_number_of_a_job_that_is_none_is_refused(texts: Store, value: float) -> None:
    for kind, spec in (
        (JobKind.INGEST, {"collection": "texts", "sources": ["a"], "limit": value}),
        (JobKind.TRAIN, {"name": "x", "sources": ["a"], "kind": "text", "bits": value}),
    ):
        with pytest.raises(InvalidArgument, match="integer"):
            texts.create_job(kind, spec)


def test_training_on_nothing_readable_says_why(store: Store, tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text('{"text": 5}\n')
    with pytest.raises(InvalidArgument, match=r"hold no text that can be read: .*broken\.jsonl row 0"):
        store.train("x", [str(tmp_path / "broken.jsonl")], kind=Kind.TEXT)


def test_numbers_and_names_that_cannot_exist_are_not_found(raw: Store) -> None:
    for number in (0, 2**70):
        with pytest.raises(NotFound):
            raw.job(number)
    with pytest.raises(NotFound):
        raw.collection("\ud800")
