"""The client for programs that live in an event loop: the same calls, each on a thread of the client's own.

There is one implementation, the blocking one; here its methods become coroutines, with the same arguments and answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from hashsvc.client.blocking import TIMEOUT, Client
from hashsvc.client.channel import MAX_MESSAGE

if TYPE_CHECKING:
    from types import TracebackType

    from hashsvc.client.channel import Tls
    from hashsvc.client.stream import Stream

P = ParamSpec("P")
R = TypeVar("R")
AT_ONCE = 16
END: Any = object()


def _awaited(
    method: Callable[Concatenate[Client, P], R],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, R]]:
    """A method of the blocking client as a coroutine."""

    @wraps(method)
    async def call(self: AsyncClient, /, *arguments: P.args, **named: P.kwargs) -> R:
        return await self.run(partial(method, self.blocking, *arguments, **named))

    return call


def _streamed(
    method: Callable[Concatenate[Client, P], Stream[R]],
) -> Callable[Concatenate[AsyncClient, P], AsyncGenerator[R, None]]:
    """A method that answers piece by piece as an asynchronous iterator; leaving it early ends the call."""

    @wraps(method)
    async def call(self: AsyncClient, /, *arguments: P.args, **named: P.kwargs) -> AsyncGenerator[R, None]:
        pieces = await self.run(partial(method, self.blocking, *arguments, **named))
        try:
            while (piece := await self.following(pieces)) is not END:
                yield piece
        finally:
            pieces.close()

    return call


class AsyncClient:
    """A store behind a server, asked from an event loop. Use as an asynchronous context manager, or call :meth:`close`.

    Calls are those of :class:`hashsvc.client.Client`. A task that is cancelled stops waiting; its call ends by itself,
    at the latest with its timeout, a stream at once. Items of an upload are taken from a plain iterable, on another
    thread.

    Args:
        target: HOST:PORT.
        timeout: seconds that one call may take; streams take what they need.
        max_message: bytes that one message may have.
        token: presented with every call, where the server asks for one.
        tls: None speaks plain text.
        at_once: calls under way at most; more wait for their turn.
    """

    def __init__(
        self,
        target: str,
        *,
        timeout: float = TIMEOUT,
        max_message: int = MAX_MESSAGE,
        token: str = "",
        tls: Tls | None = None,
        at_once: int = AT_ONCE,
    ) -> None:
        self.blocking = Client(target, timeout=timeout, max_message=max_message, token=token, tls=tls)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="hashsvc-client")

    async def run(self, call: Callable[[], R]) -> R:
        """What ``call`` returns, called on a thread of this client."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def following(self, pieces: Stream[R]) -> R:
        """The next piece of a stream, END behind the last one; whoever stops waiting for it ends the stream."""
        asked = self._threads.submit(next, pieces, END)
        answered = asyncio.wrap_future(asked)
        try:
            return await asyncio.shield(answered)
        finally:
            if not asked.done() and not asked.cancel():
                pieces.give_up()
                await asyncio.wait([answered])

    async def close(self) -> None:
        """Close the channel; calls under way are cancelled."""
        self.blocking.close()
        await asyncio.to_thread(self._threads.shutdown)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    create_collection = _awaited(Client.create_collection)
    collection = _awaited(Client.collection)
    collections = _awaited(Client.collections)
    update_collection = _awaited(Client.update_collection)
    delete_collection = _awaited(Client.delete_collection)
    switch_collection = _awaited(Client.switch_collection)
    upsert = _awaited(Client.upsert)
    upsert_stream = _streamed(Client.upsert_stream)
    get_items = _awaited(Client.get_items)
    content = _awaited(Client.content)
    list_items = _awaited(Client.list_items)
    delete_items = _awaited(Client.delete_items)
    count_items = _awaited(Client.count_items)
    search = _awaited(Client.search)
    neighbours = _awaited(Client.neighbours)
    within = _awaited(Client.within)
    within_pieces = _streamed(Client.within_pieces)
    encode = _awaited(Client.encode)
    reconstruct = _awaited(Client.reconstruct)
    generate = _awaited(Client.generate)
    interpolate = _awaited(Client.interpolate)
    encoders = _awaited(Client.encoders)
    encoder = _awaited(Client.encoder)
    create_job = _awaited(Client.create_job)
    job = _awaited(Client.job)
    jobs = _awaited(Client.jobs)
    cancel_job = _awaited(Client.cancel_job)
    watch_job = _streamed(Client.watch_job)
    dead_letters = _awaited(Client.dead_letters)
