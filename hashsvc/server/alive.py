"""Whether anybody still waits for an answer; asked before each costly step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashsvc.errors import Cancelled, DeadlineExceeded

if TYPE_CHECKING:
    import grpc


def check_alive(context: grpc.ServicerContext) -> None:
    """Return if the caller waits.

    Raises:
        DeadlineExceeded: the call's deadline passed.
        Cancelled: the caller gave the call up, or went away.
    """
    if context.time_remaining() <= 0:
        raise DeadlineExceeded("the deadline passed while the call waited for its turn")
    if not context.is_active():
        raise Cancelled("the caller gave the call up while it waited for its turn")
