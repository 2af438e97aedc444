"""Encoder versions as the catalog and the wire know them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hashsvc.codes import check_bits
from hashsvc.domain.kinds import Kind
from hashsvc.errors import InvalidArgument

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


def check_name(name: str, where: str = "name") -> str:
    """Return ``name`` if it is a legal name of a collection or an encoder; raise InvalidArgument if not."""
    if not NAME.fullmatch(name):
        raise InvalidArgument(
            f"{name!r} is no legal name: 1 to 63 of a-z, 0-9, '_', '.', '-', starting with a letter or digit",
            field=where,
        )
    return name


@dataclass(frozen=True, slots=True)
class CodeSpec:
    """What codes an encoder makes.

    Args:
        bits: code length, a multiple of 8.
        kind: what it encodes.
        fingerprint: sha256 (hex) of configuration, weights and thresholds; the identity of an encoder version.
        metric: how its codes are compared; "hamming", or "table" for raw codebook indices.
        margin: a feature nearer than this to its threshold may give another bit on another device or library version.
    """

    bits: int
    kind: Kind
    fingerprint: str
    metric: str = "hamming"
    margin: float = 0.0

    def __post_init__(self) -> None:
        check_bits(self.bits)


@dataclass(frozen=True, slots=True)
class EncoderVersion:
    """One registered encoder: ``name@version``, its spec, the folder it lives in and the report of its training."""

    name: str
    version: int
    spec: CodeSpec
    model: str
    location: str
    created_at: datetime
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """``name@version``, the form every request and message uses."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Made:
    """What a decoder made.

    Args:
        content: of the encoder's kind: a PNG file, a vector, or the most probable words of a text, most probable first,
            with spaces between them.
        chances: the probability of each of the words; none for other kinds.
    """

    content: bytes
    chances: tuple[float, ...] = ()


def parse_label(label: str, where: str = "encoder") -> tuple[str, int | None]:
    """Split ``name`` or ``name@version``; None stands for the newest version. Raises InvalidArgument."""
    name, at, version = label.partition("@")
    check_name(name, where)
    if not at:
        return name, None
    if not re.fullmatch(r"[1-9][0-9]{0,8}", version):
        raise InvalidArgument(f"{label!r}: the version after '@' must be a positive integer", field=where)
    return name, int(version)
