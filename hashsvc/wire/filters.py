"""Filters: the typed tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashsvc.domain.filters import MAX_DEPTH, Comparison, Filter
from hashsvc.errors import InvalidArgument
from hashsvc.v1 import filters_pb2
from hashsvc.wire.enums import OPERATOR
from hashsvc.wire.metadata import read_value, write_value

if TYPE_CHECKING:
    from hashsvc.domain.filters import Node

CLAUSES = ("must", "should", "must_not")


def read_filter(message: filters_pb2.Filter, field: str = "filter", depth: int = 1) -> Filter:
    """The filter of a message.

    Raises:
        InvalidArgument: an empty branch, an unknown operator, a value of no type, or too many levels.
    """
    if depth > MAX_DEPTH:
        raise InvalidArgument(f"a filter is at most {MAX_DEPTH} levels deep", field=field)
    clauses = {
        name: tuple(
            _read_condition(condition, f"{field}.{name}[{position}]", depth)
            for position, condition in enumerate(getattr(message, name))
        )
        for name in CLAUSES
    }
    return Filter(**clauses)


def _read_condition(message: filters_pb2.Condition, field: str, depth: int) -> Node:
    which = message.WhichOneof("condition")
    if which is None:
        raise InvalidArgument(f"{field} holds neither a comparison nor a filter", field=field)
    if which == "filter":
        return read_filter(message.filter, f"{field}.filter", depth + 1)
    where = f"{field}.comparison"
    comparison = message.comparison
    if not comparison.field:
        raise InvalidArgument("a comparison needs the name of a metadata field", field=f"{where}.field")
    return Comparison(
        comparison.field,
        OPERATOR.read(comparison.operator, f"{where}.operator"),
        tuple(read_value(value, f"{where}.values[{i}]") for i, value in enumerate(comparison.values)),
    )


def write_filter(node: Node | None) -> filters_pb2.Filter | None:
    """The message of a filter; a lone comparison becomes a filter that must hold it."""
    if node is None:
        return None
    message = filters_pb2.Filter()
    _write(message, node if isinstance(node, Filter) else Filter(must=(node,)), 1)
    return message


def _write(message: filters_pb2.Filter, node: Filter, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidArgument(f"a filter is at most {MAX_DEPTH} levels deep", field="filter")
    for name in CLAUSES:
        conditions = getattr(message, name)
        for child in getattr(node, name):
            condition = conditions.add()
            if isinstance(child, Filter):
                condition.filter.SetInParent()
                _write(condition.filter, child, depth + 1)
            else:
                _write_comparison(condition.comparison, child)


def _write_comparison(message: filters_pb2.Comparison, node: Comparison) -> None:
    message.field = node.field
    message.operator = OPERATOR.write(node.operator)  # type: ignore[assignment]
    for value in node.values:
        write_value(message.values.add(), value, "filter")
