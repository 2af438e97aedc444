"""Hosts of addresses that only this machine reaches."""

LOOPBACK = frozenset({"127.0.0.1", "[::1]", "localhost"})
