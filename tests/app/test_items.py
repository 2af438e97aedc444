"""Items as a store writes, lists, counts and deletes them."""

from __future__ import annotations

import numpy as np
import pytest

from hashsvc.app import Store
from hashsvc.domain.filters import Comparison, Operator
from hashsvc.domain.items import Item, Outcome
from hashsvc.domain.kinds import ContentMode
from hashsvc.errors import FailedPrecondition, InvalidArgument, InvalidContent

SMALL = Comparison("n", Operator.LT, (5,))


def test_a_wrong_item_stores_nothing_and_is_named(raw: Store) -> None:
    with pytest.raises(InvalidArgument) as caught:
        raw.upsert("raw", [Item("good", code=b"8 bytes!"), Item("bad", code=b"short")])
    assert caught.value.field == "items[1].code"
    assert raw.count_items("raw") == 200


def test_in_a_stream_a_wrong_item_costs_only_itself(raw: Store) -> None:
    items = [Item("good", code=b"8 bytes!"), Item("bad", code=b"short"), Item("k0", code=b"8 bytes.")]
    [written] = raw.upsert_stream("raw", items)
    assert written.outcomes == (Outcome.STORED, Outcome.REFUSED, Outcome.STORED)
    assert list(written.errors) == [1]


def test_the_same_items_again_change_nothing(raw: Store, codes: np.ndarray) -> None:
    again = raw.upsert("raw", [Item("k1", code=codes[1].tobytes(), metadata={"n": 1})])
    assert (again.outcomes, again.watermark) == ((Outcome.UNCHANGED,), 200)


def test_a_repeated_request_is_answered_as_the_first_time(raw: Store) -> None:
    first = raw.upsert("raw", [Item("once", code=b"8 bytes!")], request_id="r-1")
    raw.delete_items("raw", keys=["once"])
    assert raw.upsert("raw", [Item("once", code=b"8 bytes!")], request_id="r-1") == first
    assert raw.count_items("raw") == 200


def test_a_repeated_request_is_known_while_its_items_are_held(raw: Store) -> None:
    items = [Item("twice", code=b"8 bytes!"), Item("k1", code=b"8 bytes.")]
    first = raw.upsert("raw", items, request_id="r-2")
    assert raw.upsert("raw", items, request_id="r-2") == first
    where = Comparison("n", Operator.LT, (5,))
    gone = raw.delete_items("raw", filter=where, request_id="r-3")
    assert raw.delete_items("raw", filter=where, request_id="r-3") == gone
    with pytest.raises(InvalidArgument):
        raw.delete_items("raw", filter=Comparison("n", Operator.LT, (6,)), request_id="r-3")


def test_pages_cover_the_listing_once(raw: Store) -> None:
    keys: list[str] = []
    token = ""
    while True:
        page = raw.list_items("raw", page_size=33, page_token=token)
        keys += [item.key for item in page.items]
        token = page.next_token
        if not token:
            break
    assert sorted(keys) == sorted(f"k{n}" for n in range(200))


@pytest.mark.parametrize("token", ["x", "0" * 32, "-" * 32])
def test_a_page_token_of_another_listing_is_refused(raw: Store, token: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        raw.list_items("raw", page_token=token)
    assert caught.value.field == "page_token"


def test_a_page_token_belongs_to_its_filter(raw: Store) -> None:
    token = raw.list_items("raw", page_size=10).next_token
    with pytest.raises(InvalidArgument, match="does not belong"):
        raw.list_items("raw", page_token=token, filter=SMALL)


def test_delete_by_filter(raw: Store) -> None:
    assert raw.delete_items("raw", filter=SMALL).count(Outcome.DELETED) == 5
    assert raw.count_items("raw", filter=SMALL) == 0
    assert raw.count_items("raw") == 195


def test_delete_takes_keys_or_a_filter(raw: Store) -> None:
    for arguments in ({}, {"keys": ["k0"], "filter": SMALL}):
        with pytest.raises(InvalidArgument, match="exactly one"):
            raw.delete_items("raw", **arguments)  # type: ignore[arg-type]
    assert raw.delete_items("raw", keys=["absent"]).outcomes == (Outcome.ABSENT,)


def test_a_filtered_delete_spares_what_changed_since_it_was_chosen(raw: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = raw.catalog.items.keys

    def keys_then_change(*arguments: object) -> list[str]:
        found = chosen(*arguments)  # type: ignore[arg-type]
        raw.upsert("raw", [Item("k1", code=b"8 bytes!", metadata={"n": 100})])
        return found

    monkeypatch.setattr(raw.catalog.items, "keys", keys_then_change)
    assert raw.delete_items("raw", filter=SMALL).count(Outcome.DELETED) == 4
    assert raw.get_items("raw", ["k1"])[0].metadata == {"n": 100}


def test_what_is_not_kept_cannot_be_given(texts: Store) -> None:
    texts.create_collection("bare", encoder="toy@1", content=ContentMode.NONE)
    texts.upsert("bare", [Item("a", content=b"amber birch")])
    with pytest.raises(FailedPrecondition, match="keeps none"):
        texts.content("bare", "a")
    texts.delete_collection("bare")


def test_empty_text_is_refused_and_stores_nothing(texts: Store) -> None:
    with pytest.raises(InvalidContent) as caught:
        texts.upsert("texts", [Item("a", content=b"amber"), Item("b", content=b"  ")])
    assert (caught.value.field or "").startswith("items[1]")
    assert texts.count_items("texts") == 0
