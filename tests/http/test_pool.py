"""What every request of a pool has in common."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
import uvloop

from propq_async import (
    APIConnectionError,
    RedirectError,
    TokenManager,
    TokenUnavailableError,
)
from propq_async._http.pool import Pool
from propq_async._http.transport import USER_AGENT, PoolSettings
from propq_async._wire.messages import Lost
from propq_async.testing import PropQEmulator
from tests.helpers.http import ONCE, a_client, scripted, update
from tests.helpers.support import ScriptedServer, an_update, answer, token_answer


async def test_what_every_call_carries() -> None:
    async with scripted(answer(200, {})) as server:
        await update(a_client(server.url))
    token, call = server.seen
    for seen in (token, call):
        assert seen.headers["accept"] == "application/json"
        assert seen.headers["user-agent"] == USER_AGENT
        assert "cookie" not in seen.headers
    assert call.headers["content-type"] == "application/json"
    assert token.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in token.headers
    assert token.body == b"grant_type=client_credentials&client_id=1&client_secret=the-secret"


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
async def test_no_redirect_is_followed_by_calls_or_token_requests(status: int) -> None:
    async with scripted(answer(200, {})) as elsewhere:
        away = answer(status, headers={"Location": elsewhere.url + "/x"})
        async with scripted(away) as server:
            with pytest.raises(RedirectError):
                await update(a_client(server.url))
        async with ScriptedServer(away) as server:
            with pytest.raises(TokenUnavailableError):
                await update(a_client(server.url))
    assert elsewhere.seen == []


async def test_no_cookie_is_kept() -> None:
    headers = {"Set-Cookie": "laravel_session=x; Path=/"}
    async with (
        scripted(answer(200, {}, headers=headers)) as server,
        a_client(server.url).session() as session,
    ):
        for _ in range(3):
            await session.units.update(an_update())
    assert not any("cookie" in seen.headers for seen in server.seen)


async def test_connections_are_kept_and_never_more_than_allowed() -> None:
    async with (
        scripted(answer(200, {})) as server,
        a_client(server.url, max_connections=4).session() as session,
    ):
        await asyncio.gather(*(session.units.update(an_update()) for _ in range(40)))
    assert server.connections <= 4


async def test_a_manager_alone_opens_a_connection_for_its_one_request(
    emulator: PropQEmulator,
) -> None:
    manager = TokenManager(emulator.credentials, token_url=f"{emulator.url}/oauth/token")
    assert (await manager.get_token()).access_token
    async with PropQEmulator() as down:
        url = down.url
    with pytest.raises(TokenUnavailableError, match="no answer: there is no connection"):
        await TokenManager(
            emulator.credentials, token_url=f"{url}/oauth/token", retry=ONCE
        ).get_token()


async def test_a_pool_that_was_closed_stays_closed(emulator: PropQEmulator) -> None:
    async with Pool(PoolSettings()) as pool:
        await pool.ask_token(f"{emulator.url}/oauth/token", emulator.credentials, 5)
    lost = await pool.ask_token(f"{emulator.url}/oauth/token", emulator.credentials, 5)
    assert isinstance(lost, Lost)
    assert not lost.sent
    assert emulator.token_requests == 1


@pytest.mark.parametrize("cut", range(0, 90, 10))
async def test_a_torn_header_is_not_shown_with_what_it_holds(cut: int) -> None:
    async def tear(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 200 OK\r\nX-Echo: Bearer token-1\r\nSet-Cookie: session=private\r\nX: 1"
        writer.write(head[: len(head) - cut])
        await writer.drain()
        raise ConnectionError

    async with scripted(tear) as server:
        with pytest.raises(
            APIConnectionError, match=r"the connection was lost: [\w ]+ - "
        ) as caught:
            await update(a_client(server.url))
    shown = f"{caught.value} {caught.value!r} {vars(caught.value)}"
    for word in ("token-1", "private", "Echo", "<"):
        assert word not in shown


async def test_text_that_is_no_error_message_still_says_something() -> None:
    # A connection that is closed without a word has an error without words in some versions.
    async with scripted(None) as server:
        with pytest.raises(APIConnectionError, match=r"the connection was lost: ."):
            await update(a_client(server.url))


# --- TLS ------------------------------------------------------------------------------------------


class TLSServer(ScriptedServer):
    """A `ScriptedServer` that speaks TLS."""

    def __init__(self, certificate: Path) -> None:
        super().__init__(answer(200, {}), by_path={"/oauth/token": [token_answer()]})
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)

    async def __aenter__(self) -> Self:
        self._tasks = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.url = f"https://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self


async def test_a_private_certificate_needs_the_given_context(
    certificate: Path,
) -> None:
    context = ssl.create_default_context(cafile=f"{certificate}.crt")
    async with TLSServer(certificate) as server:
        assert await update(a_client(server.url, ssl_context=context)) == {}
        with pytest.raises(TokenUnavailableError, match="certificate") as caught:
            await update(a_client(server.url))
    assert caught.value.__cause__ is None
    assert len(server.seen) == 2


@pytest.mark.parametrize("traces", [[], [aiohttp.TraceConfig()]], ids=["fast", "plain"])
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_tls_connection_is_kept_on_both_transports_and_loops(
    certificate: Path, traces: list[aiohttp.TraceConfig], loop: Callable[[], Any]
) -> None:
    async def story() -> list[int]:
        context = ssl.create_default_context(cafile=f"{certificate}.crt")
        async with TLSServer(certificate) as server:
            propq = a_client(server.url, ssl_context=context, trace_configs=traces)
            async with propq.session() as session:
                for _ in range(20):
                    assert await session.units.update(an_update()) == {}
                await asyncio.gather(*(session.units.update(an_update()) for _ in range(5)))
        return [seen.connection for seen in server.seen]

    with asyncio.Runner(loop_factory=loop) as runner:
        connections = runner.run(story())
    assert connections[:21] == [1] * 21
    assert max(connections) <= 5
