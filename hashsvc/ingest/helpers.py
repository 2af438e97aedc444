"""Decoding in helper processes with a memory limit: content that kills its decoder kills a helper, not the job.

Helpers are spawned, never forked: a fork of a process that has used OpenMP hangs. Each holds two chunks of contents, so
that it decodes one while the answer to the other is taken.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, cast

from hashsvc.errors import InvalidContent, Unavailable

if TYPE_CHECKING:
    from hashsvc.encoders.contract import Decoded

CHUNK_ITEMS = 64
IN_FLIGHT = 2
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


Chunk = tuple[int, int]


@dataclass(slots=True)
class _Helper:
    """A process, what it was given and has not answered, and since when it works on the first of that."""

    process: SpawnProcess
    pipe: Connection
    chunks: deque[Chunk] = field(default_factory=deque)
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
        waiting = deque(_chunks(contents))
        while waiting or any(helper.chunks for helper in self._helpers):
            for _ in range(IN_FLIGHT):
                for position, helper in enumerate(self._helpers):
                    if waiting and len(helper.chunks) < IN_FLIGHT:
                        self._give(position, helper, waiting, contents)
            self._take_ready(waiting, found)
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

    def _give(self, position: int, helper: _Helper, waiting: deque[Chunk], contents: Sequence[bytes]) -> None:
        start, stop = chunk = waiting.popleft()
        try:
            helper.pipe.send(list(contents[start:stop]))
        except OSError:
            waiting.appendleft(chunk)
            if not helper.chunks:  # else the end of what it holds is noticed where its answer is taken
                self._helpers[position] = self._renewed(helper)
            return
        if not helper.chunks:
            helper.since = time.monotonic()
        helper.chunks.append(chunk)

    def _take_ready(self, waiting: deque[Chunk], found: list[Decoded | InvalidContent | None]) -> None:
        """Take the answers that are there; replace helpers that died or take too long."""
        busy = [helper for helper in self._helpers if helper.chunks]
        ready = wait([helper.pipe for helper in busy], timeout=0.1)
        for position, helper in enumerate(self._helpers):
            if helper.pipe in ready:
                why = self._take(helper, found)
            elif helper.chunks and time.monotonic() - helper.since > self._patience:
                why = f"decoding it took more than {self._patience:.0f} s"
            else:
                continue
            if why:
                _give_up(helper, why, waiting, found)
                self._helpers[position] = self._renewed(helper)

    def _take(self, helper: _Helper, found: list[Decoded | InvalidContent | None]) -> str:
        """Take one answer; why there will be none, when the helper died."""
        start, _ = helper.chunks[0]
        try:
            for offset, one in enumerate(helper.pipe.recv()):
                found[start + offset] = InvalidContent(one, field="content") if isinstance(one, str) else one
        except (EOFError, OSError):
            return f"decoding it crashed the decoder, or needs more than {self._memory >> 20} MiB"
        helper.chunks.popleft()
        helper.since = time.monotonic()
        return ""


def _give_up(helper: _Helper, why: str, waiting: deque[Chunk], found: list[Decoded | InvalidContent | None]) -> None:
    """Split the chunk that ended a helper into its contents; one alone is the culprit. The chunk behind goes again."""
    start, stop = helper.chunks.popleft()
    waiting.extendleft(reversed(helper.chunks))
    if stop - start == 1:
        found[start] = InvalidContent(why, field="content")
    else:
        waiting.extendleft((i, i + 1) for i in reversed(range(start, stop)))


def _chunks(contents: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    start = size = 0
    for position, content in enumerate(contents):
        if position > start and (position - start >= CHUNK_ITEMS or size + len(content) > CHUNK_BYTES):
            yield start, position
            start, size = position, 0
        size += len(content)
    if start < len(contents):
        yield start, len(contents)


def _serve(pipe: Connection, open_decoder: Callable[[], Decoder], memory: int) -> None:
    """The helper's life: decode chunk after chunk until the pipe is closed."""
    decoder = open_decoder()
    # Chunks are taken in beside the decoding: both ends would wait for ever if each first had to be heard.
    given: SimpleQueue[list[bytes] | None] = SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, given), daemon=True).start()
    _limit(memory)
    pipe.send(READY)
    while (contents := given.get()) is not None:
        pipe.send([_decode(decoder, content, memory) for content in contents])


def _listen(pipe: Connection, given: SimpleQueue[list[bytes] | None]) -> None:
    try:
        while True:
            given.put(pipe.recv())
    except (EOFError, OSError, MemoryError):
        given.put(None)


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
