"""The kernel is compiled once for all tests of this room, and kept in numba's own cache."""

from __future__ import annotations

import pytest

from hashsvc.index import warm


@pytest.fixture(scope="session", autouse=True)
def _kernel() -> None:
    warm()
