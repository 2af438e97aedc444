"""The manifest of a snapshot: what it holds, and the sha256 of every file and of itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hashsvc.durable import sha256_of
from hashsvc.errors import Corrupt

NAME = "manifest.json"
FORMAT = 2


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot holds.

    Args:
        bits: code length.
        watermark: sequence number up to which it is built.
        items: number of living items.
        segments: one entry a segment: its files by role, and its numbers.
        files: sha256 (hex) and size in bytes of each file by name.
        about: what the owner says of the collection (fingerprint and so on).
    """

    bits: int
    watermark: int
    items: int
    segments: list[dict[str, Any]]
    files: dict[str, list[Any]]
    about: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT

    def to_bytes(self) -> bytes:
        """JSON with the sha256 of its own body."""
        body = json.dumps(asdict(self), sort_keys=True)
        return json.dumps({"sha256": hashlib.sha256(body.encode()).hexdigest(), "body": body}).encode()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a snapshot folder, checked against its own sha256.

    Raises:
        Corrupt: it is missing, unreadable, of another format, or not what was written.
    """
    path = folder / NAME
    try:
        outer = json.loads(path.read_bytes())
        body = outer["body"]
        if hashlib.sha256(body.encode()).hexdigest() != outer["sha256"]:
            raise Corrupt(f"{path} does not match its checksum: publish the snapshot again")
        manifest = Manifest(**json.loads(body))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Corrupt(f"{path} cannot be read ({error}): publish the snapshot again") from error
    if manifest.format != FORMAT:
        raise Corrupt(f"{path} has format {manifest.format}, this version reads {FORMAT}: publish the snapshot again")
    return manifest


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Check every file of a snapshot against the manifest; raises Corrupt naming the first that differs."""
    for name, (digest, size) in manifest.files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size or sha256_of(path) != digest:
            raise Corrupt(f"{path} does not match its checksum: the snapshot is not used, publish it again")
