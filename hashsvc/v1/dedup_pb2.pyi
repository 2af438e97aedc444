import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DedupStage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEDUP_STAGE_UNSPECIFIED: _ClassVar[DedupStage]
    DEDUP_STAGE_EXACT: _ClassVar[DedupStage]
    DEDUP_STAGE_NORMALISED: _ClassVar[DedupStage]
    DEDUP_STAGE_NEAR: _ClassVar[DedupStage]

class DedupMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEDUP_MODE_UNSPECIFIED: _ClassVar[DedupMode]
    DEDUP_MODE_WITHIN: _ClassVar[DedupMode]
    DEDUP_MODE_AGAINST: _ClassVar[DedupMode]
    DEDUP_MODE_INCREMENTAL: _ClassVar[DedupMode]

class DedupVerify(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEDUP_VERIFY_UNSPECIFIED: _ClassVar[DedupVerify]
    DEDUP_VERIFY_CONTENT: _ClassVar[DedupVerify]
    DEDUP_VERIFY_NONE: _ClassVar[DedupVerify]

class DedupState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEDUP_STATE_UNSPECIFIED: _ClassVar[DedupState]
    DEDUP_STATE_DRY: _ClassVar[DedupState]
    DEDUP_STATE_DECIDED: _ClassVar[DedupState]
    DEDUP_STATE_STOPPED: _ClassVar[DedupState]
    DEDUP_STATE_APPLYING: _ClassVar[DedupState]
    DEDUP_STATE_APPLIED: _ClassVar[DedupState]
    DEDUP_STATE_UNDOING: _ClassVar[DedupState]
    DEDUP_STATE_UNDONE: _ClassVar[DedupState]
DEDUP_STAGE_UNSPECIFIED: DedupStage
DEDUP_STAGE_EXACT: DedupStage
DEDUP_STAGE_NORMALISED: DedupStage
DEDUP_STAGE_NEAR: DedupStage
DEDUP_MODE_UNSPECIFIED: DedupMode
DEDUP_MODE_WITHIN: DedupMode
DEDUP_MODE_AGAINST: DedupMode
DEDUP_MODE_INCREMENTAL: DedupMode
DEDUP_VERIFY_UNSPECIFIED: DedupVerify
DEDUP_VERIFY_CONTENT: DedupVerify
DEDUP_VERIFY_NONE: DedupVerify
DEDUP_STATE_UNSPECIFIED: DedupState
DEDUP_STATE_DRY: DedupState
DEDUP_STATE_DECIDED: DedupState
DEDUP_STATE_STOPPED: DedupState
DEDUP_STATE_APPLYING: DedupState
DEDUP_STATE_APPLIED: DedupState
DEDUP_STATE_UNDOING: DedupState
DEDUP_STATE_UNDONE: DedupState

class DedupRun(_message.Message):
    __slots__ = ("job", "collection", "mode", "reference", "radius", "verify", "threshold", "keep", "encoder", "watermark", "items", "dropped", "digest", "state", "create_time", "summary", "reason", "tag")
    JOB_FIELD_NUMBER: _ClassVar[int]
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    RADIUS_FIELD_NUMBER: _ClassVar[int]
    VERIFY_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    KEEP_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    WATERMARK_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    job: int
    collection: str
    mode: DedupMode
    reference: str
    radius: int
    verify: DedupVerify
    threshold: float
    keep: str
    encoder: str
    watermark: int
    items: int
    dropped: int
    digest: str
    state: DedupState
    create_time: _timestamp_pb2.Timestamp
    summary: _struct_pb2.Struct
    reason: str
    tag: str
    def __init__(self, job: _Optional[int] = ..., collection: _Optional[str] = ..., mode: _Optional[_Union[DedupMode, str]] = ..., reference: _Optional[str] = ..., radius: _Optional[int] = ..., verify: _Optional[_Union[DedupVerify, str]] = ..., threshold: _Optional[float] = ..., keep: _Optional[str] = ..., encoder: _Optional[str] = ..., watermark: _Optional[int] = ..., items: _Optional[int] = ..., dropped: _Optional[int] = ..., digest: _Optional[str] = ..., state: _Optional[_Union[DedupState, str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., summary: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., reason: _Optional[str] = ..., tag: _Optional[str] = ...) -> None: ...

class DedupDecision(_message.Message):
    __slots__ = ("job", "id", "key", "witness_id", "witness", "stage", "distance", "score", "source", "content_hash", "witness_hash", "applied")
    JOB_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    WITNESS_ID_FIELD_NUMBER: _ClassVar[int]
    WITNESS_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_HASH_FIELD_NUMBER: _ClassVar[int]
    WITNESS_HASH_FIELD_NUMBER: _ClassVar[int]
    APPLIED_FIELD_NUMBER: _ClassVar[int]
    job: int
    id: int
    key: str
    witness_id: int
    witness: str
    stage: DedupStage
    distance: int
    score: float
    source: str
    content_hash: bytes
    witness_hash: bytes
    applied: bool
    def __init__(self, job: _Optional[int] = ..., id: _Optional[int] = ..., key: _Optional[str] = ..., witness_id: _Optional[int] = ..., witness: _Optional[str] = ..., stage: _Optional[_Union[DedupStage, str]] = ..., distance: _Optional[int] = ..., score: _Optional[float] = ..., source: _Optional[str] = ..., content_hash: _Optional[bytes] = ..., witness_hash: _Optional[bytes] = ..., applied: bool = ...) -> None: ...

class DedupPair(_message.Message):
    __slots__ = ("left", "right", "distance", "score", "dropped")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    left: str
    right: str
    distance: int
    score: float
    dropped: bool
    def __init__(self, left: _Optional[str] = ..., right: _Optional[str] = ..., distance: _Optional[int] = ..., score: _Optional[float] = ..., dropped: bool = ...) -> None: ...

class GetDedupRunRequest(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: int
    def __init__(self, job: _Optional[int] = ...) -> None: ...

class ListDedupRunsRequest(_message.Message):
    __slots__ = ("collection", "page_size", "page_token")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    collection: str
    page_size: int
    page_token: str
    def __init__(self, collection: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDedupRunsResponse(_message.Message):
    __slots__ = ("runs", "next_page_token")
    RUNS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[DedupRun]
    next_page_token: str
    def __init__(self, runs: _Optional[_Iterable[_Union[DedupRun, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WhyRequest(_message.Message):
    __slots__ = ("collection", "key")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    collection: str
    key: str
    def __init__(self, collection: _Optional[str] = ..., key: _Optional[str] = ...) -> None: ...

class WhyResponse(_message.Message):
    __slots__ = ("decisions",)
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    decisions: _containers.RepeatedCompositeFieldContainer[DedupDecision]
    def __init__(self, decisions: _Optional[_Iterable[_Union[DedupDecision, _Mapping]]] = ...) -> None: ...

class ListDedupDecisionsRequest(_message.Message):
    __slots__ = ("job", "page_size", "after_id")
    JOB_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    AFTER_ID_FIELD_NUMBER: _ClassVar[int]
    job: int
    page_size: int
    after_id: int
    def __init__(self, job: _Optional[int] = ..., page_size: _Optional[int] = ..., after_id: _Optional[int] = ...) -> None: ...

class ListDedupDecisionsResponse(_message.Message):
    __slots__ = ("decisions",)
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    decisions: _containers.RepeatedCompositeFieldContainer[DedupDecision]
    def __init__(self, decisions: _Optional[_Iterable[_Union[DedupDecision, _Mapping]]] = ...) -> None: ...

class ListDedupPairsRequest(_message.Message):
    __slots__ = ("job", "least_score", "most_score", "limit")
    JOB_FIELD_NUMBER: _ClassVar[int]
    LEAST_SCORE_FIELD_NUMBER: _ClassVar[int]
    MOST_SCORE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    job: int
    least_score: float
    most_score: float
    limit: int
    def __init__(self, job: _Optional[int] = ..., least_score: _Optional[float] = ..., most_score: _Optional[float] = ..., limit: _Optional[int] = ...) -> None: ...

class ListDedupPairsResponse(_message.Message):
    __slots__ = ("pairs",)
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    pairs: _containers.RepeatedCompositeFieldContainer[DedupPair]
    def __init__(self, pairs: _Optional[_Iterable[_Union[DedupPair, _Mapping]]] = ...) -> None: ...

class MarkRequest(_message.Message):
    __slots__ = ("collection", "one", "other", "remove")
    COLLECTION_FIELD_NUMBER: _ClassVar[int]
    ONE_FIELD_NUMBER: _ClassVar[int]
    OTHER_FIELD_NUMBER: _ClassVar[int]
    REMOVE_FIELD_NUMBER: _ClassVar[int]
    collection: str
    one: str
    other: str
    remove: bool
    def __init__(self, collection: _Optional[str] = ..., one: _Optional[str] = ..., other: _Optional[str] = ..., remove: bool = ...) -> None: ...

class MarkResponse(_message.Message):
    __slots__ = ("changed",)
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    changed: bool
    def __init__(self, changed: bool = ...) -> None: ...

class ApplyDedupRequest(_message.Message):
    __slots__ = ("job", "tag", "accept")
    JOB_FIELD_NUMBER: _ClassVar[int]
    TAG_FIELD_NUMBER: _ClassVar[int]
    ACCEPT_FIELD_NUMBER: _ClassVar[int]
    job: int
    tag: str
    accept: bool
    def __init__(self, job: _Optional[int] = ..., tag: _Optional[str] = ..., accept: bool = ...) -> None: ...

class UndoDedupRequest(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: int
    def __init__(self, job: _Optional[int] = ...) -> None: ...

class DedupApplied(_message.Message):
    __slots__ = ("job", "state", "changed", "skipped")
    class SkippedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    JOB_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    job: int
    state: DedupState
    changed: int
    skipped: _containers.ScalarMap[str, int]
    def __init__(self, job: _Optional[int] = ..., state: _Optional[_Union[DedupState, str]] = ..., changed: _Optional[int] = ..., skipped: _Optional[_Mapping[str, int]] = ...) -> None: ...
