"""TLS: the server's certificate, and whose client certificates it takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc

from hashsvc.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files of a server.

    Args:
        certificate: its chain.
        key: its private key.
        client_authorities: certificates of those who vouch for clients; with it only vouched-for clients get in.
    """

    certificate: Path
    key: Path
    client_authorities: Path | None = None

    def credentials(self) -> grpc.ServerCredentials:
        """What gRPC needs of it; InvalidArgument when a file cannot be read."""
        pair = (_read(self.key, "key"), _read(self.certificate, "certificate"))
        authorities = _read(self.client_authorities, "client_authorities") if self.client_authorities else None
        return grpc.ssl_server_credentials([pair], authorities, authorities is not None)


def _read(path: Path, field: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidArgument(f"{field} {path} cannot be read: {error.strerror}", field=field) from None
