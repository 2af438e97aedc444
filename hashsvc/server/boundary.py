"""The boundary of the server: every call passes it, and every error leaves through it.

A call without a valid token, or that finds its lane full, is refused before its request is read: a request that never
comes costs a thread only to those who may call at all. Requests are parsed and answers serialised inside
the boundary, so that a malformed or too large message is an error like any other.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import uuid
from functools import lru_cache, partial, wraps
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from google.protobuf.message import DecodeError, EncodeError
from google.rpc import code_pb2
from grpc_status import rpc_status

from hashsvc.errors import HashsvcError, Internal, InvalidArgument, ResourceExhausted, Unauthenticated, Unavailable
from hashsvc.server.alive import check_alive
from hashsvc.server.lanes import AtOnce
from hashsvc.server.methods import RULES, Lane, Need
from hashsvc.server.refused import Refused
from hashsvc.spans import span
from hashsvc.wire.errors import write_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import ThreadPoolExecutor

    from hashsvc.server.guard import Guard
    from hashsvc.server.lanes import Pool
    from hashsvc.server.metrics import Metrics

    Handler = grpc.RpcMethodHandler[Any, Any]
    Details = grpc.HandlerCallDetails
    Continuation = Callable[[Details], Handler | None]

log = logging.getLogger(__name__)
REQUEST_ID_LENGTH = 128
STOPPING_SECONDS = 0.5
WAIT_STEP = 0.05
PATIENCE_SECONDS = 5.0


class Boundary(grpc.ServerInterceptor):
    """The one interceptor.

    Args:
        pools: a pool for each lane.
        guard: knows who may call what.
        metrics: told how each call ended.
        max_answer: bytes that one answer message may have.

    With ``closing`` set, new calls are told that the server is going away.
    """

    def __init__(self, pools: Mapping[Lane, Pool], guard: Guard, metrics: Metrics, max_answer: int) -> None:
        self._pools = pools
        self._guard = guard
        self._metrics = metrics
        self._max_answer = max_answer
        self._handlers: dict[str, Handler] = {}
        at_once = AtOnce(1)
        self._refusals = {lane: _refusal(at_once, partial(_overload, pool)) for lane, pool in pools.items()}
        self._closed = _refusal(at_once, _stopping)
        self._strangers = _refusal(at_once, _stranger)
        self.closing = False

    def intercept_service(self, continuation: Continuation, handler_call_details: Details) -> Handler | None:
        """The guarded handler of a call; runs on gRPC's own thread, before the request is read."""
        method = handler_call_details.method
        handler = self._handlers.get(method)
        if handler is None:
            found = continuation(handler_call_details)
            if found is None:
                return None
            handler = self._handlers[method] = self._guarded(method, found)
        rule = RULES[method]
        if not self._guard.knows(rule, handler_call_details.invocation_metadata):
            self._metrics.ended(method, "UNAUTHENTICATED", 0.0)
            return self._strangers
        pool = self._pools[rule.lane]
        if self.closing and pool.lane is not Lane.CONTROL:
            return self._closed
        if pool.full:
            self._metrics.refused(pool.lane)
            return self._refusals[pool.lane]
        return handler

    def _guarded(self, method: str, handler: Handler) -> Handler:
        pool = self._pools[RULES[method].lane]
        parse, serialize = handler.request_deserializer, handler.response_serializer
        behaviour = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        if not (parse and serialize and behaviour):
            raise Internal(f"{method} has no behaviour or no message types")
        call = _Call(
            method,
            behaviour,
            guard=self._guard,
            metrics=self._metrics,
            parse=partial(_parse, parse),
            serialize=partial(self._serialize, serialize),
        )
        if handler.request_streaming and handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(_on_pool(pool, call.stream_stream))
        if RULES[method].need is Need.NOTHING:
            answered = call.unary_stream if handler.response_streaming else call.unary_alone
            return grpc.stream_stream_rpc_method_handler(_on_pool(pool, partial(call.in_time, answered)))
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(_on_pool(pool, call.unary_stream))
        return grpc.unary_unary_rpc_method_handler(_on_pool(pool, call.unary_unary))

    def _serialize(self, serialize: Callable[[Any], bytes], answer: Any) -> bytes:
        try:
            message = answer if isinstance(answer, bytes) else serialize(answer)
        except (EncodeError, ValueError) as error:
            raise ResourceExhausted(f"the answer is too large for one message: ask for less ({error})") from None
        if len(message) > self._max_answer:
            raise ResourceExhausted(
                f"the answer has {len(message)} bytes, one message holds at most {self._max_answer}: "
                "ask for fewer queries, a smaller k or page, or without metadata",
                reason="ANSWER_TOO_LARGE",
            )
        return message


