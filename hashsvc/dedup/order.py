"""The total order: who is kept when two items are the same. Ties go by id, so that arrival plays no part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hashsvc.domain.metadata import Value, check_field_name
from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST, LONGEST, NEWEST = "first", "longest", "newest"
DIGITS = re.compile(r"([0-9]+)")


def check_keep(keep: str) -> str:
    """Return ``keep`` if it is a rule: first, longest, newest, or a metadata field (``-FIELD`` for its least value)."""
    if keep in {FIRST, LONGEST, NEWEST}:
        return keep
    try:
        check_field_name(keep.removeprefix("-"), "keep")
    except InvalidArgument as error:
        raise InvalidArgument(
            f"keep is first, longest, newest or a metadata field, not {keep!r}: {error.message}", field="keep"
        ) from None
    return keep


def field_of(keep: str) -> str | None:
    """The metadata field of a rule; None for the rules that need none."""
    return None if keep in {FIRST, LONGEST, NEWEST} else keep.removeprefix("-")


def ordered(
    keep: str,
    ids: NDArray[np.int64],
    *,
    keys: Sequence[str],
    lengths: NDArray[np.int64],
    sequences: NDArray[np.int64],
    values: Sequence[Value | None],
) -> NDArray[np.int64]:
    """Positions of items in the order in which they are considered, the best to keep first.

    Args:
        keep: ``first``: keys in natural order (numbers in them by value); ``longest``: most bytes first; ``newest``:
            the last written first, the one rule that asks for arrival; a field: its greatest value first, items
            without it last; ``-FIELD``: its least value first.
        ids: ``int64[n]``.
        keys: of each item.
        lengths: ``int64[n]``, bytes of its content.
        sequences: ``int64[n]``, commit order of its last write.
        values: of the field, where the rule names one.
    """
    if keep == FIRST:
        natural = [_natural(key) for key in keys]
        return np.array(sorted(range(len(keys)), key=lambda place: (natural[place], ids[place])), np.int64)
    if keep == LONGEST:
        return np.lexsort((ids, -lengths))
    if keep == NEWEST:
        return np.lexsort((ids, -sequences))
    return np.lexsort((ids, _ranks(values, descending=not keep.startswith("-"))))


def _natural(key: str) -> tuple[list[tuple[int, int, str]], str]:
    parts = [(0, int(part), "") if DIGITS.fullmatch(part) else (1, 0, part) for part in DIGITS.split(key) if part]
    return parts, key


def _ranks(values: Sequence[Value | None], *, descending: bool) -> NDArray[np.int64]:
    """Equal values share a rank; those that are missing come last."""
    distinct = sorted({_comparable(value) for value in values if value is not None}, reverse=descending)
    rank = {value: place for place, value in enumerate(distinct)}
    return np.array([len(rank) if value is None else rank[_comparable(value)] for value in values], np.int64)


def _comparable(value: Value) -> tuple[int, float, str]:
    if isinstance(value, str):
        return (1, 0.0, value)
    if isinstance(value, tuple | list):
        return (2, 0.0, "\x00".join(value))
    return (0, float(value), "")
