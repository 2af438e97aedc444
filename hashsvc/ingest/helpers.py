"""Decoding in helper processes with a memory limit: content that kills its decoder kills a helper, not the job.

Helpers are spawned, never forked: a fork of a process that has used OpenMP hangs.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, cast

from hashsvc.errors import InvalidContent, Unavailable

if TYPE_CHECKING:
    from hashsvc.encoders.contract import Decoded

CHUNK_ITEMS = (64, 512)
CHUNKS = 4  # for each helper of a batch: while one is given and taken its helper waits, so few, and enough to share
CHUNK_BYTES = 4 << 20
MEMORY = 1 << 30
PATIENCE_S = 60.0
START_S = 120.0
READY = "ready"


class Decoder(Protocol):
    """What a helper needs of an encoder."""

    def decode(self, content: bytes) -> Decoded:
        """See :meth:`hashsvc.encoders.Encoder.decode`."""
        ...


@dataclass(slots=True)
class _Helper:
    process: SpawnProcess
    pipe: Connection
    chunk: tuple[int, int] | None = None
    since: float = 0.0


class Helpers:
    """A few processes that decode; also a context manager. For one thread at a time.

    Args:
        open_decoder: makes the decoder inside the helper; must be importable there (a function, or a partial of one).
        count: how many.
        memory: bytes a helper may take beyond what it holds once its decoder is open.
        patience: seconds after which one chunk is given up.
    """

    def __init__(
        self, open_decoder: Callable[[], Decoder], count: int, *, memory: int = MEMORY, patience: float = PATIENCE_S
    ) -> None:
        self._open = open_decoder
        self._memory = memory
        self._patience = patience
        self._helpers = [self._spawn() for _ in range(count)]
        for helper in self._helpers:
            self._await(helper)

    def decode(self, contents: Sequence[bytes]) -> list[Decoded | InvalidContent]:
        """Each content decoded, or the error that says why it cannot be; in order."""
        found: list[Decoded | InvalidContent | None] = [None] * len(contents)
        waiting = deque(_chunks(contents, len(contents) // (CHUNKS * len(self._helpers))))
        while waiting or any(helper.chunk for helper in self._helpers):
            for position, helper in enumerate(self._helpers):
                if helper.chunk is None and waiting and not self._give(helper, waiting, contents):
                    self._helpers[position] = self._renewed(helper)
            for position, helper in enumerate(self._helpers):
                self._take(position, helper, waiting, found)
        return cast("list[Decoded | InvalidContent]", found)

    def close(self) -> None:
        """End the helpers."""
        for helper in self._helpers:
            helper.pipe.close()
        for helper in self._helpers:
            helper.process.join(1)
            if helper.process.is_alive():
                helper.process.kill()
                helper.process.join()
            helper.process.close()
        self._helpers = []

    def __enter__(self) -> Helpers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _spawn(self) -> _Helper:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._open, self._memory), daemon=True)
        process.start()
        theirs.close()
        return _Helper(process, ours)

    def _await(self, helper: _Helper) -> None:
        try:
            if helper.pipe.poll(START_S) and helper.pipe.recv() == READY:
                return
        except (EOFError, OSError):
            pass
        self.close()
        raise Unavailable("a decoding helper did not start: see its message above, or run without helpers")

    def _renewed(self, helper: _Helper) -> _Helper:
        helper.process.kill()
        helper.process.join()
        helper.process.close()
        helper.pipe.close()
        fresh = self._spawn()
        self._await(fresh)
        return fresh

    def _give(self, helper: _Helper, waiting: deque[tuple[int, int]], contents: Sequence[bytes]) -> bool:
        start, stop = chunk = waiting.popleft()
        try:
            helper.pipe.send(list(contents[start:stop]))
        except OSError:
            waiting.appendleft(chunk)
            return False
        helper.chunk, helper.since = chunk, time.monotonic()
        return True

    def _take(
        self,
        position: int,
        helper: _Helper,
        waiting: deque[tuple[int, int]],
        found: list[Decoded | InvalidContent | None],
    ) -> None:
        """Take the answer of a helper when there is one; replace it when it died or takes too long."""
        if helper.chunk is None:
            return
        start, stop = helper.chunk
        busy = [other.pipe for other in self._helpers if other.chunk is not None]
        if helper.pipe not in wait(busy, timeout=0.1):
            if time.monotonic() - helper.since < self._patience:
                return
            why = f"decoding it took more than {self._patience:.0f} s"
        else:
            try:
                for offset, one in enumerate(helper.pipe.recv()):
                    found[start + offset] = InvalidContent(one, field="content") if isinstance(one, str) else one
            except (EOFError, OSError):
                why = f"decoding it crashed the decoder, or needs more than {self._memory >> 20} MiB"
            else:
                helper.chunk = None
                return
        if stop - start == 1:
            found[start] = InvalidContent(why, field="content")
        else:
            waiting.extendleft((i, i + 1) for i in reversed(range(start, stop)))
        self._helpers[position] = self._renewed(helper)


def _chunks(contents: Sequence[bytes], items: int) -> Iterator[tuple[int, int]]:
    """Ranges of about so many items, and of at most ``CHUNK_BYTES`` where that is more than one."""
    start = size = 0
    items = min(max(items, CHUNK_ITEMS[0]), CHUNK_ITEMS[1])
    for position, content in enumerate(contents):
        if position > start and (position - start >= items or size + len(content) > CHUNK_BYTES):
            yield start, position
            start, size = position, 0
        size += len(content)
    if start < len(contents):
        yield start, len(contents)


def _serve(pipe: Connection, open_decoder: Callable[[], Decoder], memory: int) -> None:
    """The helper's life: decode chunk after chunk until the pipe is closed."""
    decoder = open_decoder()
    _limit(memory)
    pipe.send(READY)
    while True:
        try:
            contents = pipe.recv()
        except EOFError:
            return
        pipe.send([_decode(decoder, content, memory) for content in contents])


def _decode(decoder: Decoder, content: bytes, memory: int) -> Decoded | str:
    try:
        return decoder.decode(content)
    except InvalidContent as error:
        return error.message
    except MemoryError:
        return f"decoding it needs more than {memory >> 20} MiB"


def _limit(memory: int) -> None:
    """Bound the address space; on systems without the limit the machine's own is the bound."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        ceiling = pages * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
    except (ImportError, OSError, ValueError):
        return
