"""Dedup over gRPC: a job by a worker, then every verb through a real server; and what the report shows."""

from __future__ import annotations

import re
import threading
from dataclasses import replace

import pytest

from hashsvc import worker
from hashsvc.app import Store, dedup
from hashsvc.app.dedupreading import advise, evaluated, every_decision, reported
from hashsvc.app.work import flows
from hashsvc.client import Client
from hashsvc.domain.dedup import RunState, Stage
from hashsvc.domain.jobs import JobKind, JobState
from hashsvc.errors import FailedPrecondition, NotFound
from hashsvc.report.dedup import bars, marked, render
from hashsvc.server.serving import serve
from tests.dedup.test_runs import SPEC


def test_every_verb_over_grpc(texts: Store) -> None:
    before = texts.catalog.items.digest(texts.collection("texts"))
    with serve(texts, "127.0.0.1:0") as server, Client(server.address) as client:
        job = client.create_job(JobKind.DEDUP, SPEC.as_json())
        thread = threading.Thread(target=worker.run, args=(texts.catalog, flows(texts)), kwargs={"once": True})
        thread.start()
        *_, done = client.watch_job(job.id)
        thread.join()
        assert done.state is JobState.DONE, done.error
        assert client.dedup.run(job.id) == texts.dedup.run(job.id)
        assert client.dedup.runs("texts") == texts.dedup.runs("texts")
        decisions = list(every_decision(client.dedup, job.id))
        assert decisions == texts.dedup.decisions(job.id, limit=1_000)
        assert client.dedup.why("texts", decisions[0].key) == [decisions[0]]
        assert client.dedup.pairs(job.id, low=0.0, high=1.0) == texts.dedup.pairs(job.id, low=0.0, high=1.0)
        assert client.dedup.mark("texts", "a/1", "a/2")
        assert client.dedup.mark("texts", "a/1", "a/2", remove=True)
        applied = client.dedup.apply(job.id)
        assert (applied.changed, applied.state) == (len(decisions), RunState.APPLIED)
        assert client.count_items("texts") == 440 - len(decisions)
        with pytest.raises(FailedPrecondition, match="applied"):
            client.dedup.apply(job.id)
        assert client.dedup.undo(job.id).changed == len(decisions)
        assert texts.catalog.items.digest(texts.collection("texts")) == before
        with pytest.raises(NotFound):
            client.dedup.run(999)


def test_the_report_shows_pairs_with_their_differences(texts: Store) -> None:
    run = dedup.run(texts, replace(SPEC, threshold=0.93))
    report = reported(texts, run.job)
    page = render(report)
    assert "<del>" in page
    assert "<ins>" in page
    assert f"{run.dropped:,}" in page
    dropped = {one.key for one in texts.dedup.decisions(run.job, limit=1_000) if one.stage is not Stage.EXACT}
    assert {shown.pair.left for shown in report.sample} <= dropped
    assert all(shown.pair.right in page for shown in report.sample)
    assert "<script" not in page
    assert report.borderline


def test_the_report_puts_the_most_dropped_first_and_leaves_no_gap_out(texts: Store) -> None:
    report = reported(texts, dedup.run(texts, SPEC).job)
    sources = {
        f"s{n:02}": {"items": 50, "dropped": n} for n in range(40)
    }  # a database gives them back in its own order
    summary = {**report.run.summary, "sources": sources, "distances": [[0, 7], [3, 9]]}
    page = render(replace(report, run=replace(report.run, summary=summary)))
    assert page.index("<td>s39<") < page.index("<td>s10<")
    assert "<td>s09<" not in page
    assert "10 more sources, none with more dropped" in page
    drawn = bars([[0, 7], [3, 9]], "bits", "items")
    assert re.findall(r'middle" class="tick">(\d)<', drawn) == ["7", "0", "1", "2", "9", "3"]
    assert drawn.count("<rect") == 2


def test_a_report_does_not_claim_a_precision_that_no_radius_reached(texts: Store) -> None:
    run = dedup.run(texts, replace(SPEC, radius=None, sample=60, target_precision=1.0))
    report = reported(texts, run.job)
    assert "Of the radii that reach a precision of 1" in render(report)
    advice = {**run.summary["advice"], "target_precision": 1.01}
    page = render(replace(report, run=replace(run, summary={**run.summary, "advice": advice})))
    assert "No radius reaches a precision of 1.01" in page


def test_differences_are_marked_and_text_is_escaped() -> None:
    left, right = marked("one <b>two</b> three", "one two three four")
    assert left == "<p>one <del>&lt;b&gt;two&lt;/b&gt;</del> three</p>"
    assert right == "<p>one <ins>two</ins> three <ins>four</ins></p>"


def test_advice_from_planted_edits_and_from_labelled_pairs(texts: Store) -> None:
    planted = advise(texts, "texts", target=0.99, items=60)
    assert planted.positives > 200
    assert planted.table[-1].recall > 0.9
    pairs = [(f"a/{n}", f"b/{n}", True) for n in range(50)] + [(f"a/{n}", f"a/{n + 1}", False) for n in range(50)]
    labelled = advise(texts, "texts", target=0.99, pairs=pairs)
    assert labelled.positives == 50
    assert labelled.table[labelled.radius].precision == 1.0
    with pytest.raises(NotFound):
        advise(texts, "texts", target=0.99, pairs=[("a/1", "nobody", True)])


def test_a_dry_run_is_not_scored(texts: Store) -> None:
    run = dedup.run(texts, replace(SPEC, dry=True))
    with pytest.raises(FailedPrecondition, match="run again without --dry-run"):
        evaluated(texts.dedup, run.job, pairs=[("a/1", "b/1")])


def test_a_run_is_scored_against_planted_pairs(texts: Store) -> None:
    run = dedup.run(texts, SPEC)
    score = evaluated(texts.dedup, run.job, pairs=[(f"a/{n}", f"b/{n}") for n in range(100)])
    assert score.items == 440
    assert score.recall > 0.9
    assert score.precision < 1.0, "the copies under c and d are not in this truth"
