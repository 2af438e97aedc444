"""Calls that are begun on several servers by one thread, and then waited for one after the other.

A unary call whose answer is read as a stream of one needs no thread of gRPC's own to hand it over: what it costs is
the request and the answer. On the wire the two are the same.
"""

from __future__ import annotations

from typing import Any

import grpc
from grpc.experimental import ChannelOptions

from hashsvc.client.channel import Tls, error_of, open_channel
from hashsvc.v1 import search_pb2

SEARCH = "/hashsvc.v1.Search/Search"


class Beginner:
    """Begins searches on one server. Safe to use from several threads."""

    def __init__(self, target: str, max_message: int, tls: Tls | None, metadata: Any) -> None:
        alone = ((ChannelOptions.SingleThreadedUnaryStream, 1),)
        self._target = target
        self._metadata = metadata
        self._channel = open_channel(target, max_message, tls, alone)
        self._search: Any = self._channel.unary_stream(
            SEARCH, request_serializer=None, response_deserializer=search_pb2.SearchResponse.FromString
        )

    def begin(self, request: bytes, timeout: float) -> Begun:
        """Send a serialised ``SearchRequest``; the answer is due within ``timeout`` seconds."""
        return Begun(self._search(request, timeout=timeout, metadata=self._metadata), self._target)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


class Begun:
    """A search under way."""

    def __init__(self, call: Any, target: str) -> None:
        self._call = call
        self._target = target

    def result(self) -> search_pb2.SearchResponse:
        """The answer; raises as :meth:`hashsvc.client.Client.search`."""
        try:
            [response] = self._call
        except grpc.RpcError as failure:
            raise error_of(failure, self._target) from None
        answer: search_pb2.SearchResponse = response
        return answer
