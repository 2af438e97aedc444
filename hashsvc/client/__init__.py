"""The thin client: the verbs of the service over gRPC. It loads neither torch nor faiss nor SQL."""

from __future__ import annotations

from hashsvc.client.asynchronous import AsyncClient
from hashsvc.client.blocking import Client
from hashsvc.client.channel import Tls
from hashsvc.client.health import check_health

__all__ = ["AsyncClient", "Client", "Tls", "check_health"]
