from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hashsvc.catalog import Catalog
from hashsvc.catalog.values import after_prefix, number_key, read_metadata, write_metadata
from hashsvc.domain.collections import Collection
from hashsvc.domain.filters import Comparison, Filter, Node, Operator, matches
from hashsvc.domain.items import item_id
from hashsvc.domain.kinds import FieldType
from hashsvc.domain.metadata import Value
from hashsvc.errors import FailedPrecondition
from tests.catalog.samples import collection, row

INTEGERS = st.one_of(
    st.integers(-3, 3),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([s * (2**e) + d for s in (1, -1) for e in (53, 60, 62) for d in (-1, 0, 1)]),
)
FLOATS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([-0.0, 0.0, 0.1, 1.0, 2.5, 5e-324, -5e-324, 1.7976931348623157e308, 2.0**53, 2.0**60, -(2.0**63)]),
    INTEGERS.map(float),
)
LETTERS = "aAbz%_\\'\"ä\ud7ff\ue000\U0001f600\U0010ffff 0*?["
TEXTS = st.one_of(
    st.text(LETTERS, max_size=3),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=5),
)
STRINGS = st.lists(TEXTS, max_size=3).map(tuple)
BY_TYPE: Mapping[FieldType, st.SearchStrategy[Value]] = {
    FieldType.INTEGER: INTEGERS,
    FieldType.FLOAT: FLOATS,
    FieldType.STRING: TEXTS,
    FieldType.BOOLEAN: st.booleans(),
    FieldType.STRINGS: STRINGS,
}
DECLARED = {f"d_{kind}": kind for kind in FieldType}
ANY = st.one_of(*BY_TYPE.values())
SINGLE = st.one_of(INTEGERS, FLOATS, TEXTS, st.booleans())
METADATA = st.fixed_dictionaries(
    {}, optional={**{n: BY_TYPE[k] for n, k in DECLARED.items()}, "free": ANY, "other": ANY}
)


@st.composite
def comparisons(draw: st.DrawFn, names: tuple[str, ...]) -> Comparison:
    operator = draw(st.sampled_from(Operator))
    field = draw(st.sampled_from(names))
    if operator is Operator.EXISTS:
        return Comparison(field, operator)
    if operator is Operator.IN:
        return Comparison(field, operator, tuple(draw(st.lists(SINGLE, min_size=1, max_size=4))))
    return Comparison(field, operator, (draw(TEXTS if operator is Operator.PREFIX else SINGLE),))


def trees(names: tuple[str, ...]) -> st.SearchStrategy[Node]:
    def groups(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        parts = st.lists(children, max_size=3).map(tuple)
        return st.builds(Filter, parts, parts, parts)

    return st.recursive(comparisons(names), groups, max_leaves=6)


INDEXED = tuple(DECLARED)
number = itertools.count()


@pytest.mark.parametrize("names", [INDEXED, (*INDEXED, "free", "other", "absent")], ids=["declared", "any"])
def test_a_filter_selects_what_the_reference_accepts(catalog: Catalog, names: tuple[str, ...]) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=[*HealthCheck], derandomize=True)
    @given(st.lists(METADATA, max_size=12), st.lists(trees(names), min_size=1, max_size=6))
    @example([{"d_integer": 2**53 + 1}, {"d_float": 2.0**53}], [Comparison("d_integer", Operator.GT, (2.0**53,))])
    @example([{"d_string": "A"}, {"d_string": "a"}, {"d_string": "ä"}], [Comparison("d_string", Operator.LT, ("b",))])
    def check(metadata: list[dict[str, Value]], filters: list[Node]) -> None:
        held = catalog.collections.create(collection(f"c{next(number)}", DECLARED))
        catalog.items.write(held, [row(str(i), metadata=values) for i, values in enumerate(metadata)])
        for node in filters:
            wanted = {str(i) for i, values in enumerate(metadata) if matches(node, values)}
            assert set(catalog.items.keys(held, node)) == wanted
            assert catalog.items.ids(held, node).tolist() == sorted(map(item_id, wanted))
            assert catalog.items.count(held, node) == len(wanted)
            listed = catalog.items.list(held, filter=node, limit=3)
            assert [item.id for item in listed] == sorted(map(item_id, wanted))[:3]

    check()


def test_indexes_follow_rewrites_deletes_and_new_declarations(catalog: Catalog) -> None:
    held = catalog.collections.create(collection(fields={"n": FieldType.INTEGER, "tags": FieldType.STRINGS}))
    catalog.items.write(held, [row("a", metadata={"n": 1, "tags": ("x", "x", "y")}), row("b", metadata={"n": 1})])
    catalog.items.write(held, [row("a", 1, {"n": 2, "tags": ("y", "z")})], ["b"])
    for field, value, wanted in (("n", 1, []), ("n", 2, ["a"]), ("tags", "x", []), ("tags", "z", ["a"])):
        assert catalog.items.keys(held, Comparison(field, Operator.EQ, (value,))) == wanted
    catalog.items.write(held, [row("c", metadata={"n": 7, "free": "w"})])
    held = catalog.collections.update("things", fields={"free": FieldType.STRING})
    assert catalog.items.keys(held, Comparison("free", Operator.EQ, ("w",))) == ["c"]
    assert catalog.items.keys(held, Comparison("n", Operator.EQ, (7,))) == ["c"]
    with pytest.raises(FailedPrecondition):
        catalog.collections.update("things", fields={"n": FieldType.STRING})
    assert catalog.items.keys(held, Comparison("free", Operator.EQ, ("w",))) == ["c"]


def test_a_stale_collection_is_filtered_by_the_fields_of_now(catalog: Catalog, held: Collection) -> None:
    catalog.items.write(held, [row("a", metadata={"n": 1})])
    catalog.collections.update("things", fields={"n": FieldType.INTEGER})
    catalog.items.write(held, [row("b", metadata={"n": 1})])
    assert set(catalog.items.keys(held, Comparison("n", Operator.EQ, (1,)))) == {"a", "b"}


@given(st.one_of(INTEGERS, FLOATS), st.one_of(INTEGERS, FLOATS))
def test_keys_are_ordered_as_numbers(left: float, right: float) -> None:
    assert (number_key(left) < number_key(right)) == (left < right)
    assert (number_key(left) == number_key(right)) == (left == right)


@given(TEXTS, TEXTS)
def test_a_prefix_is_a_range_of_bytes(prefix: str, text: str) -> None:
    bound = after_prefix("s" + prefix).encode()
    inside = ("s" + prefix).encode() <= ("s" + text).encode() < bound
    assert inside == text.startswith(prefix)


@given(METADATA)
def test_metadata_comes_back_as_it_was(metadata: dict[str, Value]) -> None:
    back = read_metadata(write_metadata(metadata))
    assert back == metadata
    assert {name: type(value) for name, value in back.items()} == {
        name: type(value) for name, value in metadata.items()
    }
