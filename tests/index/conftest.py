"""The kernel is compiled once for all tests of this room, and kept in numba's own cache."""

from __future__ import annotations

import pytest

from hashsvc.domain.kinds import IndexKind
from hashsvc.index import kinds, warm
from hashsvc.index.device import resident
from hashsvc.index.device.comparing import Comparing, DeviceCosts
from hashsvc.index.device.products import near


@pytest.fixture(scope="session", autouse=True)
def _kernel() -> None:
    warm()


@pytest.fixture(autouse=True)
def _small_segments_have_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The segments of these tests are too small for the tables that the tests are about."""
    monkeypatch.setitem(kinds.TABLES_FROM, IndexKind.TABLES, 1)


@pytest.fixture(autouse=True)
def _the_device_always_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU it never would, and the tests of its kind would be of the scan."""
    monkeypatch.setattr(resident, "comparing_on", lambda device, words: Comparing(near, DeviceCosts(0.0, 0.0)))
