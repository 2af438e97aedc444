from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hashsvc.app import Store, open_store
from hashsvc.codes import hamming
from hashsvc.domain.filters import Comparison, Operator, matches
from hashsvc.domain.items import Item, item_id
from hashsvc.domain.kinds import ContentMode, Kind
from hashsvc.domain.queries import CodeQuery, ContentQuery, KeyQuery, Query, RankBy, Rerank
from hashsvc.errors import FailedPrecondition, HashsvcError, InvalidArgument, InvalidContent, NotFound
from hashsvc.settings import Limits, Settings

EVEN_DOZENS = Comparison("n", Operator.IN, tuple(range(0, 200, 12)))


def expected(codes: np.ndarray, query: np.ndarray, *, leave_out: int = -1) -> list[tuple[int, str]]:
    """(distance, key) of every item, in order of (distance, id)."""
    order = sorted(
        (int(distance), item_id(f"k{n}"), n) for n, distance in enumerate(hamming(codes, query)) if n != leave_out
    )
    return [(distance, f"k{n}") for distance, _, n in order]


def test_the_nearest_come_in_order_of_distance_and_id(raw: Store, codes: np.ndarray) -> None:
    [answer] = raw.search("raw", [CodeQuery(codes[3].tobytes())], k=40)
    assert [(m.distance, m.key) for m in answer.matches] == expected(codes, codes[3])[:40]
    assert (answer.watermark, answer.exact, answer.complete) == (200, True, True)
    assert answer.matches[0].metadata == {"n": 3}


def test_a_query_by_key_leaves_the_item_itself_out(raw: Store, codes: np.ndarray) -> None:
    by_key, by_code = raw.search("raw", [KeyQuery("k5"), CodeQuery(codes[5].tobytes())], k=10)
    assert [(m.distance, m.key) for m in by_key.matches] == expected(codes, codes[5], leave_out=5)[:10]
    assert [(m.distance, m.key) for m in by_code.matches] == expected(codes, codes[5])[:10]


def test_more_than_there_is_gives_all_there_is(raw: Store) -> None:
    assert len(raw.search("raw", [KeyQuery("k0")], k=1000)[0].matches) == 199


def test_within_answers_everything_inside_the_radius(raw: Store, codes: np.ndarray) -> None:
    answer = raw.within("raw", CodeQuery(codes[9].tobytes()), radius=28)
    inside = [pair for pair in expected(codes, codes[9]) if pair[0] <= 28]
    assert [(m.distance, m.key) for m in answer.matches] == inside
    assert answer.total == len(inside) > 1


def test_a_filter_holds_for_every_match(raw: Store, codes: np.ndarray) -> None:
    [answer] = raw.search("raw", [KeyQuery("k12")], k=5, filter=EVEN_DOZENS)
    allowed = [p for p in expected(codes, codes[12], leave_out=12) if matches(EVEN_DOZENS, {"n": int(p[1][1:])})]
    assert [(m.distance, m.key) for m in answer.matches] == allowed[:5]


def test_a_write_is_seen_by_the_next_search_and_a_delete_too(raw: Store, codes: np.ndarray) -> None:
    raw.upsert("raw", [Item("k3", code=(255 - codes[3]).tobytes()), Item("new", code=codes[3].tobytes())])
    raw.delete_items("raw", keys=["k4"])
    [answer] = raw.search("raw", [CodeQuery(codes[3].tobytes())], k=200)
    assert answer.keys[0] == "new"
    assert answer.keys[-1] == "k3"
    assert "k4" not in answer.keys
    assert answer.watermark == 203


@pytest.mark.parametrize("filter", [None, EVEN_DOZENS])
@pytest.mark.parametrize("held", [10, 1_000])
def test_pieces_are_the_answer_whether_it_is_held_or_streamed(
    raw: Store, monkeypatch: pytest.MonkeyPatch, held: int, filter: Comparison | None
) -> None:
    monkeypatch.setattr("hashsvc.search.searcher.HELD", held)
    whole = raw.within("raw", KeyQuery("k0"), radius=30, filter=filter)
    pieces = list(raw.within_pieces("raw", KeyQuery("k0"), radius=30, filter=filter, size=7))
    assert [m for piece in pieces for m in piece.matches] == list(whole.matches)
    assert {len(piece.matches) for piece in pieces[:-1]} <= {6, 7}  # the item itself is left out of its piece
    assert {(p.total, p.watermark, p.complete, p.exact) for p in pieces} == {(whole.total, 200, True, True)}


