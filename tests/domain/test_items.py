from __future__ import annotations

import hashlib

import pytest

from hashsvc.domain.encoders import check_name, parse_label
from hashsvc.domain.items import Outcome, Written, check_key, content_hash, item_id
from hashsvc.errors import InvalidArgument


def test_an_id_is_the_top_63_bits_of_the_keys_sha256() -> None:
    digest = int(hashlib.sha256(b"os.path.join").hexdigest(), 16)
    assert item_id("os.path.join") == digest >> 193
    assert 0 <= item_id("x") < 2**63


def test_a_content_hash_is_sha256() -> None:
    assert content_hash(b"abc").hex() == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize("key", ["", "x" * 1025, "é" * 513, "a\x00b", "\ud800"])
def test_illegal_keys_are_refused(key: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_key(key, "items[0].key")
    assert caught.value.field == "items[0].key"


@pytest.mark.parametrize("key", ["a", "x" * 1024, "ключ/нет пробела?", " "])
def test_any_other_text_is_a_key(key: str) -> None:
    assert check_key(key) == key


def test_outcomes_are_counted() -> None:
    written = Written((Outcome.STORED, Outcome.UNCHANGED, Outcome.STORED), 9)
    assert {outcome: written.count(outcome) for outcome in Outcome if written.count(outcome)} == {
        "stored": 2,
        "unchanged": 1,
    }


@pytest.mark.parametrize("name", ["", "A", "-x", "a b", "x" * 64, "a/b", "é"])
def test_illegal_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match="no legal name"):
        check_name(name)


def test_a_label_is_a_name_with_or_without_a_version() -> None:
    assert parse_label("news") == ("news", None)
    assert parse_label("news@12") == ("news", 12)


@pytest.mark.parametrize("label", ["news@", "news@0", "news@x", "news@1@2", "@1"])
def test_illegal_labels_are_refused(label: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_label(label)
