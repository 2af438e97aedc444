"""``hashsvc health``, and how a client comes to speak TLS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hashsvc import server as doors
from hashsvc.errors import FailedPrecondition
from hashsvc.server import Page, Server, Tokens, new_token, serve
from hashsvc.server.methods import Need
from tests.cli.conftest import Run
from tests.server.conftest import server, store
from tests.server.memory import MemoryStore
from tests.server.test_guard import pems

__all__ = ["pems", "server", "store"]


@pytest.fixture(autouse=True)
def _no_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AUTHORITIES", "CERTIFICATE", "KEY"):
        monkeypatch.delenv(f"HASHSVC_TLS_{name}", raising=False)
    monkeypatch.delenv("HASHSVC_TOKEN", raising=False)


def test_health_needs_no_token(hashsvc: Run, store: MemoryStore, tmp_path: Path) -> None:
    _, row = new_token("known", {"*": Need.ADMIN})
    (tmp_path / "tokens.json").write_text(json.dumps([row]))
    with serve(store, "127.0.0.1:0", tokens=Tokens.read(tmp_path / "tokens.json")) as guarded:
        at = ("--server", guarded.address)
        assert hashsvc("health", *at, "--json").document == {"serving": guarded.address}
        assert "token" in hashsvc("collections", "list", *at).error


def test_a_server_that_drains_is_not_healthy(hashsvc: Run, server: Server) -> None:
    server._health.enter_graceful_shutdown()
    assert "NOT_SERVING" in hashsvc("health", "--server", server.address).error


def test_no_server_is_not_healthy(hashsvc: Run, server: Server) -> None:
    assert "no server answers" in hashsvc("health", "--server", f"{server.address},127.0.0.1:1").error


def test_a_certificate_alone_asks_for_tls(
    hashsvc: Run, store: MemoryStore, pems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token must not cross the network in plain text because only the authorities of the system are trusted."""
    monkeypatch.setenv("HASHSVC_TLS_CERTIFICATE", str(pems / "client.pem"))
    monkeypatch.setenv("HASHSVC_TLS_KEY", str(pems / "client.key"))
    monkeypatch.setenv("HASHSVC_TOKEN", "secret")
    with serve(store, "127.0.0.1:0") as plain:
        assert hashsvc("health", "--server", plain.address, "--timeout", 2).status == 2
    tls = doors.Tls(pems / "server.pem", pems / "server.key", pems / "ca.pem")
    with serve(store, "127.0.0.1:0", tls=tls) as mutual:
        monkeypatch.setenv("HASHSVC_TLS_AUTHORITIES", str(pems / "ca.pem"))
        assert hashsvc("health", "--server", mutual.address, "--json").document == {"serving": mutual.address}


@pytest.mark.parametrize(("given", "missing"), [("CERTIFICATE", "KEY"), ("KEY", "CERTIFICATE")])
def test_half_a_certificate_is_named(hashsvc: Run, monkeypatch: pytest.MonkeyPatch, given: str, missing: str) -> None:
    monkeypatch.setenv(f"HASHSVC_TLS_{given}", "some.pem")
    assert f"HASHSVC_TLS_{missing} is missing" in hashsvc("collections", "list", "--server", "127.0.0.1:1").error


def test_metrics_beyond_this_machine_must_be_said(server: Server) -> None:
    with pytest.raises(FailedPrecondition) as caught:
        Page(server.metrics, "0.0.0.0:0")
    assert (caught.value.reason, caught.value.field) == ("OPEN_TO_ANYONE", "metrics")
    Page(server.metrics, "0.0.0.0:0", anyone=True).close()
