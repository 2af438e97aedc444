"""The guard: who calls, and whether the call is allowed, decided from the table of methods.

A collection that a caller may not read looks like one that does not exist.
"""

from __future__ import annotations

from contextvars import ContextVar
from functools import reduce
from typing import TYPE_CHECKING, Any

from hashsvc.errors import NotFound, PermissionDenied, Unauthenticated
from hashsvc.server.methods import ANY, Need, Rule
from hashsvc.server.tokens import ANYONE, EVERY, Caller

if TYPE_CHECKING:
    import grpc

    from hashsvc.server.tokens import Tokens

CALLER: ContextVar[Caller] = ContextVar("hashsvc_caller", default=ANYONE)
SCHEME = "Bearer "


class Guard:
    """Lets calls in, or not.

    Args:
        tokens: None lets everyone in who can reach the server.
    """

    def __init__(self, tokens: Tokens | None) -> None:
        self._tokens = tokens

    def admit(self, rule: Rule, context: grpc.ServicerContext) -> Caller:
        """Who calls; kept for the length of the call.

        Raises:
            Unauthenticated: no token, or one that nobody has.
        """
        if self._tokens is None or rule.need is Need.NOTHING:
            return ANYONE
        presented = dict(context.invocation_metadata()).get("authorization", "")
        caller = self._tokens.caller(str(presented).removeprefix(SCHEME)) if str(presented).startswith(SCHEME) else None
        if caller is None:
            raise Unauthenticated("present a valid token: metadata 'authorization: Bearer TOKEN'")
        CALLER.set(caller)
        return caller

    def check(self, rule: Rule, caller: Caller, request: Any) -> None:
        """Whether ``caller`` may make this request.

        Raises:
            NotFound: its collection is not the caller's to see.
            PermissionDenied: the caller may see it, but not do this.
        """
        if caller is ANYONE or (rule.collection == ANY and caller.grants):
            return
        if rule.collection == ANY:
            raise PermissionDenied(f"token {caller.name!r} allows nothing")
        name = reduce(getattr, rule.collection.split("."), request) if rule.collection else EVERY
        if not name or caller.may(rule.need, name):
            return
        if name != EVERY and rule.need is not Need.ADMIN and not caller.may(Need.READ, name):
            raise NotFound(f"no collection {name!r}", field="collection")
        raise PermissionDenied(f"token {caller.name!r} does not allow this: it takes {rule.need}")
