from __future__ import annotations

import numpy as np
import pytest

from hashsvc.catalog import Catalog
from hashsvc.domain import items as nouns
from hashsvc.domain.collections import Collection
from hashsvc.domain.items import Outcome, Row, item_id
from hashsvc.domain.metadata import Value
from hashsvc.errors import InvalidArgument, NotFound
from tests.catalog.samples import collection, everything, row


def test_rows_are_held_as_written(catalog: Catalog, held: Collection) -> None:
    metadata: dict[str, Value] = {
        "title": "ä \u2028 \U0001f600",
        "n": 2**63 - 1,
        "x": 5e-324,
        "big": 1.5e300,
        "yes": True,
        "tags": ("b", "a"),
        "none": (),
    }
    written = Row("k/ä", b"\x01" * 32, b"\x00\xff" * 4, metadata, "s3://somewhere#3", b"\x80\x7f")
    commit = catalog.items.write(held, [written])
    [item] = catalog.items.get(held, ["k/ä"])
    assert item == nouns.StoredItem(
        item_id("k/ä"), "k/ä", b"\x01" * 32, b"\x00\xff" * 4, metadata, 1, "s3://somewhere#3", b"\x80\x7f"
    )
    assert type(item.metadata["x"]) is float
    assert commit.ids.tolist() == [item.id]
    assert commit.ids.dtype == np.int64


def test_outcomes_follow_the_order_of_the_request(catalog: Catalog, held: Collection) -> None:
    first = catalog.items.write(held, [row("a"), row("b")])
    assert first.outcomes == (Outcome.STORED, Outcome.STORED)
    assert (first.before, first.watermark) == (0, 2)
    second = catalog.items.write(held, [row("b"), row("a", 1), row("c")], ["b", "never"])
    assert second.outcomes == (Outcome.UNCHANGED, Outcome.STORED, Outcome.STORED, Outcome.DELETED, Outcome.ABSENT)
    assert second.ids.tolist() == [item_id(key) for key in ("b", "a", "c", "b", "never")]
    assert (second.before, second.watermark) == (2, 5)
    assert catalog.collections.get("things").items == 2
    assert catalog.items.ids(held).tolist() == sorted([item_id("a"), item_id("c")])


def test_an_unchanged_write_consumes_no_sequence_number(catalog: Catalog, held: Collection) -> None:
    catalog.items.write(held, [row("a", metadata={"x": 0.0, "y": 1})])
    again = catalog.items.write(held, [row("a", metadata={"y": 1, "x": -0.0})])
    assert again.outcomes == (Outcome.UNCHANGED,)
    assert again.watermark == 1
    other_type = catalog.items.write(held, [row("a", metadata={"x": 0, "y": 1})])
    assert other_type.outcomes == (Outcome.STORED,)


def test_a_key_given_twice_is_two_writes(catalog: Catalog, held: Collection) -> None:
    commit = catalog.items.write(held, [row("a", 1), row("b"), row("a", 2)], ["b", "b"])
    assert commit.outcomes == (Outcome.STORED,) * 3 + (Outcome.DELETED, Outcome.ABSENT)
    assert catalog.items.get(held, ["a"])[0].code == row("a", 2).code
    assert catalog.items.count(held) == 1
    assert everything(catalog, held)[0] == {item_id("a"): row("a", 2).code}


def test_a_repeated_request_is_answered_as_the_first_time(catalog: Catalog, held: Collection) -> None:
    catalog.items.write(held, [row("old")])
    first = catalog.items.write(held, [row("a"), row("b")], ["old", "never"], request_id="r1")
    catalog.items.write(held, [row("a", 9)], ["b"])
    again = catalog.items.write(held, [row("a"), row("b")], ["old", "never"], request_id="r1")
    assert again.replayed
    assert not first.replayed
    assert (again.outcomes, again.before, again.watermark) == (first.outcomes, first.before, first.watermark)
    assert again.ids.tolist() == first.ids.tolist()
    assert catalog.items.get(held, ["a"])[0].code == row("a", 9).code
    with pytest.raises(NotFound):
        catalog.items.get(held, ["b"])


@pytest.mark.parametrize(
    "other",
    [row("a", 1), row("b"), row("a", metadata={"x": 1}), Row("a", row("a").content_hash, row("a").code, {}, "ref")],
)
def test_a_request_id_belongs_to_one_body(catalog: Catalog, held: Collection, other: Row) -> None:
    catalog.items.write(held, [row("a")], request_id="r1")
    with pytest.raises(InvalidArgument) as refused:
        catalog.items.write(held, [other], request_id="r1")
    assert refused.value.field == "request_id"
    assert catalog.items.ids(held).tolist() == [item_id("a")]


