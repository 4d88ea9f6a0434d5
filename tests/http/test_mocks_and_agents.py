"""What replaces aiohttp's `ClientSession`, to mock it or to watch it, has all that goes out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
import sentry_sdk
import vcr  # type: ignore[import-untyped] # it has no types
from aioresponses import aioresponses
from opentelemetry.instrumentation.aiohttp_client import (
    AioHttpClientInstrumentor,
    create_trace_config,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.integrations.aiohttp import AioHttpIntegration
from vcr.errors import (  # type: ignore[import-untyped] # as above
    CannotOverwriteExistingCassetteException,
)

from propq_async import AsyncPropQ, Credentials
from propq_async._http.fast import FastTransport
from propq_async._http.plain import PlainTransport
from propq_async._http.pool import Pool
from propq_async._http.transport import PoolSettings
from tests.helpers.http import OK, call
from tests.helpers.support import ScriptedServer, an_update, answer, token_answer

PATH = "/v1/developments/4711/units/update-by-name"
NOWHERE = "http://127.0.0.1:9"


def scripted() -> ScriptedServer:
    return ScriptedServer(answer(200, {}), by_path={"/oauth/token": [token_answer()]})


async def update(url: str, **settings: Any) -> dict[str, Any]:
    propq = AsyncPropQ(Credentials(1, "the-secret"), base_url=url, token_store=None, **settings)
    async with propq.session() as session:
        return await session.units.update(an_update())


async def is_fast() -> bool:
    async with Pool(PoolSettings()) as pool, ScriptedServer(OK) as server:
        await call(pool, server)
        assert isinstance(pool.transport, FastTransport | PlainTransport)
        return isinstance(pool.transport, FastTransport)


# --- mocks ----------------------------------------------------------------------------------------


class _Response(aiohttp.ClientResponse):
    """With what aiohttp wants of a response since 3.14, and aioresponses does not give."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **({"stream_writer": Mock()} | named))


async def test_a_mocked_update_does_not_go_out() -> None:
    async with scripted() as server:
        with aioresponses() as mocked:
            token = {"access_token": "mock", "expires_in": 3600}
            mocked.post(f"{server.url}/oauth/token", payload=token, response_class=_Response)
            mocked.post(server.url + PATH, payload={"by": "mock"}, response_class=_Response)
            assert await update(server.url) == {"by": "mock"}
            assert not await _reaches(server)
        assert server.seen == []
        assert await is_fast()


async def _reaches(server: ScriptedServer) -> bool:
    """Return whether a call that nobody has mocked gets through."""
    async with Pool(PoolSettings()) as pool:
        await call(pool, server)
    return bool(server.seen)


async def test_a_recorded_suite_stays_offline(tmp_path: Path) -> None:
    cassette = str(tmp_path / "cassette.yaml")
    async with scripted() as server:
        with vcr.use_cassette(cassette, record_mode="once"):
            assert await update(server.url) == {}
        recorded = len(server.seen)
        assert recorded == 2
        with vcr.use_cassette(cassette, record_mode="none"):
            assert await update(server.url) == {}
            with pytest.raises(CannotOverwriteExistingCassetteException):
                await update(server.url)
        assert len(server.seen) == recorded
        assert await is_fast()


async def test_a_session_of_another_class_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(DeprecationWarning, match="Inheritance"):

        class Another(aiohttp.ClientSession):
            pass

    monkeypatch.setattr(aiohttp, "ClientSession", Another)
    assert not await is_fast()


# --- agents ---------------------------------------------------------------------------------------


@pytest.fixture
def spans() -> Iterator[tuple[InMemorySpanExporter, TracerProvider]]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    AioHttpClientInstrumentor().instrument(tracer_provider=provider)
    yield exporter, provider
    AioHttpClientInstrumentor().uninstrument()
    provider.shutdown()


async def test_opentelemetry_sees_each_request_once_it_is_instrumented(
    spans: tuple[InMemorySpanExporter, TracerProvider],
) -> None:
    exporter, _ = spans
    async with scripted() as server:
        await update(server.url)
        assert [span.name for span in exporter.get_finished_spans()] == ["POST", "POST"]
        AioHttpClientInstrumentor().uninstrument()
        assert await is_fast()
        AioHttpClientInstrumentor().instrument()
        assert not await is_fast()


async def test_a_trace_config_beside_an_agent_makes_no_second_span(
    spans: tuple[InMemorySpanExporter, TracerProvider],
) -> None:
    exporter, provider = spans
    ours = create_trace_config(tracer_provider=provider)
    started: list[str] = []

    async def note(*_: object) -> None:
        started.append("request")

    another = aiohttp.TraceConfig()
    another.on_request_start.append(note)
    async with scripted() as server:
        await update(server.url, trace_configs=[another, ours])
        assert len(exporter.get_finished_spans()) == 2
        # What is not the same as the agent's takes nothing from it.
        await update(server.url, trace_configs=[another])
        assert len(exporter.get_finished_spans()) == 4
    assert started == ["request"] * 4


async def test_sentry_sees_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    # Sentry does not take back what it has put in their place.
    for owner, name in (
        (aiohttp.ClientSession, "__init__"),
        (aiohttp.web.Application, "_handle"),
        (aiohttp.web.UrlDispatcher, "resolve"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    seen: list[str] = []

    def note(crumb: dict[str, Any], _: object) -> None:
        seen.append(crumb["data"]["url"])

    sentry_sdk.init(
        dsn="http://public@127.0.0.1:9/1",
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[AioHttpIntegration()],
        before_breadcrumb=note,
    )
    try:
        assert not await is_fast()
        seen.clear()
        async with scripted() as server:
            await update(server.url)
    finally:
        sentry_sdk.get_client().close(timeout=0)
        sentry_sdk.init()
    assert seen == [f"{server.url}/oauth/token", server.url + PATH]
