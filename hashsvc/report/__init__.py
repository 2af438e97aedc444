"""An evaluation as one HTML file that opens offline: no script, no font and no picture from elsewhere."""

from __future__ import annotations

from hashsvc.report.page import render, write

__all__ = ["render", "write"]
