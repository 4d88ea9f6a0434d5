"""No display of the emulator or of anything that it has shows a secret or a token."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import types
from collections.abc import Iterator
from typing import Any

import pytest
from rich.pretty import pretty_repr

from propq_async.testing import RecordedRequest
from tests.helpers.emulator_client import UPDATE, Client, FakeClock, connect, hang_up, port, until

# What leads out of the emulator, to the test and the whole interpreter.
OUTSIDE = types.ModuleType | type | types.FunctionType | types.BuiltinFunctionType


def objects_in(root: object) -> Iterator[object]:
    """Yield everything that is reachable from an object, but for what is plain text."""
    seen, left = set[int](), [root]
    while left:
        item = left.pop()
        if id(item) in seen or isinstance(item, OUTSIDE | str | bytes | asyncio.AbstractEventLoop):
            continue
        if isinstance(item, types.FrameType | dict) and "__builtins__" in _names(item):
            continue
        seen.add(id(item))
        yield item
        left += gc.get_referents(item)


def _names(item: Any) -> Any:
    return item if isinstance(item, dict) else ()


def is_ours(item: object) -> bool:
    return type(item).__module__.startswith("propq_async")


def shown(item: object) -> str:
    return f"{item!r} {item!s} {pretty_repr(item)}"


async def test_nothing_that_it_has_shows_a_secret_or_a_token(client: Client) -> None:
    emulator = client.emulator
    secrets = (emulator.credentials.client_secret, client.token)
    bodies: list[RecordedRequest] = []
    emulator.on_request = bodies.append
    emulator.fail_next(500, match=lambda _: False)
    await client.call()
    await client.call({**UPDATE, "UntName": secrets[0]})
    await client.call({**UPDATE, "UntName": "B-1", "UntDirections": [secrets[1]]})
    await client.call(path=f"/v1/{secrets[0]}?a={secrets[1]}")
    emulator.latency_seconds = emulator.token_latency_seconds = 3600
    slow = [asyncio.create_task(client.call()), asyncio.create_task(client.ask_for_token())]
    await until(lambda: emulator.in_flight == 2)

    ours = [item for item in objects_in(emulator) if is_ours(item)]
    kinds = {type(item).__name__ for item in ours}
    assert {
        "PropQEmulator",
        "RequestLog",
        "Tokens",
        "Api",
        "Admin",
        "Listener",
        "Credentials",
    } <= kinds
    assert {"Faults", "Fault", "Inventory", "RecordedRequest"} <= kinds
    assert any(item is emulator._state.tokens for item in ours)
    for item in (*ours, emulator.requests, emulator.units, emulator.switches):
        text = shown(item)
        for secret in secrets:
            assert secret not in text, type(item)
    # Nor does what rich shows of private attributes, but for the two places that need the secret.
    held = [
        type(item).__name__
        for item in ours
        for name in getattr(type(item), "__slots__", ())
        if any(secret in repr(getattr(item, name, None)) for secret in secrets)
    ]
    assert sorted(held) == ["Credentials", "RequestLog"]

    for path in ("state", "units", "requests", "changes"):
        text = (await client.send("GET", f"/_emulator/{path}")).text
        assert not any(secret in text for secret in secrets), path
    for path in ("/openapi.json", "/"):
        text = (await client.send("GET", path, headers={"Accept": "text/html"})).text
        assert not any(secret in text for secret in secrets), path
    assert len(bodies) == 4
    await emulator.close()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_what_fails_within_it_logs_no_secret(
    client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error tracker keeps the locals of a traceback's frames."""
    caplog.set_level(logging.DEBUG)
    emulator, secrets = client.emulator, (client.emulator.credentials.client_secret, client.token)

    def fail(*_: object) -> Any:
        raise ZeroDivisionError("of the test")

    emulator.fail_next(500, match=fail)
    assert (await client.call()).status == 501
    emulator.reset()
    emulator.on_request = fail
    assert (await client.ask_for_token()).status == 501
    assert (await client.call()).status == 501
    emulator.on_request = None
    monkeypatch.setattr(FakeClock, "__call__", fail)
    assert (await client.ask_for_token()).status == 501
    assert (await client.call()).status == 501
    assert len(caplog.records) == 5
    for record in caplog.records:
        assert record.exc_info is not None
        traceback = record.exc_info[2]
        while traceback is not None:
            text = shown(dict(traceback.tb_frame.f_locals)) + record.getMessage()
            assert not any(secret in text for secret in secrets), traceback.tb_frame.f_code.co_name
            traceback = traceback.tb_next


def test_an_error_of_the_server_itself_is_logged_whole(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("propq_async.testing.listener")
    try:
        _ = 1 // 0
    except ZeroDivisionError:
        logger.exception("Error handling request from %s", "127.0.0.1")
    (record,) = caplog.records
    assert record.getMessage() == "Error handling request from 127.0.0.1"
    assert "1 // 0" in caplog.text


@pytest.mark.parametrize(
    "request_of",
    [
        "GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\0\r\n\r\n",
        "GET /x?client_secret={}\xff\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET {} HTTP/1.1\r\nHost: a\r\n\r\n",
        "{} /x HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
async def test_a_request_that_is_no_http_is_not_logged(
    client: Client, caplog: pytest.LogCaptureFixture, request_of: str
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = client.emulator.credentials.client_secret
    reader, writer = await connect(client.emulator)
    writer.write(request_of.format(secret).encode("latin-1"))
    writer.write_eof()
    await reader.read()
    await hang_up(writer)
    logged = [f"{record.getMessage()} {record.exc_info}" for record in caplog.records]
    assert not any(secret in text for text in logged)
    assert secret not in json.dumps([entry.path for entry in client.emulator.requests])
    assert secret not in json.dumps([entry.method for entry in client.emulator.requests])
    assert port(client.emulator)
