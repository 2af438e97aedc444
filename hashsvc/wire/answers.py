"""Answers: matches as columns.

A server packs them without building messages: serialised messages that stand one behind the other are one message with
the fields of both, so what does not change about an item (its key and metadata) is serialised once and kept with it.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING

from hashsvc.domain.items import NO_METADATA
from hashsvc.domain.neighbours import Answer, Columns, Match
from hashsvc.v1 import search_pb2
from hashsvc.wire.metadata import read_metadata, write_metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hashsvc.domain.items import StoredItem
    from hashsvc.domain.metadata import Metadata

LENGTH_DELIMITED = 2


def pack_answers(answers: Sequence[Answer], *, keys: bool = True, metadata: bool = True) -> bytes:
    """The serialised ``SearchResponse`` of the answers to one search, all from one state of the collection."""
    pieces = [pack_answer(answer, keys=keys, metadata=metadata) for answer in answers]
    return join_answers(pieces)


def pack_answer(answer: Answer, *, keys: bool = True, metadata: bool = True) -> tuple[bytes, bytes]:
    """One answer as a field of ``SearchResponse``, and the fields that all answers of one state share."""
    matches = pack_matches(answer.matches, keys=keys, metadata=metadata)
    flags = _flags(answer.exact, answer.complete)
    head = _head(search_pb2.Answer.MATCHES_FIELD_NUMBER, len(matches))
    whole = _head(search_pb2.SearchResponse.ANSWERS_FIELD_NUMBER, len(head) + len(matches) + len(flags))
    return b"".join((whole, head, matches, flags)), _state(answer.watermark, answer.encoder)


def join_answers(pieces: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The serialised ``SearchResponse`` of answers from one state of the collection."""
    return b"".join([*[piece for piece, _ in pieces], *[state for _, state in pieces[:1]]])


def pack_matches(matches: Sequence[Match], *, keys: bool = True, metadata: bool = True) -> bytes:
    """The serialised ``Matches``."""
    if isinstance(matches, Columns):
        numbers = search_pb2.Matches(ids=matches.ids, distances=matches.distances).SerializeToString()
        if matches.items is None or not (keys or metadata):
            return numbers
        name = "match" if metadata else "key"
        return b"".join([numbers, *[item.memo.get(name) or _remembered(item, name) for item in matches.items]])
    message = search_pb2.Matches()
    write_matches(message, matches, keys=keys, metadata=metadata)
    return message.SerializeToString()


def pack_within(matches: Sequence[Match], *, keys: bool = True, metadata: bool = True) -> bytes:
    """The serialised ``WithinResponse`` that holds these matches."""
    packed = pack_matches(matches, keys=keys, metadata=metadata)
    return _head(search_pb2.WithinResponse.MATCHES_FIELD_NUMBER, len(packed)) + packed


def write_matches(
    message: search_pb2.Matches, matches: Sequence[Match], *, keys: bool = True, metadata: bool = True
) -> None:
    """Fill the columns of ``message``; metadata never comes without keys."""
    message.ids.extend([match.id for match in matches])
    message.distances.extend([match.distance for match in matches])
    message.scores.extend([match.score for match in matches if match.score is not None])
    if keys or metadata:
        message.keys.extend([match.key for match in matches])
    if metadata:
        for match in matches:
            write_metadata(message.metadata.add().fields, match.metadata)


def read_matches(message: search_pb2.Matches) -> tuple[Match, ...]:
    """The rows of the columns."""
    metadata: Iterable[Metadata] = (
        [read_metadata(row.fields) for row in message.metadata] if message.metadata else repeat(NO_METADATA)
    )
    scores: Iterable[float | None] = message.scores or repeat(None)
    keys: Iterable[str] = message.keys or repeat("")
    return tuple(map(Match, keys, message.ids, message.distances, metadata, scores))


def read_answers(message: search_pb2.SearchResponse) -> list[Answer]:
    """The answers in a message."""
    answers = []
    for part in message.answers:
        matches = read_matches(part.matches)
        answers.append(Answer(matches, message.watermark, part.exact, part.complete, message.encoder, len(matches)))
    return answers


def _remembered(item: StoredItem, name: str) -> bytes:
    """What an item adds to the columns, kept with the item under ``name``."""
    message = search_pb2.Matches(keys=[item.key])
    if name == "match":
        write_metadata(message.metadata.add().fields, item.metadata)
    piece = item.memo[name] = message.SerializeToString(deterministic=True)
    return piece


def _head(field: int, length: int) -> bytes:
    """What stands before an embedded message of so many bytes."""
    return bytes([field << 3 | LENGTH_DELIMITED]) + _varint(length)


@lru_cache(1 << 14)
def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + _varint(number >> 7)


@lru_cache(4)
def _flags(exact: bool, complete: bool) -> bytes:  # noqa: FBT001  a cached function takes its arguments by place
    return search_pb2.Answer(exact=exact, complete=complete).SerializeToString()


@lru_cache(64)
def _state(watermark: int, encoder: str) -> bytes:
    return search_pb2.SearchResponse(watermark=watermark, encoder=encoder).SerializeToString()
