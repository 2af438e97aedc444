"""Traces by OpenTelemetry: a span for each call, and inside it encoding, index search and SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hashsvc import spans
from hashsvc.errors import FailedPrecondition

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from opentelemetry.trace import TracerProvider


def trace(provider: TracerProvider | None = None) -> None:
    """Trace this process from now on.

    A call that names its trace (``traceparent``) becomes a part of it. Calls that are answered together share the work
    of one of them, and it shows in that one's trace.

    Args:
        provider: takes the spans; None for the one that OpenTelemetry was set up with, as ``opentelemetry-instrument``
            does from ``OTEL_*``.

    Raises:
        FailedPrecondition: OpenTelemetry is not installed.
    """
    try:
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind, get_tracer
    except ImportError:
        raise FailedPrecondition("traces need OpenTelemetry: pip install 'hashsvc[tracing]'") from None
    tracer = get_tracer("hashsvc", tracer_provider=provider)

    def begin(name: str, carried: spans.Carried | None) -> AbstractContextManager[object]:
        if carried is None:
            return tracer.start_as_current_span(name)
        given = {key: value for key, value in carried() if isinstance(value, str)}
        return tracer.start_as_current_span(name.lstrip("/"), context=extract(given), kind=SpanKind.SERVER)

    spans.watch(begin)
