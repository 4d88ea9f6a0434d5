"""Spans and figures for OpenTelemetry: `pip install 'propq-async[opentelemetry]'`.

    propq = AsyncPropQ.from_env(on_call=trace_calls())
    observe(propq)

Each call is a span, whichever transport serves it. Failed attempts and waits are its events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

try:
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter
except ImportError:
    raise ImportError(
        "propq_async.opentelemetry needs its API: pip install 'propq-async[opentelemetry]'"
    ) from None
from opentelemetry.trace import (
    Span,
    SpanKind,
    StatusCode,
    TracerProvider,
    get_current_span,
    get_tracer,
)

from ._client.factory import AsyncPropQ
from ._version import __version__
from .errors import PropQError
from .hooks import CallObserver, EndedAttempt, OnCall, StartedCall, WaitReason

__all__ = ["observe", "trace_calls"]

# Nobody looks for shorter waits.
LEAST_WAIT_SECONDS: Final = 0.001
_SCOPE: Final = "propq_async"


def trace_calls(tracer_provider: TracerProvider | None = None) -> OnCall:
    """Return an `on_call` that makes a span of each call, with the names of the HTTP conventions.

    A call inside a span that is not sampled gets no span, and the sampler is not asked.

    Args:
        tracer_provider: by default the global one.
    """
    tracer = get_tracer(_SCOPE, __version__, tracer_provider)

    def on_call(call: StartedCall) -> CallObserver | None:
        parent = get_current_span().get_span_context()
        if parent.is_valid and not parent.trace_flags.sampled:
            return None
        name = f"{call.method} {call.route}" if call.route else call.method
        span = tracer.start_span(name, kind=SpanKind.CLIENT, attributes=_attributes(call))
        return _CallSpan(span) if span.is_recording() else None

    return on_call


class _CallSpan:
    """The span of one call."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def waited(self, reason: WaitReason, seconds: float) -> None:
        if seconds >= LEAST_WAIT_SECONDS:
            attributes = {"propq.wait.reason": reason, "propq.wait.seconds": seconds}
            self._span.add_event("propq.wait", attributes)

    def attempted(self, attempt: EndedAttempt) -> None:
        told: dict[str, Any] = {}
        if attempt.status is not None:
            told["http.response.status_code"] = attempt.status
        if attempt.request_id is not None:
            told["propq.request_id"] = attempt.request_id
        if attempt.number > 1:
            told["http.request.resend_count"] = attempt.number - 1
        self._span.set_attributes(told)
        if attempt.error is not None:
            told["error.type"] = type(attempt.error).__name__
            self._span.add_event("propq.attempt_failed", told)

    def ended(self, error: BaseException | None) -> None:
        if error is not None:
            self._span.set_attribute("error.type", type(error).__name__)
            # The text of any other error may hold a secret.
            said = str(error) if isinstance(error, PropQError) else None
            self._span.set_status(StatusCode.ERROR, said)
        self._span.end()


def _attributes(call: StartedCall) -> dict[str, Any]:
    attributes = {**_of_url(call.url), "http.request.method": call.method}
    if call.route is not None:
        attributes["url.template"] = call.route
    if call.unit is not None:
        attributes["propq.development_id"], attributes["propq.unit"] = call.unit
    return attributes


@lru_cache(maxsize=256)
def _of_url(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {"url.full": url, "server.address": parts.hostname or "", "server.port": port}


def observe(propq: AsyncPropQ, meter_provider: MeterProvider | None = None) -> None:
    """Show the figures of a factory as metrics, which are read when they are exported.

    Args:
        propq: the factory. It is kept alive, since a meter never forgets what it observes.
        meter_provider: by default the global one.
    """
    meter = get_meter(_SCOPE, __version__, meter_provider)
    client = {"propq.client_id": propq.client_id}

    def of(field: str) -> list[Callable[[CallbackOptions], Iterable[Observation]]]:
        return [lambda _: [Observation(getattr(propq.stats(), field), client)]]

    def outcomes(_: CallbackOptions) -> Iterable[Observation]:
        counted = propq.stats().outcomes.items()
        return [Observation(count, {**client, "propq.outcome": name}) for name, count in counted]

    def seconds(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(propq.stats().durations.total_seconds, client)]

    def life(_: CallbackOptions) -> Iterable[Observation]:
        expires = propq.stats().token_expires_at
        return [] if expires is None else [Observation(expires.timestamp(), client)]

    for name in ("calls", "retries", "refused", "refreshes"):
        meter.create_observable_counter(f"propq.{name}", of(name))
    meter.create_observable_counter("propq.waited", of("waited_seconds"), "s")
    meter.create_observable_counter("propq.outcomes", [outcomes])
    meter.create_observable_counter("propq.call.duration", [seconds], "s")
    for name in ("in_flight", "waiting"):
        meter.create_observable_gauge(f"propq.{name}", of(name))
    meter.create_observable_gauge("propq.opens_in", of("opens_in_seconds"), "s")
    meter.create_observable_gauge("propq.token.expires_at", [life], "s")
