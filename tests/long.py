"""How much the long suites do: a short form by default, the numbers that were promised with HASHSVC_LONG=1."""

from __future__ import annotations

import os


def rounds(short: int, long: int) -> int:
    """``long`` under ``make endure``, else ``short``."""
    return long if os.environ.get("HASHSVC_LONG") else short
