"""Answers: matches as columns."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING

from hashsvc.domain.items import NO_METADATA
from hashsvc.domain.neighbours import Answer, Match
from hashsvc.v1 import search_pb2
from hashsvc.wire.metadata import read_metadata, write_metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hashsvc.domain.metadata import Metadata


def write_matches(message: search_pb2.Matches, matches: Sequence[Match], *, metadata: bool) -> None:
    """Fill the columns of ``message``."""
    message.ids.extend([match.id for match in matches])
    message.distances.extend([match.distance for match in matches])
    message.keys.extend([match.key for match in matches])
    message.scores.extend([match.score for match in matches if match.score is not None])
    if metadata:
        add = message.metadata.add
        for match in matches:
            write_metadata(add().fields, match.metadata)


def read_matches(message: search_pb2.Matches) -> tuple[Match, ...]:
    """The rows of the columns."""
    metadata: Iterable[Metadata] = (
        [read_metadata(row.fields) for row in message.metadata] if message.metadata else repeat(NO_METADATA)
    )
    scores: Iterable[float | None] = message.scores or repeat(None)
    return tuple(map(Match, message.keys, message.ids, message.distances, metadata, scores))


def write_answers(answers: Sequence[Answer], *, metadata: bool) -> search_pb2.SearchResponse:
    """The message of the answers to one search; all of them come from one state of the collection."""
    message = search_pb2.SearchResponse()
    for answer in answers:
        part = message.answers.add(exact=answer.exact, complete=answer.complete)
        write_matches(part.matches, answer.matches, metadata=metadata)
    if answers:
        message.watermark = min(answer.watermark for answer in answers)
        message.encoder = answers[0].encoder
    return message


def read_answers(message: search_pb2.SearchResponse) -> list[Answer]:
    """The answers in a message."""
    answers = []
    for part in message.answers:
        matches = read_matches(part.matches)
        answers.append(Answer(matches, message.watermark, part.exact, part.complete, message.encoder, len(matches)))
    return answers
