"""API tokens: who may do what with which collection. Only their sha256 is kept."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hashsvc.errors import InvalidArgument
from hashsvc.server.methods import Need

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

EVERY = "*"
LEVELS = {Need.NOTHING: 0, Need.READ: 1, Need.WRITE: 2, Need.ADMIN: 3}
TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Caller:
    """Someone who presented a valid token.

    Args:
        grants: what is allowed for each collection; ``*`` stands for every one, also those to come, and the service.
    """

    name: str
    grants: Mapping[str, Need]

    def may(self, need: Need, collection: str = EVERY) -> bool:
        """Whether ``need`` is allowed for a collection (``*``: for the service as a whole)."""
        granted = max(LEVELS[self.grants.get(name, Need.NOTHING)] for name in (collection, EVERY))
        return granted >= LEVELS[need]


ANYONE = Caller("anyone", {EVERY: Need.ADMIN})
NOBODY = Caller("nobody", {})


class Tokens:
    """The tokens of a server.

    Args:
        callers: by the sha256 of their token, 32 bytes.
    """

    def __init__(self, callers: Mapping[bytes, Caller]) -> None:
        self._callers = tuple(callers.items())

    @classmethod
    def read(cls, path: Path) -> Tokens:
        """The tokens in a JSON file: a list of ``{"name", "sha256", "grants": {COLLECTION or "*": "read" | ...}}``.

        Raises:
            InvalidArgument: the file is absent or not of that form.
        """
        try:
            rows = json.loads(path.read_text())
            callers = {_digest(row["sha256"]): Caller(row["name"], _grants(row["grants"])) for row in rows}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidArgument(f"token file {path} cannot be used: {error!r}", field="tokens") from None
        return cls(callers)

    def caller(self, token: str) -> Caller | None:
        """Who presents this token; every digest is compared, each in constant time."""
        presented = hashlib.sha256(token.encode()).digest()
        found = None
        for digest, caller in self._callers:
            if hmac.compare_digest(digest, presented):
                found = caller
        return found


def new_token(name: str, grants: Mapping[str, Need]) -> tuple[str, dict[str, Any]]:
    """A fresh token, shown once, and the row of the token file that lets it in."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    digest = hashlib.sha256(token.encode()).hexdigest()
    return token, {"name": name, "sha256": digest, "grants": {key: need.value for key, need in grants.items()}}


def _digest(text: str) -> bytes:
    digest = bytes.fromhex(text)
    if len(digest) != hashlib.sha256().digest_size:
        raise ValueError(f"{text!r} is no sha256")
    return digest


def _grants(grants: Mapping[str, str]) -> dict[str, Need]:
    return {name: Need(need) for name, need in grants.items()}
