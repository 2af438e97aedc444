"""Logs as JSON lines, one object a record, for machines that collect them."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from hashsvc.errors import InvalidArgument

FORMATS = ("text", "json")
OWN = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """``{"time", "level", "logger", "message"}`` and what else a record was given: a request id, a reason."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in OWN and value is not None}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def speak_as(format: str) -> None:
    """Log as ``format`` from now on; InvalidArgument when it is none."""
    if format not in FORMATS:
        raise InvalidArgument(
            f"HASHSVC_LOG_FORMAT must be {' or '.join(FORMATS)}, not {format!r}", field="HASHSVC_LOG_FORMAT"
        )
    if format == "json":
        for handler in logging.getLogger().handlers:
            handler.setFormatter(JsonLines())
