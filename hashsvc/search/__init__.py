"""The search flow: queries become codes, the index view finds neighbours, one SQL query makes them matches."""

from __future__ import annotations

from hashsvc.search.coding import Coder
from hashsvc.search.passing import Passing
from hashsvc.search.searcher import Exactness, Searcher

__all__ = ["Coder", "Exactness", "Passing", "Searcher"]
