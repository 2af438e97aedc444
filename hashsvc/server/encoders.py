"""The Encoders and Encoding services."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hashsvc.domain.encoders import parse_label
from hashsvc.errors import InvalidArgument
from hashsvc.server.alive import check_alive
from hashsvc.server.requests import page_of, page_size_of
from hashsvc.v1 import encoders_pb2, encoders_pb2_grpc, encoding_pb2, encoding_pb2_grpc
from hashsvc.wire.content import read_content
from hashsvc.wire.encoders import write_encoder, write_made

if TYPE_CHECKING:
    from collections.abc import Sequence

    import grpc

    from hashsvc.domain.encoders import EncoderVersion
    from hashsvc.domain.kinds import Kind
    from hashsvc.domain.service import Service
    from hashsvc.server.gathering import Gathering
    from hashsvc.settings import Limits
    from hashsvc.v1 import types_pb2


class EncodersServicer(encoders_pb2_grpc.EncodersServicer):
    """Translates; the store decides."""

    def __init__(self, store: Service, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    def List(
        self, request: encoders_pb2.ListEncodersRequest, context: grpc.ServicerContext
    ) -> encoders_pb2.ListEncodersResponse:
        size = page_size_of(request, self._limits.max_page)
        page, token = page_of(self._store.encoders(), lambda held: [held.name, held.version], size, request.page_token)
        return encoders_pb2.ListEncodersResponse(
            encoders=[write_encoder(version) for version in page], next_page_token=token
        )

    def Get(self, request: encoders_pb2.GetEncoderRequest, context: grpc.ServicerContext) -> encoders_pb2.Encoder:
        parse_label(request.encoder)
        return write_encoder(self._store.encoder(request.encoder))

    def Reconstruct(
        self, request: encoders_pb2.ReconstructRequest, context: grpc.ServicerContext
    ) -> encoders_pb2.MadeContents:
        version = self._version(request.encoder)
        contents = _contents_for(version.spec.kind, request.contents)
        return write_made(version, self._store.reconstruct(version.label, contents))

    def Generate(
        self, request: encoders_pb2.GenerateRequest, context: grpc.ServicerContext
    ) -> encoders_pb2.MadeContents:
        version = self._version(request.encoder)
        return write_made(version, self._store.generate(version.label, request.count, seed=request.seed))

    def Interpolate(
        self, request: encoders_pb2.InterpolateRequest, context: grpc.ServicerContext
    ) -> encoders_pb2.MadeContents:
        version = self._version(request.encoder)
        first = _content_for(version.spec.kind, request.first, "first")
        last = _content_for(version.spec.kind, request.last, "last")
        return write_made(version, self._store.interpolate(version.label, first, last, steps=request.steps))

    def _version(self, label: str) -> EncoderVersion:
        parse_label(label)
        return self._store.encoder(label)


class EncodingServicer(encoding_pb2_grpc.EncodingServicer):
    """Translates; the store decides."""

    def __init__(self, store: Service, together: Gathering) -> None:
        self._store = store
        self._together = together

    def Encode(self, request: encoding_pb2.EncodeRequest, context: grpc.ServicerContext) -> encoding_pb2.EncodeResponse:
        parse_label(request.encoder)
        version = self._store.encoder(request.encoder)
        contents = _contents_for(version.spec.kind, request.contents)
        encode = partial(self._codes, version.label)
        if contents:
            codes = self._together.answer(("encode", version.label), contents, encode, partial(check_alive, context))
        else:
            codes = encode(contents)
        return encoding_pb2.EncodeResponse(codes=b"".join(codes), bits=version.spec.bits, encoder=version.label)

    def _codes(self, label: str, contents: Sequence[bytes]) -> list[bytes]:
        return [code.tobytes() for code in self._store.encode(label, contents)]


def _contents_for(wanted: Kind, messages: Sequence[types_pb2.Content]) -> list[bytes]:
    return [_content_for(wanted, content, f"contents[{i}]") for i, content in enumerate(messages)]


def _content_for(wanted: Kind, message: types_pb2.Content, field: str) -> bytes:
    which = message.WhichOneof("content")
    if which is None:
        raise InvalidArgument(f"{field} is empty: give its {wanted}", field=field)
    kind, content = read_content(message, which, field)
    if kind is not wanted:
        raise InvalidArgument(f"the encoder takes {wanted}, not {kind}", field=f"{field}.{which}")
    return content
