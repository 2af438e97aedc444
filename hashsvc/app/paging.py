"""Page tokens: where a listing goes on, and a mark of what it lists so that a token is not used elsewhere."""

from __future__ import annotations

import hashlib

from hashsvc.errors import InvalidArgument

START = -1


def _mark(listing: str) -> str:
    return hashlib.sha256(listing.encode()).hexdigest()[:16]


def write_token(listing: str, after: int) -> str:
    """The token of the page behind id ``after`` of the listing described by ``listing``."""
    return f"{after:016x}{_mark(listing)}"


def read_token(listing: str, token: str) -> int:
    """The id after which the page begins; START for an empty token.

    Raises:
        InvalidArgument: a token that this listing never gave.
    """
    if not token:
        return START
    try:
        after = int(token[:16], 16)
    except ValueError:
        after = -1
    if not 0 <= after < 2**63 or token[16:] != _mark(listing):
        raise InvalidArgument(
            "this page token does not belong to this listing: repeat the request that gave it, unchanged",
            field="page_token",
        )
    return after
