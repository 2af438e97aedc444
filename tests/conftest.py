"""Fixtures that every room's tests may ask for."""

from __future__ import annotations

pytest_plugins = ("tests.postgresql",)
