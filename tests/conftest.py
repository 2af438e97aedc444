"""Fixtures that every room's tests may ask for."""

from __future__ import annotations

import os

# OpenMP threads that wait for each other on a busy machine turn milliseconds into seconds.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

pytest_plugins = ("tests.postgresql",)
