"""Listings that grow without end: each page reads its own rows, whatever lies before and behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, insert

from hashsvc.app import Store, open_store
from hashsvc.catalog.tables import dead_letters
from hashsvc.client import Client
from hashsvc.domain.jobs import JobKind
from hashsvc.errors import InvalidArgument
from hashsvc.server import serve
from hashsvc.v1 import dedup_pb2, jobs_pb2

JOBS, LETTERS, PAGE = 60, 500, 7


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with many jobs, and many dead letters of the first."""
    with open_store(str(tmp_path_factory.mktemp("listings") / "store")) as opened:
        jobs = [opened.catalog.jobs.create(JobKind.INGEST, "codes", {"n": n}) for n in range(JOBS)]
        rows = [
            {"job": jobs[0].id, "unit": LETTERS - n, "source": "a.jsonl", "row": n, "key": f"k{n}", "reason": "empty"}
            for n in range(LETTERS)
        ]
        with opened.catalog.database.writing() as connection:
            connection.execute(insert(dead_letters), rows)
        yield opened


@pytest.fixture(scope="module")
def client(store: Store) -> Iterator[Client]:
    with serve(store, "127.0.0.1:0") as server, Client(server.address) as opened:
        yield opened


@pytest.fixture
def statements(store: Store) -> Iterator[list[str]]:
    """The SQL of everything that is read."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(" ".join(statement.split()))

    engine = store.catalog.database.engine
    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def pages(client: Client, method: Any, request: Any) -> list[Any]:
    request.page_size = PAGE
    return list(client._pages(method, request))


def test_jobs_come_page_by_page(client: Client, store: Store, statements: list[str]) -> None:
    found = pages(client, client._jobs.List, jobs_pb2.ListJobsRequest())
    assert [job.id for page in found for job in page.jobs] == [job.id for job in store.catalog.jobs.list()]
    assert {len(page.jobs) for page in found[:-1]} == {PAGE}
    reads = [one for one in statements if " FROM jobs " in one]
    assert len(reads) == len(found) + 1
    assert all(" LIMIT " in one for one in reads[:-1])


def test_dead_letters_come_page_by_page_as_they_were_met(client: Client, store: Store, statements: list[str]) -> None:
    [first] = [job for job in store.jobs() if job.spec["n"] == 0]
    found = pages(client, client._jobs.ListDeadLetters, jobs_pb2.ListDeadLettersRequest(id=first.id))
    assert [letter.row for page in found for letter in page.dead_letters] == list(range(LETTERS))
    reads = [one for one in statements if " FROM dead_letters " in one]
    assert len(reads) == len(found)
    assert all(" LIMIT " in one and "dead_letters.id >" in one for one in reads)
    assert client.dead_letters(first.id, after=store.dead_letters(first.id)[-2].id) == store.dead_letters(first.id)[-1:]


def test_runs_come_page_by_page(client: Client, statements: list[str]) -> None:
    [page] = pages(client, client.dedup._stub.ListRuns, dedup_pb2.ListDedupRunsRequest())
    assert list(page.runs) == []
    assert all(" LIMIT " in one for one in statements if " FROM dedup_runs " in one)


def test_no_more_is_asked_for_than_is_wanted(client: Client, store: Store, statements: list[str]) -> None:
    newest = client.jobs(limit=3)
    assert newest == store.catalog.jobs.list()[:3]
    assert (
        client.jobs(before=newest[-1].id, limit=1)
        == store.catalog.jobs.list()[3:4]
        == store.jobs(before=newest[-1].id, limit=1)
    )
    assert statements


@pytest.mark.parametrize("token", ["junk", "e30=", "WzFd" * 2, "WyJhIl0=", "Wy0xXQ==", "WzEuNV0="])
def test_a_token_of_another_listing_is_refused(client: Client, token: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        client._call(client._jobs.List, jobs_pb2.ListJobsRequest(page_token=token))
    assert caught.value.field == "page_token"
