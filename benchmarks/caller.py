"""A load generator that costs the server nothing: unary gRPC calls over plain HTTP/2 frames, many bodies in rotation.

It speaks just enough HTTP/2 (RFC 9113) for one method: fixed header block, no dynamic table, wide-open windows. A call
counts as answered when its stream ends after a message; a stream that ends without one has failed.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from dataclasses import dataclass, field

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
WIDE = 2**31 - 1
OPEN_AGAIN = 2**30
HEAD = struct.Struct(">HBBBI")


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One HTTP/2 frame."""
    return HEAD.pack(len(payload) >> 8, len(payload) & 255, kind, flags, stream) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """A header field without indexing (RFC 7541, 6.2.2), both strings plain and shorter than 127 bytes."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def header_block(path: str, authority: str) -> bytes:
    """Request headers of a gRPC call."""
    fields = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path.encode()),
        (b":authority", authority.encode()),
    ]
    fields += [(b"te", b"trailers"), (b"content-type", b"application/grpc")]
    return b"".join(_literal(name, value) for name, value in fields)


@dataclass
class Told:
    """What came of many calls.

    Args:
        seconds: from the first call to the last answer.
        latencies: seconds of each answered call, in order of arrival.
        refusals: seconds of each call that ended without a message.
    """

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answered calls a second."""
        return len(self.latencies) / self.seconds


def percentile(seconds: list[float], share: float) -> float:
    """The value below which ``share`` of ``seconds`` lie."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Connection:
    """One connection that keeps ``depth`` calls under way."""

    def __init__(self, target: str, path: str) -> None:
        host, _, port = target.rpartition(":")
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._headers = header_block(path, target)
        opening = struct.pack(">HIHI", 4, WIDE, 1, 0)
        self._socket.sendall(
            PREFACE + frame(SETTINGS, 0, 0, opening) + frame(WINDOW, 0, 0, struct.pack(">I", WIDE - 65_535))
        )
        self._stream = 1
        self._buffer = b""
        self._taken = 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def run(self, bodies: list[bytes], calls: int, depth: int) -> Told:
        """Make ``calls`` calls, ``depth`` at a time, with ``bodies`` in rotation."""
        told = Told()
        started: dict[int, float] = {}
        answered: set[int] = set()
        sent = 0
        begin = time.perf_counter()
        while sent < calls or started:
            out = b""
            while sent < calls and len(started) < depth:
                out += self._call(bodies[sent % len(bodies)], started)
                sent += 1
            if out:
                self._socket.sendall(out)
            self._receive(started, answered, told)
        told.seconds = time.perf_counter() - begin
        return told

    def offer(self, bodies: list[bytes], rate: float, seconds: float) -> Told:
        """Make ``rate`` calls a second for so long, whether they are answered or not; then wait for what is left."""
        told = Told()
        started: dict[int, float] = {}
        answered: set[int] = set()
        begin = time.perf_counter()
        sent, total = 0, int(rate * seconds)
        while sent < total or started:
            due = min(total, int((time.perf_counter() - begin) * rate) + 1)
            out = b"".join(self._call(bodies[i % len(bodies)], started) for i in range(sent, due))
            sent = max(sent, due)
            if out:
                self._socket.sendall(out)
            pause = 1.0 if sent == total else max(0.0, begin + sent / rate - time.perf_counter())
            if select.select([self._socket], [], [], pause)[0]:
                self._receive(started, answered, told)
        told.seconds = time.perf_counter() - begin
        return told

    def _call(self, message: bytes, started: dict[int, float]) -> bytes:
        stream = self._stream
        self._stream += 2
        started[stream] = time.perf_counter()
        body = b"\x00" + struct.pack(">I", len(message)) + message
        pieces = [body[i : i + 16_384] for i in range(0, len(body), 16_384)]
        data = b"".join(
            frame(DATA, END_STREAM if i == len(pieces) - 1 else 0, stream, piece) for i, piece in enumerate(pieces)
        )
        return frame(HEADERS, END_HEADERS, stream, self._headers) + data

    def _receive(self, started: dict[int, float], answered: set[int], told: Told) -> None:
        received = self._socket.recv(2**18)
        if not received:
            raise ConnectionError("the server closed the connection")
        buffer = self._buffer + received
        at, end = 0, len(buffer)
        while end - at >= 9:
            high, low, kind, flags, stream = HEAD.unpack_from(buffer, at)
            length = (high << 8) | low
            if end - at - 9 < length:
                break
            at += 9
            if kind == DATA:
                self._taken += length
                if length:
                    answered.add(stream)
            if kind in {DATA, HEADERS, RESET} and (flags & END_STREAM or kind == RESET):
                taken = time.perf_counter() - started.pop(stream)
                (told.latencies if stream in answered else told.refusals).append(taken)
                answered.discard(stream)
            elif kind in {SETTINGS, PING} and not flags & ACK:
                payload = buffer[at : at + length] if kind == PING else b""
                self._socket.sendall(frame(kind, ACK, 0, payload))
            elif kind == GOAWAY:
                raise ConnectionError(f"the server went away: {buffer[at : at + length]!r}")
            at += length
        self._buffer = buffer[at:]
        if self._taken > OPEN_AGAIN:
            self._socket.sendall(frame(WINDOW, 0, 0, struct.pack(">I", self._taken)))
            self._taken = 0
