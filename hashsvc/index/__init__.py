"""Structures over codes: exact and approximate search for the nearest items and for all items within a radius.

Distances are integers, smaller is nearer, a radius is inclusive, answers come in order of (distance, id) and are never
padded. Importing this room loads numpy only; FAISS and the kernel come when they are first needed.
"""

from __future__ import annotations

from hashsvc.index.allowed import ItemBitmap
from hashsvc.index.live import LiveIndex
from hashsvc.index.snapshot import Snapshot, load_snapshot, newest_snapshot, publish
from hashsvc.index.view import View

__all__ = ["ItemBitmap", "LiveIndex", "Snapshot", "View", "load_snapshot", "newest_snapshot", "publish"]
