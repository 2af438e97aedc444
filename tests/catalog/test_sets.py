from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hashsvc.catalog import Catalog
from hashsvc.domain.collections import Collection
from hashsvc.domain.encoders import CodeSpec, EncoderVersion
from hashsvc.domain.kinds import ContentMode, FieldType, IndexKind, Kind
from hashsvc.errors import AlreadyExists, InvalidArgument, NotFound
from tests.catalog.samples import collection, row


def test_a_collection_comes_back_as_it_was_made(catalog: Catalog) -> None:
    asked = Collection(
        "docs",
        Kind.TEXT,
        128,
        "enc@1",
        "f" * 64,
        ContentMode.REFERENCE,
        {"year": FieldType.INTEGER},
        IndexKind.SCAN,
        "cpu",
    )
    made = catalog.collections.create(asked)
    assert replace(made, id=0, created_at=None) == asked
    assert made.created_at is not None
    assert made.created_at.tzinfo is UTC
    assert catalog.collections.get("docs") == made
    with pytest.raises(AlreadyExists) as taken:
        catalog.collections.create(asked)
    assert taken.value.field == "name"
    with pytest.raises(InvalidArgument):
        catalog.collections.create(replace(asked, name="No"))


def test_collections_are_listed_by_name_and_changed(catalog: Catalog) -> None:
    for name in ("b", "a.x", "a-x", "z_1"):
        catalog.collections.create(collection(name))
    assert [held.name for held in catalog.collections.list()] == ["a-x", "a.x", "b", "z_1"]
    changed = catalog.collections.update("b", index=IndexKind.TABLES, path="cuda float16")
    assert catalog.collections.get("b") == changed
    assert (changed.index, changed.path) == (IndexKind.TABLES, "cuda float16")
    catalog.collections.delete("b")
    for lost in (catalog.collections.get, catalog.collections.delete, catalog.collections.update):
        with pytest.raises(NotFound):
            lost("b")


def test_numbers_of_deleted_collections_are_never_used_again(catalog: Catalog) -> None:
    first = catalog.collections.create(collection("a"))
    catalog.items.write(first, [row("x")])
    catalog.collections.delete("a")
    assert catalog.collections.create(collection("a")).id > first.id


def test_encoders_count_their_versions(catalog: Catalog) -> None:
    now = datetime.now(UTC)
    spec = CodeSpec(64, Kind.TEXT, "1" * 64, margin=1.1754943508222875e-38)
    asked = EncoderVersion("enc", 0, spec, "autoencoder", "encoders/1", now, {"p_at_10": 0.5})
    first = catalog.encoders.register(asked)
    assert first == replace(asked, version=1)
    assert catalog.encoders.register(asked) == first
    second = catalog.encoders.register(replace(asked, spec=replace(spec, fingerprint="2" * 64)))
    other = catalog.encoders.register(replace(asked, name="dec"))
    assert catalog.encoders.get("enc") == second
    assert catalog.encoders.get("enc@1") == first
    assert catalog.encoders.list() == [other, first, second]
    for label in ("no", "enc@3"):
        with pytest.raises(NotFound):
            catalog.encoders.get(label)
