"""Filters as a person writes them: ``year >= 2020 and (lang = en or not exists draft)``.

::

    filter     = all ("or" all)*
    all        = one ("and" one)*
    one        = "not" one | "(" filter ")" | "exists" FIELD | comparison
    comparison = FIELD OPERATOR VALUE | FIELD "in" "(" VALUE ("," VALUE)* ")"
    OPERATOR   = "=" | "!=" | "<" | "<=" | ">" | ">=" | "^=" (starts with)

A bare value is an integer, a number, ``true``, ``false`` or else a string; ``"2020"`` in quotes is always a string.
``!=`` holds for items that lack the field, as ``not FIELD = VALUE`` does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from hashsvc.domain.filters import Comparison, Filter, Node, Operator, check_filter
from hashsvc.domain.metadata import Value
from hashsvc.errors import InvalidArgument

OPTION = "--where"
MAX_NESTING = 32
TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'[^']*')|(?P<operator><=|>=|!=|\^=|==|[=<>(),])|(?P<word>[^\s<>=!^(),"']+))"""
)
OPERATORS = {
    "=": Operator.EQ,
    "==": Operator.EQ,
    "<": Operator.LT,
    "<=": Operator.LE,
    ">": Operator.GT,
    ">=": Operator.GE,
    "^=": Operator.PREFIX,
}
WORDS = {"and", "or", "not", "in", "exists"}
INTEGER = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the expression: a quoted "string", an "operator", a bare "word", or the "end"."""

    kind: str
    text: str
    position: int


def parse_filters(expressions: Sequence[str]) -> Node | None:
    """The filter that all of the expressions make together; None for none.

    Raises:
        InvalidArgument: says what was expected, and where.
    """
    nodes = [_Parser(expression).parse() for expression in expressions]
    if not nodes:
        return None
    return check_filter(nodes[0] if len(nodes) == 1 else Filter(must=tuple(nodes)), OPTION)


def _tokens(expression: str) -> list[Token]:
    tokens: list[Token] = []
    position = 0
    while expression[position:].strip():
        found = TOKEN.match(expression, position)
        if found is None:
            raise _wrong(expression, position, "is not understood here")
        kind = str(found.lastgroup)
        tokens.append(Token(kind, found[kind], found.start(kind)))
        position = found.end()
    return [*tokens, Token("end", "", len(expression))]


def _wrong(expression: str, position: int, what: str) -> InvalidArgument:
    rest = expression[position:].strip()
    seen = f"{rest!r} {what}" if rest else f"it ends where more is needed ({what})"
    return InvalidArgument(
        f"filter {expression!r}: at character {position + 1}, {seen}; write FIELD = VALUE, joined by and, or, not",
        field=OPTION,
    )


class _Parser:
    """Recursive descent: one method for each rule of the grammar at the top of the file."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.tokens = _tokens(expression)
        self.next = 0
        self.depth = 0

    def parse(self) -> Node:
        node = self.any_of()
        if self.token.kind != "end":
            raise self.wrong("is left over after a whole filter")
        return node

    @property
    def token(self) -> Token:
        return self.tokens[self.next]

    def wrong(self, what: str) -> InvalidArgument:
        return _wrong(self.expression, self.token.position, what)

    def take(self, text: str) -> bool:
        """Step over the token if it is this word or operator."""
        if self.token.kind == "string" or self.token.text.lower() != text:
            return False
        self.next += 1
        return True

    def need(self, text: str) -> None:
        if not self.take(text):
            raise self.wrong(f"stands where {text!r} was expected")

    def any_of(self) -> Node:
        nodes = [self.all_of()]
        while self.take("or"):
            nodes.append(self.all_of())
        return nodes[0] if len(nodes) == 1 else Filter(should=tuple(nodes))

    def all_of(self) -> Node:
        nodes = [self.one()]
        while self.take("and"):
            nodes.append(self.one())
        return nodes[0] if len(nodes) == 1 else Filter(must=tuple(nodes))

    def one(self) -> Node:
        if self.take("not"):
            with self.deeper():
                return Filter(must_not=(self.one(),))
        if self.take("("):
            with self.deeper():
                node = self.any_of()
            self.need(")")
            return node
        if self.take("exists"):
            return Comparison(self.name(), Operator.EXISTS)
        return self.comparison()

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """One level of nesting, refused long before Python's own recursion limit."""
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise self.wrong(f"is nested more than {MAX_NESTING} levels deep")
        yield
        self.depth -= 1

    def name(self) -> str:
        token = self.token
        if token.kind not in {"word", "string"} or (token.kind == "word" and token.text.lower() in WORDS):
            raise self.wrong("is no field name")
        self.next += 1
        return _unquoted(token) if token.kind == "string" else token.text

    def comparison(self) -> Node:
        field = self.name()
        if self.take("in"):
            return Comparison(field, Operator.IN, self.values())
        if self.take("!="):
            return Filter(must_not=(Comparison(field, Operator.EQ, (self.value(),)),))
        for text, operator in OPERATORS.items():
            if self.take(text):
                return Comparison(field, operator, (self.value(),))
        raise self.wrong("is no comparison")

    def values(self) -> tuple[Value, ...]:
        self.need("(")
        values = [self.value()]
        while self.take(","):
            values.append(self.value())
        self.need(")")
        return tuple(values)

    def value(self) -> Value:
        token = self.token
        if token.kind not in {"word", "string"}:
            raise self.wrong("is no value")
        self.next += 1
        return _unquoted(token) if token.kind == "string" else _bare(token.text)


def _unquoted(token: Token) -> str:
    if token.text.startswith("'"):
        return token.text[1:-1]
    try:
        return str(json.loads(token.text, strict=False))
    except ValueError:
        return token.text[1:-1]


def _bare(text: str) -> Value:
    if text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if INTEGER.fullmatch(text):
        return int(text)
    return float(text) if NUMBER.fullmatch(text) else text
