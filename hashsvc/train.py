"""The train flow: contents -> a fitted encoder and its report -> a folder named by fingerprint -> a version."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hashsvc.domain.encoders import EncoderVersion, check_name
from hashsvc.domain.kinds import Kind

if TYPE_CHECKING:
    from hashsvc.catalog import Catalog
    from hashsvc.encoders import OnProgress


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
    progress: OnProgress | None = None,
) -> EncoderVersion:
    """Train an encoder and register it as the next version of ``name``.

    The folder is complete and durable before the version is registered; training the same thing again gives the same
    fingerprint and so the version that is there already.

    Raises:
        InvalidArgument: see :func:`hashsvc.encoders.fit`.
        FailedPrecondition: training diverged.
    """
    check_name(name)
    from hashsvc.encoders import fit, save  # torch takes seconds to import: only those who train pay for it

    fitted = fit(contents, kind=kind, bits=bits, model=model, seed=seed, progress=progress)
    spec = fitted.encoder.spec
    target = folder / spec.fingerprint
    if not target.exists():
        save(fitted.encoder, target)
    version = EncoderVersion(
        name, 0, spec, fitted.encoder.model, spec.fingerprint, datetime.now(UTC), report=fitted.report
    )
    return catalog.encoders.register(version)
