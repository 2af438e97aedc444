"""The gRPC door: services that translate, one boundary that maps errors, lanes that refuse what they cannot hold."""

from __future__ import annotations

from hashsvc.server.serving import Server, serve

__all__ = ["Server", "serve"]
