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
    AsyncPropQ,
    Credentials,
    RedirectError,
    RetryPolicy,
    TokenManager,
    TokenUnavailableError,
)
from propq_async.lanes import USER_AGENT, Connections
from propq_async.testing import PropQEmulator
from propq_async.transport import Pool
from propq_async.wire import Lost

from .support import ScriptedServer, Step, an_update, answer, token_answer

ONCE = RetryPolicy(attempts=1)
PATH = "/v1/developments/4711/units/update-by-name"


def a_client(url: str, **settings: Any) -> AsyncPropQ:
    return AsyncPropQ(
        Credentials(1, "the-secret"),
        base_url=url,
        **({"token_store": None, "retry": ONCE} | settings),
    )


def scripted(*script: Step) -> ScriptedServer:
    return ScriptedServer(*script, by_path={"/oauth/token": [token_answer()]})


async def update(propq: AsyncPropQ) -> Any:
    async with propq.session() as session:
        return await session.units.update(an_update())


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
    async with Pool(Connections()) as pool:
        await pool.ask_token(f"{emulator.url}/oauth/token", emulator.credentials, 5)
    lost = await pool.ask_token(f"{emulator.url}/oauth/token", emulator.credentials, 5)
    assert isinstance(lost, Lost)
    assert not lost.sent
    assert emulator.token_requests == 1


# --- proxies --------------------------------------------------------------------------------------


class Proxy(ScriptedServer):
    """Answers itself, as a proxy does for http; for https it is asked to CONNECT first."""

    def __init__(self, *connect: Step) -> None:
        by_path: dict[str, list[Step]] = {
            "http://127.0.0.1:9/oauth/token": [token_answer()],
            "127.0.0.1:9": list(connect) or [answer(407, content_type="text/html")],
        }
        super().__init__(answer(200, {"by": "proxy"}), by_path=by_path)


NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize("in_environment", [False, True])
@pytest.mark.parametrize("user", ["", "me:pass%40word@"])
async def test_calls_and_token_requests_go_through_the_proxy(
    monkeypatch: pytest.MonkeyPatch, user: str, *, in_environment: bool
) -> None:
    async with Proxy() as server:
        proxy = server.url.replace("//", f"//{user}")
        if in_environment:
            monkeypatch.setenv("http_proxy", proxy)
            propq = a_client(NOWHERE, trust_env=True)
        else:
            propq = a_client(NOWHERE, proxy=proxy)
        assert await update(propq) == {"by": "proxy"}
    assert "word" not in repr(propq._connections)
    assert [seen.path for seen in server.seen] == [f"{NOWHERE}/oauth/token", NOWHERE + PATH]
    for seen in server.seen:
        assert ("proxy-authorization" in seen.headers) is bool(user)


@pytest.mark.parametrize("excepted", [True, False])
async def test_the_environment_counts_only_if_trusted_and_for_hosts_not_excepted(
    emulator: PropQEmulator, monkeypatch: pytest.MonkeyPatch, *, excepted: bool
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1" if excepted else "")
    propq = AsyncPropQ(
        emulator.credentials, base_url=emulator.url, token_store=None, trust_env=excepted
    )
    assert await update(propq)


async def test_a_password_in_netrc_is_not_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with scripted(answer(200, {})) as server:
        await update(a_client(server.url, trust_env=True))
    token, call = server.seen
    assert "authorization" not in token.headers
    assert call.headers["authorization"] == "Bearer token-1"


async def test_what_a_proxy_says_is_said_to_be_the_proxys() -> None:
    async with Proxy() as server:
        propq = a_client("https://127.0.0.1:9", proxy=server.url.replace("//", "//me:pass@"))
        with pytest.raises(TokenUnavailableError, match="the proxy answered 407") as caught:
            await update(propq)
    assert "pass" not in str(caught.value)


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


async def test_a_private_certificate_is_accepted_from_the_given_context_only(
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
def test_a_tls_connection_is_kept_on_both_lanes_and_loops(
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


# --- hooks ----------------------------------------------------------------------------------------


async def test_trace_configs_see_every_request(emulator: PropQEmulator) -> None:
    seen: list[str] = []

    async def note(_: object, __: object, started: aiohttp.TraceRequestStartParams) -> None:
        seen.append(started.url.path)

    hooks = aiohttp.TraceConfig()
    hooks.on_request_start.append(note)
    propq = AsyncPropQ(
        emulator.credentials, base_url=emulator.url, token_store=None, trace_configs=[hooks]
    )
    await update(propq)
    assert seen == ["/oauth/token", PATH]


async def test_what_a_hook_raises_is_the_callers(emulator: PropQEmulator) -> None:
    broken = False

    async def break_it(*_: object) -> None:
        if broken:
            raise ZeroDivisionError

    hooks = aiohttp.TraceConfig()
    hooks.on_request_end.append(break_it)
    propq = AsyncPropQ(
        emulator.credentials, base_url=emulator.url, token_store=None, trace_configs=[hooks]
    )
    async with propq.session() as session:
        await session.units.update(an_update())
        broken = True
        with pytest.raises(ZeroDivisionError):
            await session.units.update(an_update())
        assert propq._gate.is_idle


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