def test_nothing_within_is_one_empty_piece(raw: Store) -> None:
    raw.delete_items("raw", keys=[f"k{n}" for n in range(1, 200)])
    [piece] = raw.within_pieces("raw", KeyQuery("k0"), radius=64)
    assert (len(piece.matches), piece.total, piece.complete) == (0, 0, True)


def test_what_is_deleted_while_an_answer_is_streamed_is_left_out(raw: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hashsvc.search.searcher.HELD", 10)
    keys = raw.within("raw", KeyQuery("k0"), radius=64).keys
    pieces = raw.within_pieces("raw", KeyQuery("k0"), radius=64, size=50)
    first = next(pieces)
    raw.delete_items("raw", keys=[keys[-1]])
    *_, last = rest = list(pieces)
    assert (first.complete, last.complete, last.watermark) == (True, False, 200)
    assert first.keys + tuple(key for piece in rest for key in piece.keys) == keys[:-1]


def test_without_metadata_none_is_given(raw: Store) -> None:
    [answer] = raw.search("raw", [KeyQuery("k0")], metadata=False)
    assert {tuple(m.metadata) for m in answer.matches} == {()}


def test_the_same_answers_after_reopening(raw: Store, codes: np.ndarray) -> None:
    queries = [CodeQuery(code.tobytes()) for code in codes[:20]]
    before = raw.search("raw", queries)
    raw.publish()
    raw.upsert("raw", [Item("late", code=codes[0].tobytes())])
    raw.delete_items("raw", keys=["late"])
    raw.close()
    with open_store(str(raw.layout.folder)) as again:
        after = again.search("raw", queries)
    assert [a.matches for a in after] == [b.matches for b in before]


def test_a_text_finds_itself(texts: Store, documents: Path) -> None:
    texts.ingest("texts", [str(documents)])
    content = texts.content("texts", "d17")
    [answer] = texts.search("texts", [ContentQuery(Kind.TEXT, content)], k=3)
    assert answer.matches[0].distance == 0
    assert "d17" in texts.within("texts", ContentQuery(Kind.TEXT, content), radius=0).keys
    assert answer.encoder == "toy@1"
    assert texts.collection("texts").path.startswith("cpu float32 torch-")


@pytest.mark.parametrize(
    ("query", "kind", "field"),
    [
        (CodeQuery(b"short"), InvalidArgument, "queries[1].code"),
        (KeyQuery("absent"), NotFound, "queries[1].key"),
        (ContentQuery(Kind.TEXT, b"words"), FailedPrecondition, "queries[1]"),
    ],
)
def test_a_wrong_query_is_named(raw: Store, query: Query, kind: type[HashsvcError], field: str) -> None:
    with pytest.raises(kind) as caught:
        raw.search("raw", [KeyQuery("k0"), query])
    assert caught.value.field == field
    with pytest.raises(kind) as caught:
        raw.within("raw", query, radius=1)
    assert caught.value.field == field.replace("queries[1]", "query")


@pytest.mark.parametrize(
    ("query", "field"),
    [(ContentQuery(Kind.TEXT, b""), "queries[0]"), (ContentQuery(Kind.IMAGE, b"x"), "queries[0]")],
)
def test_content_that_cannot_be_encoded_is_named(texts: Store, query: Query, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        texts.search("texts", [query])
    assert (caught.value.field or "").startswith(field)


@pytest.mark.parametrize(("k", "count", "field"), [(0, 1, "k"), (51, 1, "k"), (1, 0, "queries"), (1, 9, "queries")])
def test_limits_are_errors(texts: Store, k: int, count: int, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        texts.search("texts", [KeyQuery("d0")] * count, k=k)
    assert caught.value.field == field


@pytest.mark.parametrize("radius", [-1, 65])
def test_a_radius_lies_between_none_and_all_bits(raw: Store, radius: int) -> None:
    with pytest.raises(InvalidArgument, match="radius must be 0 to 64"):
        raw.within("raw", KeyQuery("k0"), radius=radius)


@pytest.mark.parametrize("content", [ContentMode.BYTES, ContentMode.FEATURES])
def test_candidates_come_in_order_of_the_finer_distance(texts: Store, documents: Path, content: ContentMode) -> None:
    texts.create_collection("finer", encoder="toy@1", content=content)
    texts.ingest("finer", [str(documents)])
    query = ContentQuery(Kind.TEXT, b"amber birch cedar delta")
    [candidates] = texts.search("finer", [query], k=40)
    [answer] = texts.search("finer", [query], k=5, rerank=Rerank(8))
    scores = [match.score for match in answer.matches]
    assert scores == sorted(score for score in scores if score is not None)
    assert set(answer.keys) <= set(candidates.keys)
    assert len(answer.matches) == 5
    texts.delete_collection("finer")


def test_stored_features_rank_an_item_first_for_its_own_text(texts: Store, documents: Path) -> None:
    texts.create_collection("finer", encoder="toy@1", content=ContentMode.FEATURES)
    texts.ingest("finer", [str(documents)])
    text = json.loads(documents.read_text().splitlines()[11])["text"].encode()
    [answer] = texts.search("finer", [ContentQuery(Kind.TEXT, text)], k=1, rerank=Rerank(50))
    assert answer.matches[0].score == pytest.approx(0, abs=1e-3)
    texts.delete_collection("finer")


def test_a_query_without_content_cannot_be_re_ranked(raw: Store) -> None:
    with pytest.raises(InvalidArgument, match="query by content") as caught:
        raw.search("raw", [KeyQuery("k0")], rerank=Rerank(4))
    assert caught.value.field == "queries[0]"


def test_ranking_by_content_orders_a_short_list_by_shared_words(texts: Store, documents: Path) -> None:
    texts.ingest("texts", [str(documents)])
    query = ContentQuery(Kind.TEXT, b"amber fjord")
    [everything] = texts.search("texts", [query], k=50, rerank=Rerank(1, RankBy.CONTENT))
    words = [texts.content("texts", key).split() for key in everything.keys]
    assert {b"amber", b"fjord"} <= set(words[0])
    assert [match.score for match in everything.matches] == sorted(m.score or 0.0 for m in everything.matches)


def test_ranking_by_content_needs_the_content(texts: Store) -> None:
    texts.create_collection("bare", encoder="toy@1", content=ContentMode.NONE)
    with pytest.raises(FailedPrecondition, match="not their bytes") as caught:
        texts.search("bare", [ContentQuery(Kind.TEXT, b"amber")], rerank=Rerank(2, RankBy.CONTENT))
    assert caught.value.field == "rerank.by"
    texts.delete_collection("bare")


def test_a_text_beyond_the_limit_is_refused_wherever_it_comes_from(trained: Path) -> None:
    settings = Settings(limits=Limits(max_text_bytes=20))
    with open_store(str(trained), settings=settings) as store:
        store.create_collection("short", encoder="toy")
        long = b"amber birch cedar delta"
        for call in (
            lambda: store.upsert("short", [Item("a", content=long)]),
            lambda: store.search("short", [ContentQuery(Kind.TEXT, long)]),
            lambda: store.encode("toy", [long]),
        ):
            with pytest.raises(InvalidContent, match="HASHSVC_MAX_TEXT_BYTES"):
                call()
        store.delete_collection("short")


@pytest.mark.parametrize("query", ["ship", ContentQuery(Kind.TEXT, "ship")])  # type: ignore[arg-type]
def test_what_is_no_query_is_refused(raw: Store, query: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"ContentQuery|bytes"):
        raw.search("raw", [query])
    with pytest.raises(InvalidArgument, match=r"ContentQuery|bytes"):
        raw.within("raw", query, radius=1)
