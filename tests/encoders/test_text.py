"""The text front: any script, typos, and texts without one known word."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hashsvc.codes import hamming
from hashsvc.domain.kinds import Kind
from hashsvc.encoders import MODELS, Encoder
from hashsvc.encoders.fronts.text import TextFront
from hashsvc.encoders.fronts.tokens import RUN, grams, tokens
from hashsvc.errors import InvalidContent
from tests.encoders.material import fitted, texts

UNKNOWN = [
    "zzyzx qwertz",
    "Корабль вышел в море",
    "Повар печёт хлеб",
    "船长在港口",
    "交響楽団のコンサート",
    "السفينة في الميناء",
    "เรือในท่าเรือ",
    "🚀🌕",
    "!?",
    "the of and",
    "x",
]


def codes(encoder: Encoder, written: list[str]) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return encoder.encode([encoder.decode(text.encode()) for text in written])


@pytest.mark.parametrize("model", [model.name for model in MODELS.values() if Kind.TEXT in model.kinds])
def test_texts_without_a_known_word_have_codes_of_their_own(model: str) -> None:
    encoder = fitted(model, Kind.TEXT).candidates[model]
    found = codes(encoder, UNKNOWN)
    assert len(np.unique(found, axis=0)) >= len(UNKNOWN) - (2 if model == "vq_vae" else 1)
    assert found.any(axis=1).sum() >= len(UNKNOWN) - 1


def test_a_typo_stays_near_the_word_it_was() -> None:
    encoder = fitted("autoencoder", Kind.TEXT).candidates["autoencoder"]
    right, wrong, other = codes(encoder, ["telescope galaxy nebula", "telescopes galxy nebulla", "onion garlic butter"])
    assert hamming(right, wrong) < hamming(right, other)


def test_a_wrongly_spelled_query_finds_its_topic() -> None:
    encoder = fitted("autoencoder", Kind.TEXT).candidates["autoencoder"]
    written, topics = texts()
    held = encoder.encode([encoder.decode(content) for content in written])
    order = np.argsort(hamming(codes(encoder, ["captaine sailer harbours"]), held), kind="stable")[:20]
    assert sum(topics[item] == "sea" for item in order) >= 15


@pytest.mark.parametrize("content", [b"", b" \n\t ", b"\x00"])
def test_an_empty_text_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidContent, match="empty"):
        TextFront.fit(texts()[0]).decode(content)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(InvalidContent, match="UTF-8"):
        TextFront.fit(texts()[0]).decode(b"caf\xe9 \xff")


def test_rows_are_sparse_sorted_and_of_unit_length() -> None:
    row = TextFront.fit(texts()[0]).decode(b"ship ship harbour unheard")
    assert (np.diff(row.columns) > 0).all()
    assert np.isclose((row.weights**2).sum(), 1.0)
    assert (row.weights > 0).all()


def test_a_row_is_what_counting_by_hand_gives() -> None:
    front = TextFront(["boat", "sea"], np.array([1.5, 2.0], dtype=np.float32), buckets=7)
    row = front.decode(b"sea boat zebra the sea zebra yak")
    by_hand = {0: 1.5, 1: 2.0 * (1 + np.log(2))}
    share = 0.5 * by_hand[1] / (1 + 2 / 4)
    for token, count in {"zebra": 2, "yak": 1}.items():
        buckets = grams(token, 7).tolist()
        for bucket in buckets:
            weight = share * (1 + np.log(count)) / len(buckets) ** 0.5
            by_hand[2 + bucket] = by_hand.get(2 + bucket, 0.0) + weight
    assert row.columns.tolist() == sorted(by_hand)
    length = np.sqrt(sum(weight**2 for weight in by_hand.values()))
    np.testing.assert_allclose(row.weights, [by_hand[column] / length for column in row.columns], rtol=1e-6)


def test_scripts_without_spaces_are_cut_into_pairs() -> None:
    assert tokens("船长在 Harbour a") == ["船长", "长在", "harbour"]
    assert tokens("Ｆｕｌｌ ﬁsh") == ["full", "fish"]


def test_common_and_stop_words_are_no_vocabulary() -> None:
    front = TextFront.fit([f"the always ship{number % 7} deck{number % 5}".encode() for number in range(100)])
    assert "the" not in front.words
    assert "always" not in front.words
    assert "ship3" in front.words


@given(st.text(st.characters(codec="ascii")))
def test_ascii_is_cut_as_any_other_script(text: str) -> None:
    assert tokens(text) == [run for run in RUN.findall(text.lower()) if len(run) > 1]
