"""The channel to a server: limits, keepalive, and retries of what is safe to repeat."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_status import rpc_status

from hashsvc.errors import Cancelled, HashsvcError, InvalidArgument, Unavailable
from hashsvc.wire.errors import KINDS, read_status

MAX_MESSAGE = 64 * 2**20
MAX_METADATA = 64 * 2**10
RETRY = {
    "maxAttempts": 5,
    "initialBackoff": "0.2s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2.0,
    # A server that stops cancels what reached it but was not taken up; a caller's own cancellation is never repeated.
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}
# All but the last would be answered otherwise if the first try arrived after all; an upload repeats by itself.
ONCE = [
    {"service": "hashsvc.v1.Collections", "method": "Create"},
    {"service": "hashsvc.v1.Collections", "method": "Delete"},
    {"service": "hashsvc.v1.Collections", "method": "Switch"},
    {"service": "hashsvc.v1.Items", "method": "UpsertStream"},
]
REPEATABLE = [
    {"service": f"hashsvc.v1.{name}"}
    for name in ("Collections", "Items", "Search", "Encoding", "Encoders", "Jobs", "Dedup")
]


def options(max_message: int) -> list[tuple[str, int | str]]:
    """Channel options; writes can be repeated because they carry a request id."""
    methods = [{"name": ONCE}, {"name": REPEATABLE, "retryPolicy": RETRY}]
    return [
        ("grpc.max_receive_message_length", max_message),
        ("grpc.max_send_message_length", max_message),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.enable_retries", 1),
        ("grpc.per_rpc_retry_buffer_size", max_message + MAX_METADATA),  # gRPC repeats no call that it has not kept
        ("grpc.service_config", json.dumps({"methodConfig": methods})),
    ]


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files of a client that speaks TLS.

    Args:
        authorities: certificates of those who vouch for the server; None takes the system's.
        certificate: its own chain, where the server asks for one.
        key: the private key of that.
    """

    authorities: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


def open_channel(
    target: str, max_message: int, tls: Tls | None, further: Sequence[tuple[str, int | str]] = ()
) -> grpc.Channel:
    """A channel to the server; nothing is sent before the first call. InvalidArgument for an unreadable file."""
    check_target(target)
    chosen = [*options(max_message), *further]
    if tls is None:
        return grpc.insecure_channel(target, options=chosen)
    pems = (_read(tls.authorities, "authorities"), _read(tls.key, "key"), _read(tls.certificate, "certificate"))
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(*pems), options=chosen)


def _read(path: Path | None, field: str) -> bytes | None:
    try:
        return path.read_bytes() if path else None
    except OSError as error:
        raise InvalidArgument(f"{field} {path} cannot be read: {error.strerror}", field=field) from None


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata that presents a token; none for an empty one."""
    return (("authorization", f"Bearer {token}"),) if token else ()


def check_target(target: str) -> str:
    """``target`` if it can name a server; InvalidArgument if not."""
    host, colon, port = target.rpartition(":")
    if "://" not in target and not target.startswith("unix:") and not (host and colon and port.isdigit()):
        raise InvalidArgument(f"{target!r} is no HOST:PORT", field="target")
    return target


def error_of(failure: grpc.RpcError, target: str) -> HashsvcError:
    """The error behind a failed call, of the kind it had on the server."""
    call = _call_of(failure)
    if call is None:
        return Cancelled(f"the call to {target} was given up: {failure}")
    try:
        status = rpc_status.from_call(call)
    except ValueError:
        status = None
    if status is not None:
        return read_status(status)
    code, details = call.code(), call.details() or ""
    if code is grpc.StatusCode.UNAVAILABLE:
        return Unavailable(f"no server answers at {target}: {details}")
    number: int = code.value[0]
    return KINDS[number](details) if number in KINDS else HashsvcError(f"{code.name}: {details}", reason=code.name)


def server_is_away(failure: grpc.RpcError) -> bool:
    """Whether the call failed because no server answered."""
    call = _call_of(failure)
    return call is not None and call.code() is grpc.StatusCode.UNAVAILABLE


def _call_of(failure: object) -> grpc.Call | None:
    return failure if isinstance(failure, grpc.Call) else None
