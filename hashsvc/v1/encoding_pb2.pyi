from hashsvc.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EncodeRequest(_message.Message):
    __slots__ = ("encoder", "contents")
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    encoder: str
    contents: _containers.RepeatedCompositeFieldContainer[_types_pb2.Content]
    def __init__(self, encoder: _Optional[str] = ..., contents: _Optional[_Iterable[_Union[_types_pb2.Content, _Mapping]]] = ...) -> None: ...

class EncodeResponse(_message.Message):
    __slots__ = ("codes", "bits", "encoder")
    CODES_FIELD_NUMBER: _ClassVar[int]
    BITS_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    codes: bytes
    bits: int
    encoder: str
    def __init__(self, codes: _Optional[bytes] = ..., bits: _Optional[int] = ..., encoder: _Optional[str] = ...) -> None: ...
