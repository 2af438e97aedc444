"""A request of a stream that the boundary refused, where the rest of the stream goes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hashsvc.errors import HashsvcError


@dataclass(frozen=True, slots=True)
class Refused:
    """Why, and the request itself; None where it could not be read."""

    error: HashsvcError
    request: Any
