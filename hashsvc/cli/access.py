"""Who gets in: the options of ``serve`` that say so, and what the other verbs present to a server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hashsvc.errors import InvalidArgument

if TYPE_CHECKING:
    from hashsvc.client import Client, Tls
    from hashsvc.server import Tls as ServerTls

TokenFile = Annotated[
    Path | None, typer.Option("--tokens", envvar="HASHSVC_TOKENS", help="JSON file of who may do what")
]
Certificate = Annotated[
    Path | None, typer.Option("--tls-certificate", envvar="HASHSVC_TLS_CERTIFICATE", help="PEM chain of the server")
]
Key = Annotated[Path | None, typer.Option("--tls-key", envvar="HASHSVC_TLS_KEY", help="Its private key")]
Clients = Annotated[
    Path | None,
    typer.Option("--tls-clients", envvar="HASHSVC_TLS_CLIENTS", help="PEM of those who vouch for clients: none else"),
]
Anyone = Annotated[
    bool, typer.Option("--anyone", envvar="HASHSVC_ANYONE", help="Serve beyond this machine and ask for nothing")
]


def server_tls(certificate: Path | None, key: Path | None, clients: Path | None) -> ServerTls | None:
    """What the options of ``serve`` say; InvalidArgument for one without the others it needs."""
    from hashsvc.server import Tls

    if certificate and key:
        return Tls(certificate, key, clients)
    if certificate or key or clients:
        missing = "--tls-key" if certificate else "--tls-certificate"
        raise InvalidArgument(f"TLS takes a certificate and its key: {missing} is missing", field=missing)
    return None


def connect(server: str) -> Client:
    """A client with the token in HASHSVC_TOKEN, over TLS where one of its settings is there."""
    from hashsvc.client import Client

    return Client(server, token=os.environ.get("HASHSVC_TOKEN", ""), tls=client_tls())


def client_tls() -> Tls | None:
    """What HASHSVC_TLS_AUTHORITIES, _CERTIFICATE and _KEY say; None where none is set, so that nothing asks for TLS.

    Without authorities those of the system vouch for the server. InvalidArgument for a certificate without its key.
    """
    from hashsvc.client import Tls

    names = ("HASHSVC_TLS_AUTHORITIES", "HASHSVC_TLS_CERTIFICATE", "HASHSVC_TLS_KEY")
    authorities, certificate, key = (Path(value) if (value := os.environ.get(name)) else None for name in names)
    if (certificate is None) != (key is None):
        missing = names[1] if certificate is None else names[2]
        raise InvalidArgument(f"TLS takes a certificate and its key: {missing} is missing", field=missing)
    return Tls(authorities, certificate, key) if authorities or certificate else None
