"""The train flow: contents -> a fitted encoder and its report -> a folder named by fingerprint -> a version."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hashsvc.domain.encoders import EncoderVersion, check_name
from hashsvc.domain.kinds import Kind

if TYPE_CHECKING:
    from hashsvc.catalog import Catalog
    from hashsvc.encoders import OnProgress, Progress

UNFINISHED = ".unfinished"


def train(
    contents: Sequence[bytes],
    *,
    name: str,
    kind: Kind,
    bits: int,
    model: str,
    seed: int,
    folder: Path,
    catalog: Catalog,
    device: str = "cpu",
    progress: OnProgress | None = None,
    complete: Callable[[str], None] | None = None,
) -> EncoderVersion:
    """Train an encoder and register it as the next version of ``name``.

    The folder is complete and durable before the version is registered; training the same thing again gives the same
    fingerprint and so the version that is there already. A training that was stopped goes on where its last checkpoint
    stands when the same is asked again, on whatever ``device``; the linear models, which have none, start over.

    ``complete`` is told the fingerprint before the version is registered, so that whoever finds the version finds its
    folder.

    Raises:
        InvalidArgument: see :func:`hashsvc.encoders.fit`.
        FailedPrecondition: training diverged; the last good checkpoint is kept.
    """
    check_name(name)
    from hashsvc.encoders import checkpoints_in, fit, save  # torch takes seconds to import: only those who train pay

    losses: dict[str, Mapping[str, float]] = {}

    def told(at: Progress) -> None:
        if at.terms:
            losses[at.stage] = {term: round(value, 4) for term, value in at.terms.items()}
        if progress is not None:
            progress(at)

    unfinished = folder / UNFINISHED / _digest(contents, kind, bits, model, seed)
    with checkpoints_in(unfinished):
        fitted = fit(contents, kind=kind, bits=bits, model=model, seed=seed, progress=told, device=device)
    spec = fitted.encoder.spec
    target = folder / spec.fingerprint
    if not target.exists():
        save(fitted.encoder, target)
    shutil.rmtree(unfinished, ignore_errors=True)
    if complete is not None:
        complete(spec.fingerprint)
    report = {**fitted.report, "loss_nats": losses} if losses else fitted.report
    version = EncoderVersion(name, 0, spec, fitted.encoder.model, spec.fingerprint, datetime.now(UTC), report=report)
    return catalog.encoders.register(version)


def _digest(contents: Sequence[bytes], kind: Kind, bits: int, model: str, seed: int) -> str:
    """What is the same for two requests that train the same thing."""
    digest = hashlib.sha256(json.dumps([kind, bits, model, seed, len(contents)]).encode())
    for content in contents:
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:32]
