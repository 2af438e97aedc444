"""Metrics in the Prometheus text format: calls by method and code, latencies, what each lane holds, what is stored."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from hashsvc.errors import FailedPrecondition, HashsvcError, InvalidArgument, Unavailable
from hashsvc.server.loopback import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from hashsvc.domain.collections import Collection
    from hashsvc.domain.indexes import IndexState
    from hashsvc.server.lanes import Pool
    from hashsvc.server.methods import Lane

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
QUESTIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What happened to the calls of a server.

    Args:
        pools: asked for what they hold when somebody looks.
        collections: every collection as it stands.
        indexes: every live index as it stands.
    """

    def __init__(
        self,
        pools: Mapping[Lane, Pool],
        collections: Callable[[], Iterable[Collection]],
        indexes: Callable[[], Iterable[IndexState]] = tuple,
    ) -> None:
        self._pools = pools
        self._collections = collections
        self._indexes = indexes
        self._guard = threading.Lock()
        self._calls: dict[tuple[str, str], int] = defaultdict(int)
        self._refused: dict[str, int] = defaultdict(int)
        self._buckets: dict[str, list[int]] = defaultdict(lambda: [0] * (len(SECONDS) + 1))
        self._sums: dict[str, float] = defaultdict(float)
        self._batches = [0] * (len(QUESTIONS) + 1)
        self._questions = 0

    def ended(self, method: str, code: str, seconds: float) -> None:
        """A call ended with a canonical code after so many seconds of work; its time in the queue is not counted."""
        with self._guard:
            self._calls[method, code] += 1
            self._buckets[method][bisect_left(SECONDS, seconds)] += 1
            self._sums[method] += seconds

    def gathered(self, questions: int) -> None:
        """A batch of so many questions was answered."""
        with self._guard:
            self._batches[bisect_left(QUESTIONS, questions)] += 1
            self._questions += questions

    def refused(self, lane: str) -> None:
        """A call found its lane full."""
        with self._guard:
            self._refused[lane] += 1

    def text(self) -> str:
        """Everything, in the Prometheus text format."""
        with self._guard:
            lines = [*self._call_lines(), *self._latency_lines(), *self._refusal_lines(), *self._batch_lines()]
        return "\n".join([*lines, *self._lane_lines(), *self._collection_lines(), ""])

    def _call_lines(self) -> Iterator[str]:
        yield from _head("hashsvc_calls_total", "counter", "Calls that ended, by canonical code.")
        for (method, code), count in sorted(self._calls.items()):
            yield f'hashsvc_calls_total{{method="{method}",code="{code}"}} {count}'

    def _latency_lines(self) -> Iterator[str]:
        yield from _head("hashsvc_call_seconds", "histogram", "Seconds of work of a call.")
        for method, counts in sorted(self._buckets.items()):
            total = 0
            for bound, count in zip((*SECONDS, "+Inf"), counts, strict=True):
                total += count
                yield f'hashsvc_call_seconds_bucket{{method="{method}",le="{bound}"}} {total}'
            yield f'hashsvc_call_seconds_sum{{method="{method}"}} {self._sums[method]:.6f}'
            yield f'hashsvc_call_seconds_count{{method="{method}"}} {total}'

    def _refusal_lines(self) -> Iterator[str]:
        yield from _head("hashsvc_refused_total", "counter", "Calls refused because their lane was full.")
        for lane, count in sorted(self._refused.items()):
            yield f'hashsvc_refused_total{{lane="{lane}"}} {count}'

    def _batch_lines(self) -> Iterator[str]:
        yield from _head("hashsvc_batch_questions", "histogram", "Queries and contents answered together.")
        total = 0
        for bound, count in zip((*QUESTIONS, "+Inf"), self._batches, strict=True):
            total += count
            yield f'hashsvc_batch_questions_bucket{{le="{bound}"}} {total}'
        yield f"hashsvc_batch_questions_sum {self._questions}"
        yield f"hashsvc_batch_questions_count {total}"

    def _lane_lines(self) -> Iterator[str]:
        yield from _head("hashsvc_lane_calls", "gauge", "Calls of a lane, running or waiting.")
        for lane, pool in self._pools.items():
            running = pool.running
            yield f'hashsvc_lane_calls{{lane="{lane}",state="running"}} {running}'
            yield f'hashsvc_lane_calls{{lane="{lane}",state="waiting"}} {pool.held - running}'

    def _collection_lines(self) -> Iterator[str]:
        try:
            held = list(self._collections())
        except HashsvcError:
            return
        yield from _head("hashsvc_collection_items", "gauge", "Items of a collection.")
        yield from (f'hashsvc_collection_items{{collection="{one.name}"}} {one.items}' for one in held)
        yield from _head("hashsvc_collection_watermark", "gauge", "Sequence number of a collection's newest write.")
        yield from (f'hashsvc_collection_watermark{{collection="{one.name}"}} {one.watermark}' for one in held)
        yield from self._index_lines({one.id: one for one in held})

    def _index_lines(self, held: Mapping[int, Collection]) -> Iterator[str]:
        states = [(held[state.collection], state) for state in self._indexes() if state.collection in held]
        for name, kind, words, value in INDEX_METRICS:
            yield from _head(name, kind, words)
            yield from (f'{name}{{collection="{one.name}"}} {value(one, state)}' for one, state in states)


INDEX_METRICS: tuple[tuple[str, str, str, Callable[[Collection, IndexState], float]], ...] = (
    (
        "hashsvc_index_lag",
        "gauge",
        "Committed writes that the live index does not hold yet.",
        lambda one, state: max(0, one.watermark - state.watermark),
    ),
    ("hashsvc_index_bytes", "gauge", "Memory of the live index, mapped files included.", lambda _, state: state.bytes),
    ("hashsvc_index_segments", "gauge", "Frozen parts of the live index.", lambda _, state: state.segments),
    (
        "hashsvc_index_audited_total",
        "counter",
        "Searches of an approximate index that were answered exactly too.",
        lambda _, state: state.audited,
    ),
    ("hashsvc_index_recall", "gauge", "Mean recall, by distance, of the audited searches.", lambda _, s: s.recall),
)


def _head(name: str, kind: str, words: str) -> tuple[str, str]:
    return f"# HELP {name} {words}", f"# TYPE {name} {kind}"


class Page:
    """Metrics over HTTP at ``/metrics``, on a thread of its own until it is closed.

    Args:
        address: HOST:PORT it listens at.

    Raises:
        FailedPrecondition: the address lies beyond this machine, and ``anyone`` does not say that this is meant.
    """

    def __init__(self, metrics: Metrics, listen: str, *, anyone: bool = False) -> None:
        host, colon, port = listen.rpartition(":")
        if not (host and colon and port.isdigit() and int(port) < 2**16):
            raise InvalidArgument(f"{listen!r} is no HOST:PORT", field="metrics")
        if not (anyone or host in LOOPBACK):
            raise FailedPrecondition(
                f"at {listen} whoever reaches this machine could read the metrics, which name every collection: "
                "say that anyone may",
                field="metrics",
                reason="OPEN_TO_ANYONE",
            )
        try:
            self._server = ThreadingHTTPServer((host.strip("[]"), int(port)), _handler(metrics))
        except OSError as error:
            raise Unavailable(f"cannot listen at {listen}: {error.strerror}") from None
        self._server.daemon_threads = True
        self.address = f"{host}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="hashsvc-metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(metrics: Metrics) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = metrics.text().encode() if self.path == "/metrics" else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_args: object) -> None:
            """Say nothing: a scrape every few seconds is no news."""

    return Handler
