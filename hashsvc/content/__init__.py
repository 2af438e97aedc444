"""Items' bytes, and folders that machines share, content-addressed on any file system fsspec knows."""

from __future__ import annotations

from hashsvc.content.blobs import Blobs
from hashsvc.content.depot import Depot, discard

__all__ = ["Blobs", "Depot", "discard"]
