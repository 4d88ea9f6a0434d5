"""What the owner of a service sees without a debugger: spans and log records. No secret in any."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.instrumentation.aiohttp_client import create_trace_config
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from propq_async import (
    AsyncPropQ,
    Credentials,
    JsonFileTokenStore,
    NotFoundError,
    PropQError,
    RetryPolicy,
)
from propq_async.testing import PropQEmulator
from tests.helpers.support import FakeClock, ScriptedServer, Step, an_update, answer, token_answer

PATH = "/v1/developments/4711/units/update-by-name"
SECRET = "the-secret"
TOKEN = "token-1"


@pytest.fixture
def traced() -> Iterator[tuple[InMemorySpanExporter, TracerProvider]]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter, provider
    provider.shutdown()


def told(span: ReadableSpan) -> tuple[str, str, Any]:
    attributes = span.attributes or {}
    return span.name, str(attributes["http.url"]), attributes.get("http.status_code")


async def test_each_request_is_a_span_token_requests_included(
    traced: tuple[InMemorySpanExporter, TracerProvider],
) -> None:
    exporter, provider = traced
    by_path: dict[str, list[Step]] = {"/oauth/token": [token_answer(TOKEN)]}
    async with ScriptedServer(
        answer(503), None, answer(200, {}), answer(404), by_path=by_path
    ) as server:
        propq = AsyncPropQ(
            Credentials(1, SECRET),
            base_url=server.url,
            token_store=None,
            clock=FakeClock().clock,
            trace_configs=[create_trace_config(tracer_provider=provider)],
        )
        with provider.get_tracer("job").start_as_current_span("push the price list") as job:
            async with propq.session() as session:
                await session.units.update(an_update())
                with pytest.raises(NotFoundError):
                    await session.request("GET", "/v1/things", params={"key": "value"})
        calls = [seen for seen in server.seen if seen.path != "/oauth/token"]
    *spans, last = exporter.get_finished_spans()
    assert last.name == "push the price list"
    url = server.url + PATH
    assert [told(span) for span in spans] == [
        ("POST", f"{server.url}/oauth/token", 200),
        ("POST", url, 503),
        ("POST", url, None),
        ("POST", url, 200),
        ("GET", f"{server.url}/v1/things?key=value", 404),
    ]
    ends = [span.status.status_code for span in spans]
    assert ends == [StatusCode.UNSET, *[StatusCode.ERROR] * 2, StatusCode.UNSET, StatusCode.ERROR]
    # The lost one says how it was lost.
    assert [event.name for event in spans[2].events] == ["exception"]
    context = job.get_span_context()
    for span, seen in zip(spans[1:], calls, strict=True):
        assert span.parent is not None
        assert span.parent.span_id == context.span_id
        # The server's own spans can hang below it.
        assert span.context is not None
        assert seen.headers["traceparent"].split("-")[1:3] == [
            f"{context.trace_id:032x}",
            f"{span.context.span_id:016x}",
        ]
    for span in spans:
        for secret in (SECRET, TOKEN):
            assert secret not in span.to_json()


# --- log records ----------------------------------------------------------------------------------


def levels(caplog: pytest.LogCaptureFixture) -> dict[str, list[str]]:
    records = [record for record in caplog.records if record.name.startswith("propq_async")]
    return {
        level: [record.getMessage() for record in records if record.levelname == level]
        for level in ("DEBUG", "INFO", "WARNING", "ERROR")
    }


async def test_each_kind_of_event_has_its_log_level(
    emulator: PropQEmulator, caplog: pytest.LogCaptureFixture, token_file: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    propq = AsyncPropQ(
        emulator.credentials,
        base_url=emulator.url,
        token_store=JsonFileTokenStore(token_file / "a file" / "in its place"),
        retry=RetryPolicy(base_delay_seconds=0.001),
    )
    token_file.parent.mkdir()
    token_file.write_text("no directory")
    emulator.fail_next(500, times=20)
    async with propq.session() as session:
        await asyncio.gather(
            *(session.units.update(an_update()) for _ in range(50)), return_exceptions=True
        )
        emulator.revoke_tokens()
        await session.units.update(an_update())
    logged = levels(caplog)
    requests = [text for text in logged["DEBUG"] if text.startswith("POST ")]
    assert len(requests) == emulator.calls
    assert f"POST {emulator.url}{PATH} (unit 'A-101'): 500" in requests
    assert f"POST {emulator.url}{PATH} (unit 'A-101'): 401" in requests
    assert f"POST {emulator.url}{PATH} (unit 'A-101'): 200" in requests
    refreshes = [text for text in logged["INFO"] if text.startswith("fetched a token")]
    assert len(refreshes) == propq.stats().refreshes == 2
    (store,) = (text for text in logged["WARNING"] if "token file" in text)
    (server,) = (text for text in logged["WARNING"] if "server" in text)
    assert "the token stays in memory" in store
    assert "500 Server Error" in server
    assert len(logged["WARNING"]) == 2
    assert logged["ERROR"] == []


async def test_trouble_that_comes_and_goes_warns_now_and_then(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    time = FakeClock()
    flickering: list[Step] = [answer(500), answer(200, {})] * 100
    by_path: dict[str, list[Step]] = {"/oauth/token": [token_answer(TOKEN)]}
    async with ScriptedServer(*flickering, by_path=by_path) as server:
        propq = AsyncPropQ(
            Credentials(1, SECRET),
            base_url=server.url,
            token_store=None,
            clock=time.clock,
            retry=RetryPolicy(base_delay_seconds=0.001),
        )
        async with propq.session() as session:
            for _ in range(60):
                await session.units.update(an_update())
            assert len(levels(caplog)["WARNING"]) == 1
            time.advance(61)
            for _ in range(40):
                await session.units.update(an_update())
    logged = levels(caplog)
    assert len(logged["WARNING"]) == 2
    # Each of them has its end, and what was not worth a word has none.
    assert logged["INFO"].count("the server answers again") == 2
    assert propq.stats().retries == 100


@pytest.mark.parametrize(
    "status",
    [200, 302, 400, 401, 429, 500],
)
async def test_no_record_shows_what_the_server_echoes(
    caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.DEBUG)

    async def echo(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen = server.seen[-1]
        said = f"{seen.body.decode()} {seen.headers}"
        headers = {"Location": f"/login?{said}", "X-Request-Id": said}
        writer.write(answer(status, {"message": said, "error": said}, headers=headers))
        await writer.drain()

    plays: list[dict[str, list[Step]]] = [{"/oauth/token": [token_answer(TOKEN)]}, {}]
    for by_path in plays:
        async with ScriptedServer(echo, by_path=by_path) as server:
            propq = AsyncPropQ(
                Credentials(1, SECRET), base_url=server.url, token_store=None,
                clock=FakeClock().clock,
            )  # fmt: skip
            async with propq.session() as session:
                with pytest.raises(Exception, match=r"."):
                    await session.units.update(an_update())
    assert caplog.records
    for record in caplog.records:
        for secret in (SECRET, TOKEN):
            assert secret not in f"{record.getMessage()} {vars(record)}"


FORGED = "down\n00:00 CRITICAL root: lost\x1b[2J\x9b\u2028\u202e"


@pytest.mark.parametrize("path", ["/oauth/token", PATH])
async def test_no_server_forges_a_log_record(caplog: pytest.LogCaptureFixture, path: str) -> None:
    caplog.set_level(0)
    forged = answer(503, {"message": FORGED}, headers={"X-Request-Id": "\x9b2J"})
    by_path: dict[str, list[Step]] = {"/oauth/token": [token_answer(TOKEN)], path: [forged]}
    async with ScriptedServer(answer(200, {}), by_path=by_path) as server:
        propq = AsyncPropQ(
            Credentials(1, SECRET),
            base_url=server.url,
            token_store=None,
            retry=RetryPolicy(attempts=2, base_delay_seconds=0),
        )
        async with propq.session() as session:
            with pytest.raises(PropQError) as caught:
                await session.units.update(an_update())
    said = [record.getMessage() for record in caplog.records]
    assert any("CRITICAL" in text for text in [*said, str(caught.value)])
    assert all(text.isprintable() for text in [*said, str(caught.value)])


async def test_no_proxy_forges_an_error() -> None:
    async def forge(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 407 \xc2\x9b2J\x1b[2J\xe2\x80\xa8\r\nContent-Length: 0\r\n\r\n")

    async with ScriptedServer(forge) as server:
        propq = AsyncPropQ(
            Credentials(1, SECRET),
            base_url="https://127.0.0.1:9",
            token_store=None,
            proxy=server.url,
            retry=RetryPolicy(attempts=1),
        )
        with pytest.raises(PropQError) as caught:
            await propq.tokens.get_token()
    assert str(caught.value).isprintable()
