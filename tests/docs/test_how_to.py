"""The programs of the how-to guides do what the guides say."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import set_tracer_provider

from propq_async._client.session import PropQSession
from propq_async.ledger import Account, Ledger, Unit
from propq_async.testing import PropQEmulator
from tests.helpers.pages import DOCS, PRICES, block, execute

HOW_TO = DOCS / "how-to"


def test_price_lists_from_python(
    emulator: PropQEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("prices.csv").write_text(PRICES, encoding="utf-8")  # with a row that is refused
    execute(block(HOW_TO / "price-lists-from-python.md", "pricelist.plan("), HOW_TO)
    out = capsys.readouterr().out.splitlines()
    assert sorted(out)[:2] == ["A-101 is applied", "A-102 is applied"]
    assert "No such unit POST " in "\n".join(out)
    assert (
        out[-1] == "Standing(total=3, applied=2, failed=1, unsure=0, cut_off=0, cut_off_unsure=0)"
    )
    assert emulator.unit("4711", "A-102").price == 199_500.5


def test_one_memory(emulator: PropQEmulator) -> None:
    async def known() -> list[Unit]:
        account = Account(emulator.url, emulator.credentials.client_id)
        async with Ledger() as ledger:
            return list(await ledger.entries(account, ["4711"]))

    assert asyncio.run(known()) == []
    execute(block(HOW_TO / "one-memory.md", "from_env(ledger="), HOW_TO)
    assert asyncio.run(known()) == [("4711", "A-101")]


def test_any_other_call(emulator: PropQEmulator, capsys: pytest.CaptureFixture[str]) -> None:
    execute(block(HOW_TO / "other-calls.md", "session.request("), HOW_TO)
    assert capsys.readouterr().out.startswith("404 ")
    assert emulator.requests[-1].path == "/v1/developments"


def test_errors(
    emulator: PropQEmulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = DOCS / "reference" / "errors.md"
    code = block(page, "except TokenRefusedError")
    execute(code, page)
    out = capsys.readouterr().out
    assert "404" in out
    assert out.endswith("Applied? no\n")
    monkeypatch.setenv("PROPQ_CLIENT_SECRET", "wrong")
    monkeypatch.setenv("PROPQ_TOKEN_FILE", "another.json")
    execute(code, page)
    assert capsys.readouterr().out == "The credentials are wrong: invalid_client\n"
    assert emulator.token_requests == 2


def test_a_span_for_each_request(emulator: PropQEmulator) -> None:
    root, handlers = logging.getLogger(), logging.getLogger().handlers[:]
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    set_tracer_provider(provider)
    try:
        execute(block(HOW_TO / "traces.md", "create_trace_config"), HOW_TO)
    finally:
        root.handlers[:] = handlers
    assert len(exporter.get_finished_spans()) == emulator.calls + emulator.token_requests == 2


@pytest.mark.usefixtures("emulator")
def test_settings_of_retries_and_the_token_file() -> None:
    page = HOW_TO / "timeouts-and-retries.md"
    assert isinstance(execute(block(page, "RetryPolicy("), page)["patient"], PropQSession)
    assert execute(block(HOW_TO / "token-stores.md", "JsonFileTokenStore("), HOW_TO)["in_memory"]


@pytest.mark.usefixtures("emulator")  # for the credentials
def test_sentry_watches_a_client_that_is_made_after_it() -> None:
    """In a process of its own: Sentry does not take back what it has replaced."""
    code = block(HOW_TO / "error-trackers.md", "sentry_sdk.init") + (
        "import aiohttp\n"
        "from propq_async._http.pool import _is_replaced\n"
        "print(propq.stats().in_flight, _is_replaced(aiohttp.ClientSession))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "0 True\n"
