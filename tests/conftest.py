"""Fixtures that every room's tests may ask for."""

from __future__ import annotations

import os

import pytest

# OpenMP threads that wait for each other on a busy machine turn milliseconds into seconds.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

pytest_plugins = ("tests.postgresql",)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: of several processes none is left waiting for another's long last file."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
