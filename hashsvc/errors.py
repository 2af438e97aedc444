"""The error tree. Each kind is named for what the caller can do about it.

HashsvcError
├── InvalidArgument       mend the request: a field is wrong whatever the state of the service
│   └── InvalidContent    mend the item: its bytes cannot be encoded
├── NotFound              the named thing does not exist (or is not yours to see)
├── AlreadyExists         the name is taken
├── FailedPrecondition    the request is fine, the state is not: change the state first
│   ├── Owned             another process owns the store; it says which and how to reach it
│   └── Fenced            another process became its owner meanwhile: restart this one
├── Aborted               a concurrent change won: read again and retry
├── ResourceExhausted     a limit or a full disk: wait or ask for less
├── Unavailable           the service or its database is away: retry the same call
├── DeadlineExceeded      the deadline passed before the work was done
├── Cancelled             the caller went away
├── Unauthenticated       present a valid token
├── PermissionDenied      the token does not allow this
├── Corrupt               stored bytes do not match their checksum; they were not used
└── Internal              a defect of hashsvc: report it

Every message says what was wrong, where, and what to do.
"""

from __future__ import annotations


class HashsvcError(Exception):
    """Root of the tree.

    Args:
        message: what was wrong, where, and what to do; one line.
        field: path of the offending request field ("queries[3].vector"), when there is one.
        reason: UPPER_SNAKE_CASE constant a program can switch on; the kind's own by default.
        retry_after: seconds after which the same call may succeed, when known.
    """

    reason = "ERROR"

    def __init__(
        self, message: str, *, field: str | None = None, reason: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.reason = reason or type(self).reason
        self.retry_after = retry_after

    def at(self, prefix: str) -> HashsvcError:
        """The same error with ``prefix`` put before its field path, for a caller that knows the outer field."""
        if self.field is None:
            self.field = prefix
        else:
            self.field = f"{prefix}{self.field}" if self.field.startswith("[") else f"{prefix}.{self.field}"
        return self


class InvalidArgument(HashsvcError):
    """A field is wrong whatever the state of the service."""

    reason = "INVALID_ARGUMENT"


class InvalidContent(InvalidArgument):
    """An item's bytes cannot be encoded: undecodable image, empty text, NaN in a vector."""

    reason = "INVALID_CONTENT"


class NotFound(HashsvcError):
    """The named thing does not exist, or is not the caller's to see."""

    reason = "NOT_FOUND"


class AlreadyExists(HashsvcError):
    """The name is taken."""

    reason = "ALREADY_EXISTS"


class FailedPrecondition(HashsvcError):
    """The request is fine, the state is not."""

    reason = "FAILED_PRECONDITION"


class Owned(FailedPrecondition):
    """Another process owns the store."""

    reason = "STORE_OWNED"


class Fenced(FailedPrecondition):
    """Another process became the owner of the store meanwhile."""

    reason = "FENCED"


class Aborted(HashsvcError):
    """A concurrent change won."""

    reason = "ABORTED"


class ResourceExhausted(HashsvcError):
    """A limit was reached or a disk is full."""

    reason = "RESOURCE_EXHAUSTED"


class Unavailable(HashsvcError):
    """The service or its database is away; the same call may be retried."""

    reason = "UNAVAILABLE"


class DeadlineExceeded(HashsvcError):
    """The deadline passed before the work was done."""

    reason = "DEADLINE_EXCEEDED"


class Cancelled(HashsvcError):
    """The caller went away or the job was cancelled."""

    reason = "CANCELLED"


class Unauthenticated(HashsvcError):
    """No valid token was presented."""

    reason = "UNAUTHENTICATED"


class PermissionDenied(HashsvcError):
    """The token does not allow this."""

    reason = "PERMISSION_DENIED"


class Corrupt(HashsvcError):
    """Stored bytes do not match their checksum; they were not used."""

    reason = "DATA_LOSS"


class Internal(HashsvcError):
    """A defect of hashsvc."""

    reason = "INTERNAL"