class _Call:
    """One method's behaviour between parsing and serialising, with its errors mapped."""

    def __init__(
        self,
        method: str,
        behaviour: Callable[[Any, grpc.ServicerContext], Any],
        *,
        guard: Guard,
        metrics: Metrics,
        parse: Callable[[bytes], Any],
        serialize: Callable[[Any], bytes],
    ) -> None:
        self._method = method
        self._rule = RULES[method]
        self._guard = guard
        self._metrics = metrics
        self._behaviour = behaviour
        self._parse = parse
        self._serialize = serialize

    def unary_unary(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        """One answer to one request."""
        start = time.perf_counter()
        try:
            with span(self._method, context.invocation_metadata):
                answer = self._serialize(self._behaviour(self._taken(request, context), context))
        except Exception as error:
            self._leave(context, error, start)
        self._ended("OK", start)
        return answer

    def unary_stream(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        """Several answers to one request."""
        start = time.perf_counter()
        try:
            with span(self._method, context.invocation_metadata):
                for answer in self._behaviour(self._taken(request, context), context):
                    yield self._serialize(answer)
        except Exception as error:
            self._leave(context, error, start)
        self._ended("OK", start)

    def unary_alone(self, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        """One answer to one request, as a stream of one."""
        yield self.unary_unary(request, context)

    def in_time(
        self,
        answered: Callable[[bytes, grpc.ServicerContext], Iterator[bytes]],
        requests: Iterator[bytes],
        context: grpc.ServicerContext,
    ) -> Iterator[bytes]:
        """The answers to the only request of a stream, which must come soon: for calls that anybody may make."""
        start = time.perf_counter()
        patience = threading.Timer(PATIENCE_SECONDS, context.cancel)
        patience.daemon = True
        patience.start()
        try:
            request = next(requests, None)
            if request is None:
                raise InvalidArgument("the call came without a request", reason="MALFORMED")
        except Exception as error:
            self._leave(context, error, start)
        finally:
            patience.cancel()
        yield from answered(request, context)

    def stream_stream(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """Answers to a stream of requests."""
        start = time.perf_counter()
        try:
            checked = map(self._checked_apart if self._rule.apart else self._checked, requests)
            with span(self._method, context.invocation_metadata):
                for answer in self._behaviour(checked, context):
                    yield self._serialize(answer)
        except Exception as error:
            self._leave(context, error, start)
        self._ended("OK", start)

    def _taken(self, request: bytes, context: grpc.ServicerContext) -> Any:
        """The message of the only request, if it came in time and is allowed."""
        check_alive(context)
        return self._checked(request)

    def _checked(self, request: bytes) -> Any:
        message = self._parse(request)
        self._guard.check(self._rule, message)
        return message

    def _checked_apart(self, request: bytes) -> Any:
        message = None
        try:
            message = self._parse(request)
            self._guard.check(self._rule, message)
        except HashsvcError as error:
            return Refused(error, message)
        return message

    def _ended(self, code: str, start: float) -> None:
        self._metrics.ended(self._method, code, time.perf_counter() - start)

    def _leave(self, context: grpc.ServicerContext, error: Exception, start: float) -> NoReturn:
        """End the call with the status of ``error``."""
        if isinstance(error, grpc.RpcError):  # the caller went away in the middle of its stream
            self._ended("CANCELLED", start)
            raise error
        if not isinstance(error, HashsvcError):
            request_id = _request_id(context)
            log.error("%s failed", self._method, exc_info=error, extra={"request_id": request_id})
            error = Internal(
                f"{self._method} failed for a reason of the server's own; its log tells more of request {request_id}"
            )
        status = write_status(error)
        self._ended(code_pb2.Code.Name(status.code), start)
        if log.isEnabledFor(logging.DEBUG):
            told = {"request_id": _request_id(context), "reason": error.reason, "field": error.field}
            log.debug("%s: %s", self._method, error, extra=told)
        context.abort_with_status(rpc_status.to_status(status))


def _parse(parse: Callable[[bytes], Any], request: bytes) -> Any:
    try:
        return parse(request)
    except DecodeError:
        raise InvalidArgument("the request is no well-formed message of its type", reason="MALFORMED") from None


def _request_id(context: grpc.ServicerContext) -> str:
    """What the caller calls its request in ``x-request-id``, else a name of our own."""
    given = dict(context.invocation_metadata()).get("x-request-id", "")
    return str(given)[:REQUEST_ID_LENGTH] or uuid.uuid4().hex


def _on_pool(pool: ThreadPoolExecutor, behaviour: Callable[..., Any]) -> Callable[..., Any]:
    """``behaviour`` marked for gRPC to run it on ``pool``."""

    @wraps(behaviour)
    def run(request: Any, context: grpc.ServicerContext) -> Any:
        return behaviour(request, context)

    run.experimental_thread_pool = pool  # type: ignore[attr-defined]
    return run


def _overload(full: Pool) -> grpc.Status:
    # Steps of wait, so that one status serves many refusals: under a flood there is no time to make each its own.
    return _overloaded(full.lane, math.ceil(full.wait / WAIT_STEP))


@lru_cache(256)
def _overloaded(lane: Lane, steps: int) -> grpc.Status:
    error = ResourceExhausted(
        f"too many {lane} calls at once: wait and retry", reason="OVERLOADED", retry_after=steps * WAIT_STEP
    )
    return rpc_status.to_status(write_status(error))


@lru_cache(1)
def _stranger() -> grpc.Status:
    error = Unauthenticated("present a valid token: metadata 'authorization: Bearer TOKEN'")
    return rpc_status.to_status(write_status(error))


@lru_cache(1)
def _stopping() -> grpc.Status:
    error = Unavailable("the server is stopping: call again", reason="STOPPING", retry_after=STOPPING_SECONDS)
    return rpc_status.to_status(write_status(error))


def _refusal(at_once: AtOnce, status: Callable[[], grpc.Status]) -> Handler:
    """A handler that refuses without waiting for the request; as a stream it fits calls of every shape."""

    def refuse(_requests: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
        context.abort_with_status(status())

    return grpc.stream_stream_rpc_method_handler(_on_pool(at_once, refuse))
