"""Closed vocabularies on the wire: ``Kind.TEXT`` is ``KIND_TEXT``; 0 is unspecified."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

from hashsvc.domain.filters import Operator
from hashsvc.domain.items import Outcome
from hashsvc.domain.jobs import JobKind, JobState
from hashsvc.domain.kinds import ContentMode, FieldType, IndexKind, Kind
from hashsvc.domain.queries import RankBy
from hashsvc.errors import InvalidArgument
from hashsvc.v1 import filters_pb2, items_pb2, jobs_pb2, search_pb2, types_pb2

if TYPE_CHECKING:
    from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

T = TypeVar("T", bound=StrEnum)


class Vocabulary(Generic[T]):
    """One domain enum and its wire form.

    Args:
        prefix: what the wire puts before each name.
    """

    def __init__(self, members: type[T], wire: EnumTypeWrapper, prefix: str) -> None:
        self._numbers: dict[T, int] = {member: wire.Value(f"{prefix}_{member.name}") for member in members}
        self._members = {number: member for member, number in self._numbers.items()}
        self._names = ", ".join(f"{prefix}_{member.name}" for member in members)

    def write(self, member: T) -> int:
        """The wire number of a member."""
        return self._numbers[member]

    def read(self, number: int, field: str) -> T:
        """The member behind a wire number; InvalidArgument when it is unspecified or unknown."""
        member = self._members.get(number)
        if member is None:
            said = "is not set" if number == 0 else f"has the unknown value {number}"
            raise InvalidArgument(f"{field} {said}: use one of {self._names}", field=field)
        return member

    def read_or(self, number: int, default: T, field: str) -> T:
        """As :meth:`read`, with a default for unspecified."""
        return default if number == 0 else self.read(number, field)


KIND = Vocabulary(Kind, types_pb2.Kind, "KIND")
CONTENT_MODE = Vocabulary(ContentMode, types_pb2.ContentMode, "CONTENT_MODE")
INDEX_KIND = Vocabulary(IndexKind, types_pb2.IndexKind, "INDEX_KIND")
RANK_BY = Vocabulary(RankBy, search_pb2.RankBy, "RANK_BY")
FIELD_TYPE = Vocabulary(FieldType, types_pb2.FieldType, "FIELD_TYPE")
OPERATOR = Vocabulary(Operator, filters_pb2.Operator, "OPERATOR")
OUTCOME = Vocabulary(Outcome, items_pb2.Outcome, "OUTCOME")
JOB_KIND = Vocabulary(JobKind, jobs_pb2.JobKind, "JOB_KIND")
JOB_STATE = Vocabulary(JobState, jobs_pb2.JobState, "JOB_STATE")
