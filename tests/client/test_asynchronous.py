"""The asynchronous client: every call of the blocking one, many at once, and streams that can be left."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import numpy as np
import pytest

from hashsvc.client import AsyncClient, Client
from hashsvc.domain.items import Item, Outcome
from hashsvc.domain.jobs import JobKind, JobState
from hashsvc.domain.queries import CodeQuery
from hashsvc.errors import NotFound
from hashsvc.server import Server
from hashsvc.server.methods import Lane
from tests.server.memory import MemoryStore


def test_it_offers_what_the_blocking_one_offers() -> None:
    own = {"target", "timeout", "close", "dedup"}
    named = {name for name, _ in inspect.getmembers(Client, callable)}
    methods = {name for name in named if not name.startswith(("_", "begin_"))} - own
    assert methods <= {name for name, _ in inspect.getmembers(AsyncClient, callable)}
    assert AsyncClient.search.__doc__ == Client.search.__doc__


def test_many_calls_at_once(server: Server) -> None:
    async def run() -> None:
        async with AsyncClient(server.address, at_once=4) as client:
            await client.create_collection("codes", bits=16)
            items = [Item(f"k{n}", code=bytes([n, n])) for n in range(40)]
            assert (await client.upsert("codes", items)).count(Outcome.STORED) == 40
            answers = await asyncio.gather(
                *(client.search("codes", [CodeQuery(bytes([n, n]))], k=1) for n in range(40))
            )
            assert [answer.keys for [answer] in answers] == [(f"k{n}",) for n in range(40)]
            found = await client.neighbours("codes", np.zeros((2, 2), np.uint8), k=3)
            assert len(found) == 2
            with pytest.raises(NotFound):
                await client.count_items("absent")

    asyncio.run(run())


def test_streams_are_asynchronous_iterators(server: Server, store: MemoryStore) -> None:
    async def run() -> None:
        async with AsyncClient(server.address) as client:
            await client.create_collection("codes", bits=16)
            items = (Item(f"k{n}", code=n.to_bytes(2, "big")) for n in range(90))
            stored = [len(written.outcomes) async for written in client.upsert_stream("codes", items, batch_items=30)]
            assert stored == [30, 30, 30]
            job = await client.create_job(JobKind.TRAIN, {})
            watched = client.watch_job(job.id)
            async for seen in watched:
                assert seen.state is JobState.PLANNED
                break
            await watched.aclose()
            store.cancel_job(job.id)
            assert [seen.state async for seen in client.watch_job(job.id)] == [JobState.CANCELLED]

    asyncio.run(run())


async def drained(server: Server) -> None:
    """Wait until the server holds no stream any more; one that nobody ended stays for ever."""
    async with asyncio.timeout(10):
        while server.pool(Lane.STREAM).held:
            await asyncio.sleep(0.01)


async def read(stream: AsyncIterator[object], begun: asyncio.Event) -> None:
    async for _ in stream:
        begun.set()


Streams = Callable[[AsyncClient], AsyncIterator[object]]


@pytest.fixture
def never(store: MemoryStore, server: Server) -> Iterator[dict[str, Streams]]:
    """Streams that give one piece and then wait: for a job that nobody runs, for items that do not come."""
    store.create_collection("codes", bits=16)
    number = store.create_job(JobKind.TRAIN, {}).id
    more = threading.Event()

    def items() -> Iterator[Item]:
        yield Item("k", code=b"ab")
        more.wait(20)

    yield {
        "watch": lambda client: client.watch_job(number),
        "upload": lambda client: client.upsert_stream("codes", items(), batch_items=1),
    }
    more.set()


@pytest.mark.parametrize("name", ["watch", "upload"])
def test_a_stream_that_is_waited_for_can_be_cancelled(server: Server, never: dict[str, Streams], name: str) -> None:
    async def run() -> None:
        async with AsyncClient(server.address, at_once=1) as client:
            begun = asyncio.Event()
            task = asyncio.create_task(read(never[name](client), begun))
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert caught.value.__context__ is None
            await drained(server)
            assert len(await client.collections()) == 1  # the thread that waited is free again

    asyncio.run(run())


@pytest.mark.parametrize("name", ["watch", "upload"])
def test_a_stream_ends_with_its_time(server: Server, never: dict[str, Streams], name: str) -> None:
    async def run() -> None:
        async with AsyncClient(server.address) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await read(never[name](client), asyncio.Event())
            await drained(server)

    asyncio.run(run())


def test_a_stream_that_waits_for_a_thread_can_be_cancelled(server: Server, never: dict[str, Streams]) -> None:
    async def run() -> None:
        async with AsyncClient(server.address, at_once=1) as client:
            begun = asyncio.Event()
            first = asyncio.create_task(read(never["watch"](client), begun))
            await begun.wait()
            second = asyncio.create_task(read(never["watch"](client), asyncio.Event()))
            await asyncio.sleep(0.1)
            for task in (second, first):
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            await drained(server)

    asyncio.run(run())


def test_a_closed_watch_ends_its_call(server: Server, store: MemoryStore) -> None:
    with Client(server.address) as client:
        watched = client.watch_job(client.create_job(JobKind.TRAIN, {}).id)
        next(watched)
        watched.close()
        asyncio.run(drained(server))
        with pytest.raises(StopIteration):
            next(watched)
