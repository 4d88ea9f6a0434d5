"""Spans of calls, and figures, as OpenTelemetry's SDK exports them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanKind, StatusCode

from propq_async import NotFoundError, PropQError, TokenRefusedError
from propq_async._http.fast import FastTransport
from propq_async.hooks import StartedCall
from propq_async.opentelemetry import observe, trace_calls
from tests.helpers.support import an_update, answer, playing, token_answer, until

PATH = "/v1/developments/4711/units/update-by-name"
ROUTE = "/v1/developments/{development_id}/units/update-by-name"
OK = answer(200, {}, headers={"X-Request-Id": "r-7"})


class Traced:
    """A tracer provider that keeps its spans."""

    def __init__(self, **settings: Any) -> None:
        self.provider = TracerProvider(**settings)
        self._exporter = InMemorySpanExporter()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()


@pytest.fixture
def traced() -> Iterator[Traced]:
    traced = Traced()
    yield traced
    traced.provider.shutdown()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_a_call_is_one_span_with_its_repeats_and_waits_as_events(traced: Traced) -> None:
    closed = answer(429, headers={"Retry-After": "7"})
    on_call = trace_calls(traced.provider)
    async with playing(answer(503), None, closed, OK, on_call=on_call) as play:
        with traced.provider.get_tracer("job").start_as_current_span("the job") as job:
            await play.session.units.update(an_update("Z-999"))
        # The fast transport serves all the same.
        assert isinstance(play.session._state.entered().pool.transport, FastTransport)
        url = play.propq.base_url
    span, _ = traced.spans
    assert (span.name, span.kind) == (f"POST {ROUTE}", SpanKind.CLIENT)
    assert span.parent is not None
    assert span.parent.span_id == job.get_span_context().span_id
    assert span.status.status_code is StatusCode.UNSET
    host, _, port = url.removeprefix("http://").partition(":")
    assert attributes(span) == {
        "http.request.method": "POST",
        "http.request.resend_count": 3,
        "http.response.status_code": 200,
        "propq.development_id": "4711",
        "propq.request_id": "r-7",
        "propq.unit": "Z-999",
        "server.address": host,
        "server.port": int(port),
        "url.full": url + PATH,
        "url.template": ROUTE,
    }
    events = [(event.name, dict(event.attributes or {})) for event in span.events]
    failed = [told for name, told in events if name == "propq.attempt_failed"]
    assert failed == [
        {"http.response.status_code": 503, "error.type": "ServerError"},
        {"http.request.resend_count": 1, "error.type": "APIConnectionError"},
        {
            "http.response.status_code": 429,
            "http.request.resend_count": 2,
            "error.type": "RateLimitError",
        },
    ]
    waits = {told["propq.wait.reason"] for name, told in events if name == "propq.wait"}
    assert waits == {"retry", "throttle"}


async def test_a_call_that_fails_is_a_span_with_an_error(traced: Traced) -> None:
    async with playing(answer(404), on_call=trace_calls(traced.provider)) as play:
        with pytest.raises(NotFoundError) as caught:
            await play.session.request("GET", "/v1/things", params={"key": "value"})
    (span,) = traced.spans
    assert (span.name, span.status.status_code) == ("GET", StatusCode.ERROR)
    assert span.status.description == str(caught.value)
    told = attributes(span)
    assert (told["http.response.status_code"], told["error.type"]) == (404, "NotFoundError")
    assert told["url.full"].endswith("/v1/things")
    assert not {"url.template", "propq.unit", "propq.request_id"} & told.keys()


async def test_a_call_that_is_cancelled_says_so(traced: Traced) -> None:
    never = asyncio.Event()

    async def hang(*_: object) -> None:
        await never.wait()

    async with playing(hang, on_call=trace_calls(traced.provider)) as play:
        call = asyncio.create_task(play.session.units.update(an_update()))
        await until(lambda: len(play.calls) == 1)
        call.cancel()
        await asyncio.wait([call])
    (span,) = traced.spans
    assert attributes(span)["error.type"] == "CancelledError"
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)


async def test_no_span_shows_a_secret(traced: Traced) -> None:
    echo = answer(500, {"message": "the-token the-secret"}, headers={"X-Request-Id": "the-token"})
    tokens: Any = [token_answer("the-token"), answer(401, {"error": "the-secret"})]
    async with playing(echo, tokens=tokens, on_call=trace_calls(traced.provider)) as play:
        with pytest.raises(PropQError):
            await play.session.units.update(an_update())
        play.propq.tokens.invalidate(await play.propq.tokens.get_token())
        with pytest.raises(TokenRefusedError):
            await play.session.units.update(an_update())
    assert len(traced.spans) == 2
    for span in traced.spans:
        assert "the-token" not in span.to_json()
    assert "the-secret" not in traced.spans[1].to_json()


async def test_a_call_below_a_span_that_is_not_sampled_gets_none() -> None:
    asked = []

    class Sampler(ParentBased):
        def should_sample(self, *arguments: Any, **named: Any) -> Any:
            asked.append(arguments)
            return super().should_sample(*arguments, **named)

    traced = Traced(sampler=Sampler(ALWAYS_OFF))
    on_call = trace_calls(traced.provider)
    started = StartedCall("POST", "https://api.propq.com/x")
    with traced.provider.get_tracer("job").start_as_current_span("the job"):
        asked.clear()
        assert on_call(started) is None
        assert asked == []
    # Without one above it, the sampler decides.
    assert on_call(started) is None
    assert len(asked) == 1
    async with playing(OK, on_call=on_call) as play:
        assert await play.session.units.update(an_update()) == {}
    assert traced.spans == ()
    traced.provider.shutdown()


@pytest.mark.parametrize(("url", "port"), [("https://h/x", 443), ("http://h/x", 80)])
def test_the_usual_port_is_told_as_well(traced: Traced, url: str, port: int) -> None:
    observer = trace_calls(traced.provider)(StartedCall("GET", url))
    assert observer is not None
    observer.ended(None)
    assert attributes(traced.spans[0])["server.port"] == port


# --- figures --------------------------------------------------------------------------------------


def points(reader: InMemoryMetricReader) -> dict[str, list[tuple[dict[str, Any], Any]]]:
    data: Any = reader.get_metrics_data()
    (resource,) = data.resource_metrics
    (scope,) = resource.scope_metrics
    return {
        metric.name: [(dict(point.attributes), point.value) for point in metric.data.data_points]
        for metric in scope.metrics
    }


async def test_the_figures_are_exported_as_metrics() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    async with playing(OK, answer(404)) as play:
        observe(play.propq, provider)
        client = {"propq.client_id": 1}
        assert "propq.token.expires_at" not in points(reader)
        for _ in range(2):
            with suppress(NotFoundError):
                await play.session.units.update(an_update())
        stats, told = play.propq.stats(), points(reader)
    assert told["propq.calls"] == [(client, 2)]
    assert told["propq.refreshes"] == [(client, 1)]
    assert told["propq.retries"] == told["propq.refused"] == [(client, 0)]
    assert told["propq.in_flight"] == told["propq.waiting"] == [(client, 0)]
    assert told["propq.opens_in"] == [(client, 0)]
    assert told["propq.waited"] == [(client, stats.waited_seconds)]
    assert told["propq.call.duration"] == [(client, stats.durations.total_seconds)]
    assert stats.token_expires_at is not None
    assert told["propq.token.expires_at"] == [(client, stats.token_expires_at.timestamp())]
    outcomes = {labels["propq.outcome"]: count for labels, count in told["propq.outcomes"]}
    assert outcomes == {"ok": 1, "NotFoundError": 1}
    provider.shutdown()
