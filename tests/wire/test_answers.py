"""Packed answers are the messages that protobuf would have made."""

from __future__ import annotations

import pytest

from hashsvc.domain.items import StoredItem
from hashsvc.domain.metadata import Metadata
from hashsvc.domain.neighbours import Answer, Columns
from hashsvc.v1 import search_pb2
from hashsvc.wire.answers import pack_answers, pack_within, read_answers, write_matches


def stored(number: int, text: str) -> StoredItem:
    metadata: Metadata = {"title": text, "year": number, "tags": ("a", "b"), "score": 0.5, "new": True}
    return StoredItem(2**62 + number, f"key-{number}", b"h" * 32, b"c" * 8, metadata, number)


def answer(count: int, text: str = "t") -> Answer:
    items = [stored(number, text) for number in range(count)]
    columns = Columns([item.id for item in items], list(range(0, 3 * count, 3)), items)
    return Answer(columns, 7, exact=count % 2 == 0, complete=True, encoder="texts@1", total=count)


@pytest.mark.parametrize("keys", [True, False])
@pytest.mark.parametrize("metadata", [True, False])
def test_packing_is_serialising(keys: bool, metadata: bool) -> None:
    answers = [answer(0), answer(1), answer(300, "long " * 100), answer(50)]
    expected = search_pb2.SearchResponse(watermark=7, encoder="texts@1")
    for one in answers:
        part = expected.answers.add(exact=one.exact, complete=one.complete)
        write_matches(part.matches, tuple(one.matches), keys=keys, metadata=metadata)
    for _ in range(2):  # what is kept with an item gives the same again
        packed = pack_answers(answers, keys=keys, metadata=metadata)
        assert search_pb2.SearchResponse.FromString(packed) == expected
    if metadata:
        assert read_answers(expected) == answers


def test_a_piece_of_a_within_answer() -> None:
    matches = answer(20).matches
    piece = search_pb2.WithinResponse.FromString(pack_within(matches[5:15]))
    expected = search_pb2.WithinResponse()
    write_matches(expected.matches, tuple(matches)[5:15])
    assert piece == expected


def test_numbers_alone_need_no_items() -> None:
    columns = Columns([4, 9], [1, 200], None)
    [read] = read_answers(
        search_pb2.SearchResponse.FromString(
            pack_answers([Answer(columns, 1, True, True, "", 2)], keys=False, metadata=False)
        )
    )
    assert [(match.key, match.id, match.distance) for match in read.matches] == [("", 4, 1), ("", 9, 200)]
    assert columns[-1].id == 9
    assert repr(columns[:1]) == "Columns([Match(key='', id=4, distance=1, metadata={}, score=None)])"
