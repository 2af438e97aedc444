"""Errors: one table from kind to canonical code, google.rpc details, and the same way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from hashsvc import errors
from hashsvc.errors import HashsvcError
from hashsvc.v1 import types_pb2

if TYPE_CHECKING:
    from google.protobuf.message import Message

DOMAIN = "hashsvc"
MESSAGE_LENGTH = 1_000

CODES: dict[type[HashsvcError], int] = {
    errors.InvalidArgument: code_pb2.INVALID_ARGUMENT,
    errors.InvalidContent: code_pb2.INVALID_ARGUMENT,
    errors.NotFound: code_pb2.NOT_FOUND,
    errors.AlreadyExists: code_pb2.ALREADY_EXISTS,
    errors.FailedPrecondition: code_pb2.FAILED_PRECONDITION,
    errors.Owned: code_pb2.FAILED_PRECONDITION,
    errors.Fenced: code_pb2.FAILED_PRECONDITION,
    errors.Aborted: code_pb2.ABORTED,
    errors.ResourceExhausted: code_pb2.RESOURCE_EXHAUSTED,
    errors.Unavailable: code_pb2.UNAVAILABLE,
    errors.DeadlineExceeded: code_pb2.DEADLINE_EXCEEDED,
    errors.Cancelled: code_pb2.CANCELLED,
    errors.Unauthenticated: code_pb2.UNAUTHENTICATED,
    errors.PermissionDenied: code_pb2.PERMISSION_DENIED,
    errors.Corrupt: code_pb2.DATA_LOSS,
    errors.Internal: code_pb2.INTERNAL,
}
# The first kind of a code in the table is the one that a bare code stands for.
KINDS: dict[int, type[HashsvcError]] = {code: kind for kind, code in reversed(CODES.items())}
NAMED = {kind.__name__: kind for kind in CODES}


def code_of(error: HashsvcError) -> int:
    """The canonical code (google.rpc.Code) of an error; a kind without its own has its parent's."""
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), code_pb2.INTERNAL)


def write_status(error: HashsvcError) -> status_pb2.Status:
    """The status of an error with its field, reason and delay as google.rpc details."""
    message = _short(error.message)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata={"kind": type(error).__name__})
    details: list[Message] = [info]
    if error.field is not None:
        info.metadata["field"] = _short(error.field)
        if isinstance(error, errors.InvalidArgument):
            violation = error_details_pb2.BadRequest.FieldViolation(
                field=_short(error.field), description=message, reason=error.reason
            )
            details.append(error_details_pb2.BadRequest(field_violations=[violation]))
    if error.retry_after is not None:
        details.append(error_details_pb2.RetryInfo(retry_delay=_duration(error.retry_after)))
    return status_pb2.Status(code=code_of(error), message=message, details=[_packed(detail) for detail in details])


def read_status(status: status_pb2.Status) -> HashsvcError:
    """The error that a status stands for, of the kind it had on the server."""
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    retry_after = None
    for detail in status.details:
        detail.Unpack(info)
        if detail.Unpack(retry):
            retry_after = retry.retry_delay.ToTimedelta().total_seconds()
    kind = NAMED.get(info.metadata.get("kind", ""))
    if kind is None or CODES[kind] != status.code:
        kind = KINDS.get(status.code, errors.Internal)
    field: str | None = info.metadata.get("field")
    return kind(status.message, field=field, reason=info.reason or None, retry_after=retry_after)


def write_error(message: types_pb2.Error, error: HashsvcError) -> None:
    """Fill the error of one row of a stream."""
    message.code = code_of(error)
    message.reason = error.reason
    message.message = _short(error.message)
    message.field = _short(error.field or "")
    if error.retry_after is not None:
        message.retry_after.CopyFrom(_duration(error.retry_after))


def read_error(message: types_pb2.Error) -> HashsvcError:
    """The error of one row of a stream."""
    named = next((kind for kind, code in CODES.items() if (code, kind.reason) == (message.code, message.reason)), None)
    kind = named or KINDS.get(message.code, errors.Internal)
    retry_after = message.retry_after.ToTimedelta().total_seconds() if message.HasField("retry_after") else None
    return kind(message.message, field=message.field or None, reason=message.reason or None, retry_after=retry_after)


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def _duration(seconds: float) -> duration_pb2.Duration:
    nanos = round(seconds * 1e9)
    return duration_pb2.Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)


def _short(text: str) -> str:
    """Details travel as a header, of which 8 KiB arrive."""
    return text if len(text) <= MESSAGE_LENGTH else f"{text[:MESSAGE_LENGTH]}..."
