"""Compiling the kernel, once in a process and cached on disk, when a door asks for it; never in a request.

The cache folder holds numba's own files, which are code: it must be writable by the service's user only.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

LOG = logging.getLogger(__name__)
SCAN = ("scan_nearest", "scan_inside", "settle")
TABLES = ("tables_nearest", "tables_inside")
JOINING = ("join_range",)
FILTERING = ("add_owners", "cut", "gather", "locate")
UNSIZED = ("settle", *FILTERING)
# What numba says where it finds no folder to keep compiled functions in.
NO_FOLDER = "no locator available"

Functions = dict[str, Callable[..., Any]]


class _State:
    """What this process has compiled: functions by number of words (0: of no matter), or why there are none."""

    lock = threading.Lock()
    ready: ClassVar[dict[int, Functions]] = {}
    joining: ClassVar[dict[int, Functions | None]] = {}
    failure = "this process has not warmed the kernel: hashsvc.index.warm does"
    cache: Path | None = None
    kept = True


def prepare(words: int, cache: Path | None) -> None:
    """Compile the functions for codes of ``words`` words, or load them from ``cache`` (None: numba's own place)."""
    with _State.lock:
        if words in _State.ready:
            return
        try:
            with _cache_at(cache):
                unsized = _State.ready.get(0) or _compiled(UNSIZED, 0)
                _State.ready[words] = unsized | _compiled((*SCAN[:2], *TABLES), words)
                _State.ready[0] = unsized
                _State.cache = cache
        except Exception as error:
            # Whatever keeps the kernel from compiling here, the numpy pass gives the same answers.
            _State.failure = f"the kernel did not compile: {type(error).__name__}: {error}"
            LOG.warning("searching without the compiled kernel: %s", _State.failure)


def functions(words: int) -> Functions | None:
    """The compiled functions for codes of ``words`` words; None when there are none."""
    return _State.ready.get(words)


def joining_functions(words: int) -> Functions | None:
    """The compiled functions of joins, which belong to jobs: compiled, or loaded from the cache, at the first call.

    None where the kernel was not warmed or cannot be compiled.
    """
    if functions(words) is None:
        return None
    with _State.lock:
        if words not in _State.joining:
            try:
                with _cache_at(_State.cache):
                    _State.joining[words] = _compiled(JOINING, words)
            except Exception as error:
                # As in prepare: numpy finds the same pairs.
                _State.joining[words] = None
                LOG.warning("joining without the compiled kernel: %s: %s", type(error).__name__, error)
        return _State.joining[words]


def failure() -> str:
    """Why there are no compiled functions."""
    return _State.failure


def _compiled(names: tuple[str, ...], words: int) -> Functions:
    """Functions from the cache or into it; only compiled where there is no folder to keep them in."""
    if _State.kept:
        try:
            return _made(names, words, cache=True)
        except RuntimeError as error:
            if NO_FOLDER not in str(error):
                raise
            _State.kept = False
            LOG.warning(
                "no folder to keep the compiled kernel in is writable, so every start compiles it anew: "
                "set HASHSVC_KERNEL_CACHE to one that is"
            )
    return _made(names, words, cache=False)


def _made(names: tuple[str, ...], words: int, *, cache: bool) -> Functions:
    import numba

    from hashsvc.index.kernel import filtering, hashing, joining, scan
    from hashsvc.index.kernel.signatures import signature

    rooms = {
        **dict.fromkeys(SCAN, scan),
        **dict.fromkeys(TABLES, hashing),
        **dict.fromkeys(FILTERING, filtering),
        **dict.fromkeys(JOINING, joining),
    }
    return {
        name: numba.njit([signature(name, words)], nogil=True, cache=cache)(getattr(rooms[name], name))
        for name in names
    }


@contextmanager
def _cache_at(folder: Path | None) -> Iterator[None]:
    """Let numba keep its cache in ``folder`` (None: beside this file), apart for each version of the sources."""
    import numba

    before = numba.config.CACHE_DIR
    place = (folder or Path(__file__).parent / "__pycache__") / f"kernel-{_source_digest()}"
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        numba.config.CACHE_DIR = str(place)
    except OSError:
        # Numba finds a place of its own, or says that there is none.
        if folder is not None:
            LOG.warning("the kernel cannot be cached in %s: it is not writable", folder)
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


def _source_digest() -> str:
    """Numba looks at a function's own file only; this covers the files it is made from too."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
