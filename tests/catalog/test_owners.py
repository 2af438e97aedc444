from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select

from hashsvc.catalog import Catalog, open_catalog
from hashsvc.catalog.database import POSTGRESQL
from hashsvc.errors import FailedPrecondition, Owned

HOLD = """
import sys
from hashsvc.catalog import open_catalog
catalog = open_catalog(sys.argv[1])
print(catalog.owners.acquire("store", "host:7"), flush=True)
sys.stdin.read()
"""


def test_a_second_owner_is_refused_and_told_where_the_first_is(catalog_url: str, catalog: Catalog) -> None:
    first = catalog.owners.acquire("store", "host:1")
    other = open_catalog(catalog_url)
    with pytest.raises(Owned, match="host:1"):
        other.owners.acquire("store", "host:2")
    with pytest.raises(Owned):
        catalog.owners.acquire("store", "host:1")
    assert other.owners.acquire("another", "host:2") == 1
    assert catalog.owners.check("store") == first
    catalog.owners.release("store")
    assert other.owners.acquire("store", "host:2") == first + 1
    with pytest.raises(FailedPrecondition):
        catalog.owners.check("store")
    other.close()
    assert catalog.owners.acquire("store", "host:1") == first + 2


def test_an_owner_that_dies_leaves_the_place_free(catalog_url: str, catalog: Catalog) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, catalog_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    with holder:
        assert holder.stdout is not None
        fence = int(holder.stdout.readline())
        with pytest.raises(Owned, match="host:7"):
            catalog.owners.acquire("store", "")
        holder.kill()
    deadline = 200
    while deadline:
        try:
            assert catalog.owners.acquire("store", "") == fence + 1
        except Owned:
            deadline -= 1
        else:
            return
    pytest.fail("the place stayed taken")


@pytest.mark.postgresql
def test_an_owner_whose_session_was_ended_knows_it(postgresql_url: str) -> None:
    catalog, other = open_catalog(postgresql_url), open_catalog(postgresql_url)
    assert catalog.database.dialect == POSTGRESQL
    catalog.owners.acquire("store", "host:1")
    session = catalog.owners._held["store"][0]._connection  # type: ignore[attr-defined]
    number = session.execute(select(func.pg_backend_pid())).scalar_one()
    with other.database.writing() as connection:
        connection.execute(select(func.pg_terminate_backend(number, 5_000)))
    assert other.owners.acquire("store", "host:2") == 2
    with pytest.raises(FailedPrecondition):
        catalog.owners.check("store")
    catalog.close()
    other.close()
