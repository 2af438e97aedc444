"""Points in time: aware datetimes in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf import timestamp_pb2


def write_time(moment: datetime | None) -> timestamp_pb2.Timestamp | None:
    """The message of a moment; a naive one is taken as UTC."""
    if moment is None:
        return None
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return message


def read_time(message: timestamp_pb2.Timestamp) -> datetime:
    """The moment of a message, in UTC."""
    return message.ToDatetime(UTC)