def test_request_ids_belong_to_their_collection(catalog: Catalog, held: Collection) -> None:
    beside = catalog.collections.create(collection("beside"))
    catalog.items.write(held, [row("a")], request_id="r1")
    assert not catalog.items.write(beside, [row("b")], request_id="r1").replayed


def test_wrong_rows_are_refused_whole(catalog: Catalog, held: Collection) -> None:
    for wrong in (Row("b", b"\x00" * 32, b"\x00" * 7), Row("b", b"\x00" * 31, b"\x00" * 8)):
        with pytest.raises(InvalidArgument) as refused:
            catalog.items.write(held, [row("a"), wrong])
        assert refused.value.field == "items[1]"
    with pytest.raises(InvalidArgument):
        catalog.items.write(held, [row("a")], request_id="x" * 129)
    assert catalog.items.count(held) == 0


def test_a_listing_goes_on_behind_an_id(catalog: Catalog, held: Collection) -> None:
    catalog.items.write(held, [row(f"k{i}") for i in range(50)])
    seen: list[int] = []
    while page := catalog.items.list(held, limit=7, after_id=seen[-1] if seen else -1):
        seen += [item.id for item in page]
    assert seen == catalog.items.ids(held).tolist()
    assert len(seen) == 50


def test_get_names_the_first_absent_key(catalog: Catalog, held: Collection) -> None:
    catalog.items.write(held, [row("a"), row("b")])
    assert [item.key for item in catalog.items.get(held, ["b", "a", "b"])] == ["b", "a", "b"]
    with pytest.raises(NotFound) as absent:
        catalog.items.get(held, ["a", "no", "none"])
    assert absent.value.field == "keys[1]"
    assert catalog.items.hashes(held, ["b", "no"]) == {"b": row("b").content_hash}
    ids = np.array([item_id("a"), 5, item_id("b")])
    assert {item.key for item in catalog.items.by_ids(held, ids).values()} == {"a", "b"}


def test_a_large_write_and_a_small_one_are_the_same(catalog: Catalog, held: Collection) -> None:
    beside = catalog.collections.create(collection("beside"))
    rows = [row(f"k{i}", metadata={"i": i, "s": "tab\tnew\nline\\N"}) for i in range(3_000)]
    catalog.items.write(held, rows)
    for start in range(0, 3_000, 100):
        catalog.items.write(beside, rows[start : start + 100])
    assert catalog.items.digest(held) == catalog.items.digest(beside)
    assert catalog.items.write(held, rows).watermark == 3_000


def test_a_deleted_collection_takes_no_write(catalog: Catalog, held: Collection) -> None:
    catalog.items.write(held, [row("a")], request_id="r")
    catalog.collections.delete("things")
    with pytest.raises(NotFound):
        catalog.items.write(held, [row("b")])
    new = catalog.collections.create(collection())
    assert new.id > held.id
    assert catalog.items.count(new) == 0


def test_keys_with_one_id_are_both_held(catalog: Catalog, held: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nouns, "item_id", len)
    items = catalog.items
    items.write(held, [row("aa"), row("bb")])
    items.write(held, [row("cc")])
    assert {item.key for item in items.get(held, ["aa", "bb", "cc"])} == {"aa", "bb", "cc"}
    assert len(items.ids(held)) == 3
    assert items.write(held, [row("bb"), row("cc", 1)]).outcomes == (Outcome.UNCHANGED, Outcome.STORED)
    assert items.write(held, [], ["aa", "dd"]).outcomes == (Outcome.DELETED, Outcome.ABSENT)
    assert items.write(held, [row("bb", 1)]).outcomes == (Outcome.STORED,)
    assert [item.key for item in items.list(held)] == sorted(("bb", "cc"), key=lambda key: items.get(held, [key])[0].id)
    assert items.write(held, [row("aa"), row("dd")], ["bb"]).outcomes[:2] == (Outcome.STORED, Outcome.STORED)
    assert {item.key for item in items.list(held)} == {"aa", "cc", "dd"}
    assert items.count(held) == 3
    assert set(everything(catalog, held)[0]) == set(items.ids(held).tolist())
