"""The kernel is compiled once for all tests of this room, and kept in numba's own cache."""

from __future__ import annotations

import pytest

from hashsvc.domain.kinds import IndexKind
from hashsvc.index import kinds, warm


@pytest.fixture(scope="session", autouse=True)
def _kernel() -> None:
    warm()


@pytest.fixture(autouse=True)
def _small_segments_have_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The segments of these tests are too small for the tables that the tests are about."""
    monkeypatch.setitem(kinds.TABLES_FROM, IndexKind.TABLES, 1)
