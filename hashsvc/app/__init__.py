"""The only place where rooms are wired together: a store in this process."""

from __future__ import annotations

from hashsvc.app.opening import open_store
from hashsvc.app.store import Store

__all__ = ["Store", "open_store"]
