"""Collections as a store makes and refuses them."""

from __future__ import annotations

import pytest

from hashsvc.app import Store
from hashsvc.domain.kinds import FieldType
from hashsvc.errors import AlreadyExists, HashsvcError, InvalidArgument, NotFound


@pytest.mark.parametrize(
    ("arguments", "kind", "field"),
    [
        ({}, InvalidArgument, "encoder"),
        ({"bits": 63}, InvalidArgument, "bits"),
        ({"encoder": "absent"}, NotFound, "encoder"),
        ({"encoder": "toy", "bits": 64}, InvalidArgument, "bits"),
    ],
)
def test_a_collection_needs_an_encoder_or_a_code_length(
    texts: Store, arguments: dict[str, object], kind: type[HashsvcError], field: str
) -> None:
    with pytest.raises(kind) as caught:
        texts.create_collection("other", **arguments)  # type: ignore[arg-type]
    assert caught.value.field == field
    assert [held.name for held in texts.collections()] == ["texts"]


def test_a_taken_name_and_an_unknown_one(raw: Store) -> None:
    with pytest.raises(AlreadyExists):
        raw.create_collection("raw", bits=8)
    for call in (raw.collection, raw.delete_collection, raw.count_items):
        with pytest.raises(NotFound, match="absent"):
            call("absent")


@pytest.mark.parametrize("name", ["", "x" * 65, "a\x00b", "\ud800"])
def test_a_field_that_no_item_can_hold_is_refused(raw: Store, name: str) -> None:
    with pytest.raises(InvalidArgument):
        raw.create_collection("other", bits=8, fields={name: FieldType.STRING})
    with pytest.raises(InvalidArgument):
        raw.update_collection("raw", fields={name: FieldType.STRING})
