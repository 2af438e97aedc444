"""Named places where a process may die: the crash tests arm them, everywhere else reaching one does nothing."""

from __future__ import annotations

from collections.abc import Callable

NAMES = (
    "write.begun",
    "write.before_commit",
    "write.after_commit",
    "write.applied",
    "publish.begun",
    "publish.before_rename",
    "publish.after_rename",
    "merge.begun",
    "merge.built",
    "ingest.encoded",
    "ingest.unit_done",
    "dedup.list",
    "dedup.sketch",
    "dedup.decide",
    "dedup.settle",
)

_armed: dict[str, Callable[[], None]] = {}


def reach(name: str) -> None:
    """Do what was armed for this place; nothing by default."""
    action = _armed.get(name)
    if action is not None:
        action()


def arm(name: str, action: Callable[[], None] | None) -> None:
    """Let ``action`` run whenever this process reaches ``name``; None disarms it.

    Raises:
        KeyError: there is no such place.
    """
    if name not in NAMES:
        raise KeyError(name)
    if action is None:
        _armed.pop(name, None)
    else:
        _armed[name] = action
