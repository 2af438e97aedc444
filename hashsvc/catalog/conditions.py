"""A filter as a condition on items: it selects exactly what ``hashsvc.domain.filters.matches`` accepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, false, not_, or_, select, true

from hashsvc.catalog.tables import attributes, items
from hashsvc.catalog.values import after_prefix, equal_keys, value_key
from hashsvc.domain.filters import Comparison, Filter, Node, Operator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement

    from hashsvc.catalog.database import Database
    from hashsvc.domain.kinds import FieldType
    from hashsvc.domain.metadata import Value


def fields_of(node: Node) -> set[str]:
    """Names of the fields a filter looks at."""
    if isinstance(node, Comparison):
        return {node.field}
    return set().union(*(fields_of(child) for child in (*node.must, *node.should, *node.must_not)))


def split(node: Node, declared: Mapping[str, FieldType]) -> tuple[Node | None, Node | None]:
    """The part of a filter that indexed fields decide, and the part that has to read metadata; both must hold."""
    if fields_of(node) <= declared.keys():
        return node, None
    if isinstance(node, Comparison):
        return None, node
    ready = tuple(child for child in node.must if fields_of(child) <= declared.keys())
    rest = tuple(child for child in node.must if child not in ready)
    return (Filter(must=ready) if ready else None), Filter(rest, node.should, node.must_not)


def condition(database: Database, collection: int, node: Node) -> ColumnElement[bool]:
    """The condition on ``items`` for a filter over declared fields."""
    if isinstance(node, Comparison):
        return _compared(database, collection, node)
    must = [condition(database, collection, child) for child in node.must]
    should = [condition(database, collection, child) for child in node.should]
    never = [not_(condition(database, collection, child)) for child in node.must_not]
    return and_(true(), *must, *([or_(*should)] if should else []), *never)


def _compared(database: Database, collection: int, node: Comparison) -> ColumnElement[bool]:
    held = select(attributes.c.item).where(
        attributes.c.collection == collection, attributes.c.field == node.field, _value(database, node)
    )
    return items.c.id.in_(held)


def _value(database: Database, node: Comparison) -> ColumnElement[bool]:
    if node.operator is Operator.EXISTS:
        return true()
    if node.operator in {Operator.EQ, Operator.IN}:
        keys = [key for value in node.values for key in equal_keys(value)]
        return database.among(attributes.c.value, keys)
    return _range(node.operator, node.values[0])


def _range(operator: Operator, value: Value) -> ColumnElement[bool]:
    column = attributes.c.value
    if isinstance(value, bool | tuple):
        return false()
    key = value_key(value)
    kind = key[0]
    if operator is Operator.PREFIX:
        return and_(column >= key, column < after_prefix(key))
    if operator is Operator.LT:
        return and_(column >= kind, column < key)
    if operator is Operator.LE:
        return and_(column >= kind, column <= key)
    # The letter behind the type's own bounds every key of the type.
    if operator is Operator.GT:
        return and_(column > key, column < chr(ord(kind) + 1))
    return and_(column >= key, column < chr(ord(kind) + 1))
