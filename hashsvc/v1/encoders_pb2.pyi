import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from hashsvc.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CodeSpec(_message.Message):
    __slots__ = ("bits", "kind", "fingerprint", "metric", "margin")
    BITS_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    MARGIN_FIELD_NUMBER: _ClassVar[int]
    bits: int
    kind: _types_pb2.Kind
    fingerprint: str
    metric: str
    margin: float
    def __init__(self, bits: _Optional[int] = ..., kind: _Optional[_Union[_types_pb2.Kind, str]] = ..., fingerprint: _Optional[str] = ..., metric: _Optional[str] = ..., margin: _Optional[float] = ...) -> None: ...

class Encoder(_message.Message):
    __slots__ = ("name", "version", "label", "spec", "model", "create_time", "report")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    label: str
    spec: CodeSpec
    model: str
    create_time: _timestamp_pb2.Timestamp
    report: _struct_pb2.Struct
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., label: _Optional[str] = ..., spec: _Optional[_Union[CodeSpec, _Mapping]] = ..., model: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., report: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class ListEncodersRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListEncodersResponse(_message.Message):
    __slots__ = ("encoders", "next_page_token")
    ENCODERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    encoders: _containers.RepeatedCompositeFieldContainer[Encoder]
    next_page_token: str
    def __init__(self, encoders: _Optional[_Iterable[_Union[Encoder, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetEncoderRequest(_message.Message):
    __slots__ = ("encoder",)
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    encoder: str
    def __init__(self, encoder: _Optional[str] = ...) -> None: ...

class ReconstructRequest(_message.Message):
    __slots__ = ("encoder", "contents")
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    encoder: str
    contents: _containers.RepeatedCompositeFieldContainer[_types_pb2.Content]
    def __init__(self, encoder: _Optional[str] = ..., contents: _Optional[_Iterable[_Union[_types_pb2.Content, _Mapping]]] = ...) -> None: ...

class GenerateRequest(_message.Message):
    __slots__ = ("encoder", "count", "seed")
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    encoder: str
    count: int
    seed: int
    def __init__(self, encoder: _Optional[str] = ..., count: _Optional[int] = ..., seed: _Optional[int] = ...) -> None: ...

class InterpolateRequest(_message.Message):
    __slots__ = ("encoder", "first", "last", "steps")
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    encoder: str
    first: _types_pb2.Content
    last: _types_pb2.Content
    steps: int
    def __init__(self, encoder: _Optional[str] = ..., first: _Optional[_Union[_types_pb2.Content, _Mapping]] = ..., last: _Optional[_Union[_types_pb2.Content, _Mapping]] = ..., steps: _Optional[int] = ...) -> None: ...

class MadeContents(_message.Message):
    __slots__ = ("contents", "encoder", "words")
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    contents: _containers.RepeatedCompositeFieldContainer[_types_pb2.Content]
    encoder: str
    words: _containers.RepeatedCompositeFieldContainer[MadeWords]
    def __init__(self, contents: _Optional[_Iterable[_Union[_types_pb2.Content, _Mapping]]] = ..., encoder: _Optional[str] = ..., words: _Optional[_Iterable[_Union[MadeWords, _Mapping]]] = ...) -> None: ...

class MadeWords(_message.Message):
    __slots__ = ("probabilities",)
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    probabilities: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, probabilities: _Optional[_Iterable[float]] = ...) -> None: ...
