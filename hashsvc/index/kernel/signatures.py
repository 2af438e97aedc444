"""Argument types of the compiled functions: exact types, so that no call can ever cause a compilation."""

from __future__ import annotations

from typing import Any

from numba import types


def _read(kind: Any, dimensions: int = 1) -> Any:
    return types.Array(kind, dimensions, "C", readonly=True)


def _write(kind: Any, dimensions: int = 1) -> Any:
    return types.Array(kind, dimensions, "C")


BITMAP = _read(types.uint64)
BLOCKS = _read(types.uint64, 3)
IDS = _read(types.int64)
INDICES = _read(types.uint32)
QUERIES = _read(types.uint64, 2)
COLUMNS = QUERIES
NUMBER = types.int64
PART = (BLOCKS, IDS, BITMAP, BITMAP, BITMAP, INDICES, INDICES, IDS, BITMAP)
TABLES = (_read(types.int64, 2), IDS, INDICES, _read(types.uint32, 2), _read(types.uint16, 2))
HEAPS = (_write(types.int32, 2), _write(types.int64, 2), _write(types.int64))
AFTER = types.UniTuple(types.int64, 2)


def signature(name: str, words: int) -> tuple[Any, ...]:
    """Argument types of a function for codes of ``words`` words (of no matter to some)."""
    like = types.UniTuple(types.uint64, words)
    found = (_write(types.int32), _write(types.int32), _write(types.int64))
    return {
        "scan_nearest": (*PART, QUERIES, like, AFTER, _write(types.int64), *HEAPS),
        "scan_inside": (*PART, QUERIES, like, NUMBER, NUMBER, _write(types.int64), *found),
        "tables_nearest": (
            *PART,
            *TABLES,
            QUERIES,
            like,
            AFTER,
            types.float64,
            types.float64,
            *HEAPS,
            _write(types.boolean),
        ),
        "tables_inside": (*PART, *TABLES, QUERIES, like, NUMBER, *found),
        "settle": HEAPS,
        "join_range": (
            *(COLUMNS, INDICES, INDICES, COLUMNS, INDICES, INDICES, _read(types.int64, 2), IDS, INDICES),
            *(NUMBER, types.boolean, like, NUMBER, NUMBER, _write(types.int64)),
            *(_write(types.uint32), _write(types.uint32), _write(types.uint16)),
        ),
        "add_owners": (_write(types.uint64), INDICES, INDICES, BITMAP),
        "cut": (*(BITMAP,) * 4, INDICES, INDICES, BITMAP, types.boolean, *(_write(types.uint64),) * 3),
        "locate": (IDS, IDS, INDICES, IDS, NUMBER, _write(types.int64)),
        "gather": (
            *(BLOCKS, IDS, BITMAP, INDICES, INDICES, IDS, BITMAP),
            *(_write(types.uint64, 3), _write(types.int64)),
        ),
    }[name]
