"""Structures over codes: exact and approximate search for the nearest items and for all items within a radius.

Distances are integers, smaller is nearer, a radius is inclusive, answers come in order of (distance, id) and are never
padded. Importing this room loads numpy only; FAISS and the kernel come when they are first needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hashsvc.index.allowed import ItemBitmap
from hashsvc.index.audit import Audit
from hashsvc.index.costs import costs_of
from hashsvc.index.kernel.compiled import functions, prepare
from hashsvc.index.kinds import prepare_device
from hashsvc.index.layout import word_count
from hashsvc.index.live import LiveIndex
from hashsvc.index.memory import Memory
from hashsvc.index.snapshot import Snapshot, load_snapshot, newest_snapshot, publish, set_aside
from hashsvc.index.view import View

WARMED_BITS = (64, 128, 256, 512, 1024)


def warm(cache: str | Path = "", bits: Sequence[int] = WARMED_BITS) -> None:
    """Compile the search kernel, or load it from its cache; for doors, at start-up.

    Takes from some ten seconds to a minute where nothing is cached yet, about a second after. Without it every index
    answers the same through numpy, slower; so it does where the kernel cannot be compiled.

    Args:
        cache: folder of the compiled kernel, writable by this user only; "" keeps numba's default.
        bits: code lengths to prepare; the default covers all of them.
    """
    for words in sorted({word_count(length) for length in bits}):
        prepare(words, Path(cache) if cache else None)
        if (compiled := functions(words)) is not None:
            costs_of(compiled, words)


__all__ = [
    "Audit",
    "ItemBitmap",
    "LiveIndex",
    "Memory",
    "Snapshot",
    "View",
    "load_snapshot",
    "newest_snapshot",
    "prepare_device",
    "publish",
    "set_aside",
    "warm",
]
