"""The gRPC door: services that translate, one boundary that maps errors, lanes that refuse what they cannot hold."""

from __future__ import annotations

from hashsvc.server.metrics import Page
from hashsvc.server.serving import Server, serve, settle_process
from hashsvc.server.tls import Tls
from hashsvc.server.tokens import Tokens, new_token
from hashsvc.server.tracing import trace

__all__ = ["Page", "Server", "Tls", "Tokens", "new_token", "serve", "settle_process", "trace"]
