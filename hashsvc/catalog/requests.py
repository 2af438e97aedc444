"""Queries of the table of requests: a repeated request_id is answered as the first time."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import Connection, delete, insert, select

from hashsvc.catalog.commit import Commit
from hashsvc.catalog.tables import requests
from hashsvc.catalog.values import write_metadata
from hashsvc.domain.items import Outcome
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hashsvc.catalog.database import Database
    from hashsvc.domain.items import Row

MAX_BYTES = 128
LETTERS = {Outcome.STORED: "s", Outcome.UNCHANGED: "u", Outcome.DELETED: "d", Outcome.ABSENT: "a", Outcome.KNOWN: "k"}
OUTCOMES = {letter: outcome for outcome, letter in LETTERS.items()}


def check_request_id(request_id: str) -> str:
    """Return ``request_id`` if it is legal: at most 128 bytes of UTF-8 without NUL; InvalidArgument if not."""
    size = len(request_id.encode(errors="replace"))
    if (
        size > MAX_BYTES
        or "\x00" in request_id
        or request_id.encode(errors="ignore") != request_id.encode(errors="replace")
    ):
        raise InvalidArgument(f"request_id has at most {MAX_BYTES} bytes of UTF-8 and no NUL", field="request_id")
    return request_id


def digest(upserts: Sequence[Row], deletes: Sequence[str], asked: str = "") -> bytes:
    """sha256 of what a write asks for; codes and features follow from the content."""
    if asked:
        return hashlib.sha256(asked.encode()).digest()
    body = hashlib.sha256()
    for row in upserts:
        parts = [row.key, row.content_hash.hex(), write_metadata(row.metadata), row.reference]
        body.update(json.dumps(parts).encode())
    body.update(json.dumps(list(deletes)).encode())
    return body.digest()


Known = tuple[bytes, Commit]


def recall(database: Database, connection: Connection, collection: int, request_ids: Iterable[str]) -> dict[str, Known]:
    """Digest and stored acknowledgement of those request_ids that are not new."""
    wanted = {request_id for request_id in request_ids if request_id}
    if not wanted:
        return {}
    query = select(requests.c.request_id, requests.c.digest, requests.c.acknowledgement)
    mine = query.where(requests.c.collection == collection, database.among(requests.c.request_id, wanted))
    return {request_id: (body, _read(stored)) for request_id, body, stored in connection.execute(mine)}


def again(known: Known, request_id: str, body: bytes) -> Commit | InvalidArgument:
    """The answer to a request_id that is not new: as the first time, or an error when it stood for another body."""
    if known[0] == body:
        return replace(known[1], replayed=True)
    return InvalidArgument(
        f"request_id {request_id!r} was used for another write: give each write its own",
        field="request_id",
        reason="REQUEST_ID_REUSED",
    )


def remember(connection: Connection, collection: int, fresh: Sequence[tuple[str, bytes, Commit]]) -> None:
    """Keep acknowledgements in the transaction they acknowledge."""
    rows = [
        {
            "collection": collection,
            "request_id": request_id,
            "digest": body,
            "acknowledgement": _write(commit),
            "created_at": datetime.now(UTC),
        }
        for request_id, body, commit in fresh
    ]
    if rows:
        connection.execute(insert(requests), rows)


def forget(connection: Connection, before: datetime) -> int:
    """Drop acknowledgements older than ``before``; how many."""
    return connection.execute(delete(requests).where(requests.c.created_at < before)).rowcount


def _write(commit: Commit) -> bytes:
    head = np.array([commit.before, commit.watermark], "<i8").tobytes()
    letters = "".join(LETTERS[outcome] for outcome in commit.outcomes)
    return head + commit.ids.astype("<i8").tobytes() + letters.encode()


def _read(stored: bytes) -> Commit:
    count = (len(stored) - 16) // 9
    numbers = np.frombuffer(stored, "<i8", 2 + count).astype(np.int64)
    outcomes = tuple(OUTCOMES[letter] for letter in stored[16 + 8 * count :].decode())
    return Commit(outcomes, numbers[2:], int(numbers[0]), int(numbers[1]), replayed=True)
