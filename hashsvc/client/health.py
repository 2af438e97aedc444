"""Whether a server serves, by the health protocol of gRPC, which asks for no token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hashsvc.client.channel import MAX_MESSAGE, error_of, open_channel
from hashsvc.errors import Unavailable

if TYPE_CHECKING:
    from hashsvc.client.channel import Tls

TIMEOUT = 5.0


def check_health(target: str, *, timeout: float = TIMEOUT, tls: Tls | None = None) -> None:
    """Return if a server serves and does not drain.

    Args:
        target: HOST:PORT.
        timeout: seconds the answer may take.
        tls: None speaks plain text.

    Raises:
        Unavailable: nobody answers there, or who does is about to stop.
        DeadlineExceeded: the answer did not come in time.
    """
    with open_channel(target, MAX_MESSAGE, tls) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout)
        except grpc.RpcError as failure:
            raise error_of(failure, target) from None
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        state = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
        raise Unavailable(f"the server at {target} is {state}", reason=state)
