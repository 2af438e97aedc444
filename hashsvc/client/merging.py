"""Answers of several servers to one search, merged as columns: only the matches that stay become objects."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, islice, repeat

from hashsvc.domain.items import NO_METADATA
from hashsvc.domain.neighbours import Answer, Match
from hashsvc.v1 import search_pb2
from hashsvc.wire.metadata import read_metadata


def merged(replies: Sequence[search_pb2.SearchResponse], query: int, k: int, without: int | None) -> Answer:
    """One answer to one query out of several: the first ``k`` matches by (distance, id), ``without`` left out.

    Each reply is in that order already; sorting runs that are sorted takes one pass over them.
    """
    parts = [reply.answers[query] for reply in replies]
    rows = [
        row
        for part, reply in enumerate(parts)
        for row in zip(reply.matches.distances, reply.matches.ids, repeat(part), count(), strict=False)
    ]
    rows.sort()
    nearest = islice((row for row in rows if row[1] != without), k)
    matches = tuple(_match(parts[part].matches, place) for _, _, part, place in nearest)
    return Answer(
        matches,
        min(reply.watermark for reply in replies),
        exact=all(part.exact for part in parts),
        complete=all(part.complete for part in parts),
        encoder=replies[0].encoder,
        total=len(matches),
    )


def _match(columns: search_pb2.Matches, place: int) -> Match:
    metadata = read_metadata(columns.metadata[place].fields) if columns.metadata else NO_METADATA
    key = columns.keys[place] if columns.keys else ""
    return Match(key, columns.ids[place], columns.distances[place], metadata)
