"""Encoder versions."""

from __future__ import annotations

from hashsvc.domain.encoders import CodeSpec, EncoderVersion
from hashsvc.v1 import encoders_pb2
from hashsvc.wire.documents import read_document, write_document
from hashsvc.wire.enums import KIND
from hashsvc.wire.times import read_time, write_time


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
