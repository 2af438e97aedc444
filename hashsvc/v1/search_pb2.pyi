from google.protobuf import field_mask_pb2 as _field_mask_pb2
from hashsvc.v1 import filters_pb2 as _filters_pb2
from hashsvc.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RankBy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RANK_BY_UNSPECIFIED: _ClassVar[RankBy]
    RANK_BY_STORED: _ClassVar[RankBy]
    RANK_BY_CONTENT: _ClassVar[RankBy]
RANK_BY_UNSPECIFIED: RankBy
RANK_BY_STORED: RankBy
RANK_BY_CONTENT: RankBy

class Query(_message.Message):
    __slots__ = ("text", "image", "vector", "code", "key")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    text: str
    image: bytes
    vector: bytes
    code: bytes
    key: str
    def __init__(self, text: _Optional[str] = ..., image: _Optional[bytes] = ..., vector: _Optional[bytes] = ..., code: _Optional[bytes] = ..., key: _Optional[str] = ...) -> None: ...

class Rerank(_message.Message):
    __slots__ = ("oversampling", "by")
    OVERSAMPLING_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    oversampling: int
    by: RankBy
    def __init__(self, oversampling: _Optional[int] = ..., by: _Optional[_Union[RankBy, str]] = ...) -> None: ...

class Matches(_message.Message):
    __slots__ = ("ids", "distances", "keys", "metadata", "scores")
    IDS_FIELD_NUMBER: _ClassVar[int]
    DISTANCES_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[int]
    distances: _containers.RepeatedScalarFieldContainer[int]
    keys: _containers.RepeatedScalarFieldContainer[str]
    metadata: _containers.RepeatedCompositeFieldContainer[_types_pb2.Metadata]
    scores: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, ids: _Optional[_Iterable[int]] = ..., distances: _Optional[_Iterable[int]] = ..., keys: _Optional[_Iterable[str]] = ..., metadata: _Optional[_Iterable[_Union[_types_pb2.Metadata, _Mapping]]] = ..., scores: _Optional[_Iterable[float]] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("matches", "exact", "complete")
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    matches: Matches
    exact: bool
    complete: bool
    def __init__(self, matches: _Optional[_Union[Matches, _Mapping]] = ..., exact: bool = ..., complete: bool = ...) -> None: ...

class SearchRequest(_message.Message):
    __slots__ = ("collection", "queries", "k", "filter", "read_mask", "rerank", "effort", "exact")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    RERANK_FIELD_NUMBER: _ClassVar[int]
    EFFORT_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    collection: str
    queries: _containers.RepeatedCompositeFieldContainer[Query]
    k: int
    filter: _filters_pb2.Filter
    read_mask: _field_mask_pb2.FieldMask
    rerank: Rerank
    effort: int
    exact: bool
    def __init__(self, collection: _Optional[str] = ..., queries: _Optional[_Iterable[_Union[Query, _Mapping]]] = ..., k: _Optional[int] = ..., filter: _Optional[_Union[_filters_pb2.Filter, _Mapping]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., rerank: _Optional[_Union[Rerank, _Mapping]] = ..., effort: _Optional[int] = ..., exact: bool = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("answers", "watermark", "encoder")
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    answers: _containers.RepeatedCompositeFieldContainer[Answer]
    watermark: int
    encoder: str
    def __init__(self, answers: _Optional[_Iterable[_Union[Answer, _Mapping]]] = ..., watermark: _Optional[int] = ..., encoder: _Optional[str] = ...) -> None: ...

class SearchStreamRequest(_message.Message):
    __slots__ = ("search", "tag")
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    search: SearchRequest
    tag: int
    def __init__(self, search: _Optional[_Union[SearchRequest, _Mapping]] = ..., tag: _Optional[int] = ...) -> None: ...

class SearchStreamResponse(_message.Message):
    __slots__ = ("tag", "answer", "error")
    TAG_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    tag: int
    answer: SearchResponse
    error: _types_pb2.Error
    def __init__(self, tag: _Optional[int] = ..., answer: _Optional[_Union[SearchResponse, _Mapping]] = ..., error: _Optional[_Union[_types_pb2.Error, _Mapping]] = ...) -> None: ...

class WithinRequest(_message.Message):
    __slots__ = ("collection", "query", "radius", "filter", "read_mask")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    RADIUS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    collection: str
    query: Query
    radius: int
    filter: _filters_pb2.Filter
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, collection: _Optional[str] = ..., query: _Optional[_Union[Query, _Mapping]] = ..., radius: _Optional[int] = ..., filter: _Optional[_Union[_filters_pb2.Filter, _Mapping]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class WithinSummary(_message.Message):
    __slots__ = ("total", "watermark", "complete", "exact", "encoder")
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_FIELD_NUMBER: _ClassVar[int]
    COMPLETE_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    total: int
    watermark: int
    complete: bool
    exact: bool
    encoder: str
    def __init__(self, total: _Optional[int] = ..., watermark: _Optional[int] = ..., complete: bool = ..., exact: bool = ..., encoder: _Optional[str] = ...) -> None: ...

class WithinResponse(_message.Message):
    __slots__ = ("summary", "matches")
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    summary: WithinSummary
    matches: Matches
    def __init__(self, summary: _Optional[_Union[WithinSummary, _Mapping]] = ..., matches: _Optional[_Union[Matches, _Mapping]] = ...) -> None: ...
