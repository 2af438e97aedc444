"""The asynchronous client: every call of the blocking one, many at once, and streams that can be left."""

from __future__ import annotations

import asyncio
import inspect

import numpy as np
import pytest

from hashsvc.client import AsyncClient, Client
from hashsvc.domain.items import Item, Outcome
from hashsvc.domain.jobs import JobKind, JobState
from hashsvc.domain.queries import CodeQuery
from hashsvc.errors import NotFound
from hashsvc.server import Server
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
            await watched.aclose()  # type: ignore[attr-defined]
            store.cancel_job(job.id)
            assert [seen.state async for seen in client.watch_job(job.id)] == [JobState.CANCELLED]

    asyncio.run(run())
