"""Encoder versions."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from hashsvc.domain.encoders import CodeSpec, EncoderVersion, Made
from hashsvc.domain.kinds import Kind
from hashsvc.v1 import encoders_pb2
from hashsvc.wire.content import read_content, write_content
from hashsvc.wire.documents import read_document, write_document
from hashsvc.wire.enums import KIND
from hashsvc.wire.times import read_time, write_time

if TYPE_CHECKING:
    from collections.abc import Sequence


def write_encoder(version: EncoderVersion) -> encoders_pb2.Encoder:
    """The message of an encoder version; where its folder lies is the server's own affair."""
    spec = version.spec
    message = encoders_pb2.Encoder(
        name=version.name,
        version=version.version,
        label=version.label,
        spec=encoders_pb2.CodeSpec(
            bits=spec.bits, fingerprint=spec.fingerprint, metric=spec.metric, margin=spec.margin
        ),
        model=version.model,
        create_time=write_time(version.created_at),
    )
    message.spec.kind = KIND.write(spec.kind)  # type: ignore[assignment]
    write_document(message.report, version.report, "report")
    return message


def write_made(version: EncoderVersion, made: Sequence[Made]) -> encoders_pb2.MadeContents:
    """The message of what a version made."""
    message = encoders_pb2.MadeContents(encoder=version.label)
    for position, one in enumerate(made):
        write_content(message.contents.add(), version.spec.kind, one.content, f"contents[{position}]")
        if version.spec.kind is Kind.TEXT:
            message.words.add(probabilities=one.chances)
    return message


def read_made(message: encoders_pb2.MadeContents) -> list[Made]:
    """What is in a message; contents that say no kind are left out."""
    words = zip_longest(message.contents, message.words)
    found = [(content, content.WhichOneof("content"), of) for content, of in words if content is not None]
    return [
        Made(read_content(content, which, "contents")[1], tuple(of.probabilities) if of is not None else ())
        for content, which, of in found
        if which is not None
    ]


def read_encoder(message: encoders_pb2.Encoder) -> EncoderVersion:
    """The encoder version that a server describes; its location is ""."""
    spec = message.spec
    return EncoderVersion(
        name=message.name,
        version=message.version,
        spec=CodeSpec(spec.bits, KIND.read(spec.kind, "spec.kind"), spec.fingerprint, spec.metric, spec.margin),
        model=message.model,
        location="",
        created_at=read_time(message.create_time),
        report=read_document(message.report),
    )
