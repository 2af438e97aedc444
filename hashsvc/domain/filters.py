"""Filters: a typed tree of comparisons over metadata, and the plain Python meaning of it.

``matches`` is the reference: the SQL translation of a filter must select exactly the items it accepts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hashsvc.domain.kinds import FieldType
from hashsvc.domain.metadata import Metadata, Value, check_value, type_of
from hashsvc.errors import InvalidArgument

MAX_DEPTH = 8
MAX_NODES = 256


class Operator(StrEnum):
    """Comparison of a field with a value.

    A comparison with a missing field is false; so is one between different types, except integer with float.
    STRINGS: EQ and IN hold when any element does; ranges and PREFIX are for single values.
    """

    EQ = "eq"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    IN = "in"
    EXISTS = "exists"
    PREFIX = "prefix"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field compared with one value (IN: several values; EXISTS: none)."""

    field: str
    operator: Operator
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """All of ``must``, at least one of ``should`` (when there is any), none of ``must_not``."""

    must: tuple[Node, ...] = ()
    should: tuple[Node, ...] = ()
    must_not: tuple[Node, ...] = ()


Node = Comparison | Filter


def check_filter(node: Node, where: str = "filter") -> Node:
    """Return ``node`` if every comparison is well formed and the tree is within its limits.

    Raises:
        InvalidArgument: names the offending node.
    """
    count = _check(node, where, 1)
    if count > MAX_NODES:
        raise InvalidArgument(f"a filter holds at most {MAX_NODES} nodes, not {count}", field=where)
    return node


def _check(node: Node, where: str, depth: int) -> int:
    if depth > MAX_DEPTH:
        raise InvalidArgument(f"a filter is at most {MAX_DEPTH} levels deep", field=where)
    if isinstance(node, Comparison):
        _check_comparison(node, where)
        return 1
    count = 1
    for name in ("must", "should", "must_not"):
        for position, child in enumerate(getattr(node, name)):
            count += _check(child, f"{where}.{name}[{position}]", depth + 1)
    return count


def _check_comparison(node: Comparison, where: str) -> None:
    if not node.field:
        raise InvalidArgument("a comparison needs a field name", field=f"{where}.field")
    wanted = {Operator.EXISTS: 0}.get(node.operator, 1)
    if node.operator is Operator.IN:
        if not node.values:
            raise InvalidArgument("'in' needs at least one value", field=f"{where}.values")
    elif len(node.values) != wanted:
        raise InvalidArgument(f"{node.operator!s} takes {wanted} value(s), not {len(node.values)}", field=where)
    for value in node.values:
        check_value(value, f"{where}.values")
        if type_of(value) is FieldType.STRINGS:
            raise InvalidArgument("compare with single values, not with lists", field=f"{where}.values")
    if node.operator is Operator.PREFIX and not isinstance(node.values[0], str):
        raise InvalidArgument("'prefix' takes a string", field=f"{where}.values")


def matches(node: Node, metadata: Metadata) -> bool:
    """Whether an item with this metadata passes the filter."""
    if isinstance(node, Comparison):
        return _holds(node, metadata)
    return (
        all(matches(child, metadata) for child in node.must)
        and (not node.should or any(matches(child, metadata) for child in node.should))
        and not any(matches(child, metadata) for child in node.must_not)
    )


def _holds(node: Comparison, metadata: Metadata) -> bool:
    held = metadata.get(node.field)
    if held is None or node.operator is Operator.EXISTS:
        return held is not None
    if node.operator in {Operator.EQ, Operator.IN}:
        parts = held if isinstance(held, tuple) else (held,)
        return any(_comparable(part, value) and part == value for part in parts for value in node.values)
    return _ordered(node.operator, held, node.values[0])


def _ordered(operator: Operator, held: Value, value: Value) -> bool:
    if isinstance(held, tuple | bool) or not _comparable(held, value):
        return False
    if operator is Operator.PREFIX:
        return str(held).startswith(str(value))
    sign = _compare(held, value)
    return {
        Operator.LT: sign < 0,
        Operator.LE: sign <= 0,
        Operator.GT: sign > 0,
        Operator.GE: sign >= 0,
    }[operator]


def _compare(left: Value, right: Value) -> int:
    if isinstance(left, str) and isinstance(right, str):
        return (left.encode() > right.encode()) - (left.encode() < right.encode())
    return (left > right) - (left < right)  # type: ignore[operator]


def _comparable(left: Value, right: Value) -> bool:
    numbers = {FieldType.INTEGER, FieldType.FLOAT}
    return type_of(left) is type_of(right) or {type_of(left), type_of(right)} <= numbers
