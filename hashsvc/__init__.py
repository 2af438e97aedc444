"""hashsvc: compact binary codes for documents, images and embeddings, made searchable.

``hashsvc.open(path_or_url)`` opens a store in this process; ``hashsvc.client.Client(target)`` speaks to a server.
Both offer the methods of :class:`hashsvc.domain.service.Service`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashsvc.app import Store

__version__ = "0.1.0"
__all__ = ["__version__", "open"]


def open(location: str, *, warm: bool = True) -> Store:  # noqa: A001
    """Open the store at a folder or database URL in this process; see :func:`hashsvc.app.open_store`.

    Args:
        location: the folder or URL.
        warm: compile the search kernel first, or load it from its cache; False for a process that will not search.
    """
    from hashsvc.app import open_store

    return open_store(location, warm=warm)
