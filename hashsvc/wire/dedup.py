"""Dedup runs, decisions and pairs."""

from __future__ import annotations

from hashsvc.domain.dedup import Applied, Decision, Mode, Pair, Run, RunState, Stage, Verify
from hashsvc.v1 import dedup_pb2
from hashsvc.wire.documents import read_document, write_document
from hashsvc.wire.enums import Vocabulary
from hashsvc.wire.times import read_time, write_time

STAGE = Vocabulary(Stage, dedup_pb2.DedupStage, "DEDUP_STAGE")
MODE = Vocabulary(Mode, dedup_pb2.DedupMode, "DEDUP_MODE")
VERIFY = Vocabulary(Verify, dedup_pb2.DedupVerify, "DEDUP_VERIFY")
STATE = Vocabulary(RunState, dedup_pb2.DedupState, "DEDUP_STATE")


def write_run(run: Run) -> dedup_pb2.DedupRun:
    """The message of a run."""
    message = dedup_pb2.DedupRun(
        job=run.job,
        collection=run.collection,
        reference=run.reference,
        radius=run.radius,
        threshold=run.threshold,
        keep=run.keep,
        encoder=run.encoder,
        watermark=run.watermark,
        items=run.items,
        dropped=run.dropped,
        digest=run.digest,
        create_time=write_time(run.created_at),
        reason=run.reason,
        tag=run.tag,
    )
    message.mode = MODE.write(run.mode)  # type: ignore[assignment]
    message.verify = VERIFY.write(run.verify)  # type: ignore[assignment]
    message.state = STATE.write(run.state)  # type: ignore[assignment]
    write_document(message.summary, run.summary, "summary")
    return message


def read_run(message: dedup_pb2.DedupRun) -> Run:
    """The run that a server describes."""
    return Run(
        job=message.job,
        collection=message.collection,
        mode=MODE.read(message.mode, "mode"),
        reference=message.reference,
        radius=message.radius,
        verify=VERIFY.read(message.verify, "verify"),
        threshold=message.threshold,
        keep=message.keep,
        encoder=message.encoder,
        watermark=message.watermark,
        items=message.items,
        dropped=message.dropped,
        digest=message.digest,
        state=STATE.read(message.state, "state"),
        created_at=read_time(message.create_time),
        summary=read_document(message.summary),
        reason=message.reason,
        tag=message.tag,
    )


def write_decision(decision: Decision) -> dedup_pb2.DedupDecision:
    """The message of a decision."""
    message = dedup_pb2.DedupDecision(
        job=decision.job,
        id=decision.id,
        key=decision.key,
        witness_id=decision.witness_id,
        witness=decision.witness,
        distance=decision.distance,
        score=decision.score,
        source=decision.source,
        content_hash=decision.content_hash,
        witness_hash=decision.witness_hash,
        applied=decision.applied,
    )
    message.stage = STAGE.write(decision.stage)  # type: ignore[assignment]
    return message


def read_decision(message: dedup_pb2.DedupDecision) -> Decision:
    """The decision of a message."""
    return Decision(
        message.job,
        message.id,
        message.key,
        message.witness_id,
        message.witness,
        STAGE.read(message.stage, "stage"),
        message.distance,
        message.score if message.HasField("score") else None,
        message.source,
        message.content_hash,
        message.witness_hash,
        message.applied,
    )


def write_pair(pair: Pair) -> dedup_pb2.DedupPair:
    """The message of a pair."""
    return dedup_pb2.DedupPair(
        left=pair.left, right=pair.right, distance=pair.distance, score=pair.score, dropped=pair.dropped
    )


def read_pair(message: dedup_pb2.DedupPair) -> Pair:
    """The pair of a message."""
    score = message.score if message.HasField("score") else None
    return Pair(message.left, message.right, message.distance, score, message.dropped)


def write_applied(applied: Applied) -> dedup_pb2.DedupApplied:
    """The message of what applying or undoing did."""
    message = dedup_pb2.DedupApplied(job=applied.job, changed=applied.changed, skipped=applied.skipped)
    message.state = STATE.write(applied.state)  # type: ignore[assignment]
    return message


def read_applied(message: dedup_pb2.DedupApplied) -> Applied:
    """What applying or undoing did."""
    return Applied(message.job, STATE.read(message.state, "state"), message.changed, dict(message.skipped))
