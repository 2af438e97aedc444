"""Items' bytes in a content-addressed folder on any file system fsspec knows."""

from __future__ import annotations

from hashsvc.content.blobs import Blobs

__all__ = ["Blobs"]
