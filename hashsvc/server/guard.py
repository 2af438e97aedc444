"""The guard: who calls, and whether the call is allowed, decided from the table of methods.

A collection that a caller may not read looks like one that does not exist.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import reduce
from typing import TYPE_CHECKING, Any

from hashsvc.domain.collections import no_collection
from hashsvc.errors import PermissionDenied
from hashsvc.server.methods import ANY, Need, Rule
from hashsvc.server.tokens import ANYONE, EVERY, NOBODY, Caller

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hashsvc.server.tokens import Tokens

CALLER: ContextVar[Caller] = ContextVar("hashsvc_caller", default=NOBODY)
SCHEME = "Bearer "


class Guard:
    """Lets calls in, or not.

    Args:
        tokens: None lets everyone in who can reach the server.
    """

    def __init__(self, tokens: Tokens | None) -> None:
        self._tokens = tokens

    def knows(self, rule: Rule, metadata: Iterable[tuple[str, str | bytes]] | None) -> bool:
        """Whether whoever sends this metadata may call at all; ``CALLER`` then names them while the call lasts."""
        caller: Caller | None = ANYONE
        if self._tokens is not None and rule.need is not Need.NOTHING:
            presented = str(dict(metadata or ()).get("authorization", ""))
            caller = self._tokens.caller(presented.removeprefix(SCHEME)) if presented.startswith(SCHEME) else None
        if caller is not None:
            CALLER.set(caller)
        return caller is not None

    def check(self, rule: Rule, request: Any) -> None:
        """Whether the caller may make this request.

        Raises:
            NotFound: its collection is not the caller's to see.
            PermissionDenied: the caller may see it, but not do this.
        """
        caller = CALLER.get()
        if caller is ANYONE or (rule.collection == ANY and caller.grants):
            return
        if rule.collection == ANY:
            raise PermissionDenied(f"token {caller.name!r} allows nothing")
        name = reduce(getattr, rule.collection.split("."), request) if rule.collection else EVERY
        if not name or caller.may(rule.need, name):
            return
        if name != EVERY and rule.need is not Need.ADMIN and not caller.may(Need.READ, name):
            raise no_collection(name)
        raise PermissionDenied(f"token {caller.name!r} does not allow this: it takes {rule.need}")
