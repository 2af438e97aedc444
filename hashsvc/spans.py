"""Named stretches of work, for traces: whoever wants to see them says how one begins; else they are nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

Carried = Callable[[], Iterable[tuple[str, str | bytes]]]
Begin = Callable[[str, Carried | None], AbstractContextManager[object]]

_NOTHING = nullcontext()
_watching: list[Begin] = []


def span(name: str, carried: Carried | None = None) -> AbstractContextManager[object]:
    """A stretch of work; ``carried`` gives the metadata of the call that it answers."""
    return _watching[0](name, carried) if _watching else _NOTHING


def watch(begin: Begin | None) -> None:
    """Have every stretch of this process begun by ``begin``; None for no more of that."""
    _watching[:] = [] if begin is None else [begin]
