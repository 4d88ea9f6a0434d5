"""Sessions of TLS that are resumed: in memory, where every step is ours, and over real sockets."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
import uvloop
from yarl import URL

from propq_async import AsyncPropQ, Credentials
from propq_async._http import tls
from propq_async._http.pool import Pool
from propq_async._http.tls import TRUST_SECONDS, default_context, resuming
from propq_async._http.transport import Attempt, PoolSettings
from propq_async._wire.messages import Lost, Reply
from tests.helpers.http import OK, OK_BODY, TOKEN
from tests.helpers.support import ScriptedServer, Step, an_update, answer, token_answer

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no test use what another one has learned, and none have the context of another one."""
    monkeypatch.setattr(tls, "_servers", tls._Servers())
    tls._make.cache_clear()
    yield
    tls._make.cache_clear()


def server_context(pem: Path, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    if version is not None:
        context.maximum_version = version
    return context


def client_context(pem: Path) -> ssl.SSLContext:
    return resuming(ssl.create_default_context(cafile=f"{pem}.crt"))


# --- in memory ------------------------------------------------------------------------------------


class Pair:
    """A client and a server that are connected by two buffers."""

    def __init__(
        self, client: ssl.SSLContext, server: ssl.SSLContext, host: str = "localhost"
    ) -> None:
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(down, up, server_hostname=host)
        self.server = server.wrap_bio(up, down, server_side=True)
        waiting = [self.client, self.server]
        while waiting:
            for side in tuple(waiting):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    continue
                waiting.remove(side)

    def talk(self) -> Self:
        """Say a word each way: a permit of TLS 1.3 comes along with it."""
        for one, other in ((self.client, self.server), (self.server, self.client)):
            one.write(b"word")
            assert other.read(4) == b"word"
        return self

    @property
    def is_resumed(self) -> bool:
        """Return what both sides say."""
        assert self.client.session_reused == self.server.session_reused
        return bool(self.client.session_reused)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_second_connection_and_all_further_ones_resume(
    certificate: Path, version: ssl.TLSVersion
) -> None:
    client, server = client_context(certificate), server_context(certificate, version)
    pairs = [Pair(client, server).talk() for _ in range(5)]
    assert [pair.is_resumed for pair in pairs] == [False, True, True, True, True]
    assert pairs[-1].client.getpeercert() == pairs[0].client.getpeercert() != {}


def test_a_session_is_used_as_soon_as_it_is_there(certificate: Path) -> None:
    client, server = client_context(certificate), server_context(certificate)
    first = Pair(client, server)
    newest = Pair(client, server)
    # No permit of TLS 1.3 has been read, and then one that only an older connection has.
    assert not newest.is_resumed
    first.talk()
    newest = Pair(client, server)
    assert not newest.is_resumed
    newest.talk()
    assert Pair(client, server).is_resumed


def test_the_last_session_serves_until_there_is_a_new_one(
    certificate: Path,
) -> None:
    client, server = client_context(certificate), server_context(certificate)
    Pair(client, server).talk()
    assert Pair(client, server).is_resumed
    # From another server behind the same name, which does not know the session: the newest
    # connection is one without.
    assert not Pair(client, server_context(certificate)).is_resumed
    assert Pair(client, server).is_resumed


@pytest.mark.parametrize("version", VERSIONS)
def test_a_forgotten_session_costs_a_full_handshake(
    certificate: Path, version: ssl.TLSVersion
) -> None:
    client, server = client_context(certificate), server_context(certificate, version)
    Pair(client, server).talk()
    restarted = server_context(certificate, version)
    pairs = [Pair(client, restarted).talk() for _ in range(3)]
    assert [pair.is_resumed for pair in pairs] == [False, True, True]


def test_a_server_that_gives_no_sessions_is_served_all_the_same(certificate: Path) -> None:
    client, server = client_context(certificate), server_context(certificate)
    server.num_tickets = 0
    assert not any(Pair(client, server).talk().is_resumed for _ in range(3))


@pytest.mark.parametrize("version", VERSIONS)
def test_no_host_is_offered_the_session_of_another(
    certificate: Path, version: ssl.TLSVersion
) -> None:
    # One and the same server: it would take any session that it has given.
    client, server = client_context(certificate), server_context(certificate, version)
    Pair(client, server, "127.0.0.1").talk()
    assert not Pair(client, server, "localhost").talk().is_resumed
    assert Pair(client, server, "127.0.0.1").talk().is_resumed
    assert Pair(client, server, "localhost").talk().is_resumed


def test_no_context_is_given_the_session_of_another(certificate: Path) -> None:
    server = server_context(certificate)
    Pair(client_context(certificate), server).talk()
    # It may trust others.
    assert not Pair(client_context(certificate), server).talk().is_resumed


def test_no_thread_asks_the_connection_of_another(certificate: Path) -> None:
    client, server = client_context(certificate), server_context(certificate)
    Pair(client, server).talk()
    resumed: list[bool] = []

    def elsewhere() -> None:
        resumed.extend(Pair(client, server).talk().is_resumed for _ in range(2))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert resumed == [False, True]
    assert Pair(client, server).is_resumed


def test_a_certificate_is_verified_again_in_spite_of_renewals(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, server = client_context(certificate), server_context(certificate)
    now = 7.0

    def is_resumed_after(seconds: float) -> bool:
        nonlocal now
        now += seconds
        return Pair(client, server).talk().is_resumed

    monkeypatch.setattr(tls, "monotonic", lambda: now)
    assert not is_resumed_after(0)
    assert is_resumed_after(0.5 * TRUST_SECONDS)
    assert is_resumed_after(0.5 * TRUST_SECONDS - 1)
    assert not is_resumed_after(1)
    assert is_resumed_after(TRUST_SECONDS - 1)
    assert not is_resumed_after(TRUST_SECONDS)


def test_a_session_is_no_reason_to_trust_a_certificate(certificate: Path, tmp_path: Path) -> None:
    client, server = client_context(certificate), server_context(certificate)
    Pair(client, server).talk()
    pem = tmp_path / "impostor.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    files = ["-keyout", f"{pem}.key", "-out", str(pem)]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    impostor = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    impostor.load_cert_chain(pem, f"{pem}.key")
    with pytest.raises(ssl.SSLCertVerificationError):
        Pair(client, impostor)
    # And what came of it has changed nothing.
    assert Pair(client, server).is_resumed


# --- the context of who has none ------------------------------------------------------------------


def without_aiohttps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED")


@pytest.mark.parametrize("is_shared", [True, False])
async def test_the_default_context_is_as_strict_as_pythons(
    monkeypatch: pytest.MonkeyPatch, *, is_shared: bool
) -> None:
    if not is_shared:
        without_aiohttps(monkeypatch)
    made, usual = await default_context(), ssl.create_default_context()
    ours = made.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost").context
    assert (made is not ours) is is_shared
    for name in (
        "check_hostname",
        "hostname_checks_common_name",
        "maximum_version",
        "minimum_version",
        "options",
        "protocol",
        "verify_flags",
        "verify_mode",
    ):
        assert getattr(ours, name) == getattr(usual, name), name
    assert ours.verify_mode == ssl.CERT_REQUIRED
    assert ours.check_hostname
    assert ours.cert_store_stats() == usual.cert_store_stats()
    assert ours.get_ciphers() == usual.get_ciphers()


async def test_it_asks_for_the_http_that_aiohttp_speaks(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    server = server_context(certificate)
    server.set_alpn_protocols(["h2", "http/1.1"])
    assert Pair(await default_context(), server).client.selected_alpn_protocol() == "http/1.1"


async def test_the_authorities_are_read_once_for_aiohttp_and_for_us(certificate: Path) -> None:
    theirs: Any = aiohttp.connector._SSL_CONTEXT_VERIFIED
    context = await default_context()
    assert context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="x").context is theirs
    # What is for one connection only is not in the context of everybody else.
    assert theirs.sslobject_class is ssl.SSLObject
    # By another way it trusts nobody, so no mistake can make it trust too many.
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert not any(context.cert_store_stats().values())
    with pytest.raises(ssl.SSLCertVerificationError):
        Pair(context, server_context(certificate))


class _Injected(ssl.SSLContext):
    """As truststore puts its own in the place of ssl's."""


def _lax(monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", context)


def _trusting_all(monkeypatch: pytest.MonkeyPatch) -> None:
    _lax(monkeypatch)
    theirs: Any = aiohttp.connector._SSL_CONTEXT_VERIFIED
    theirs.verify_mode = ssl.CERT_NONE


@pytest.mark.parametrize(
    "change",
    [
        without_aiohttps,
        _lax,
        _trusting_all,
        lambda patch: patch.setattr(
            aiohttp.connector, "_SSL_CONTEXT_VERIFIED", _Injected(ssl.PROTOCOL_TLS_CLIENT)
        ),
    ],
)
async def test_no_context_of_aiohttps_is_used_that_is_not_as_ours(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], None]
) -> None:
    change(monkeypatch)
    context = await default_context()
    assert (
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="x").context is context
    )
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_what_truststore_injects_later_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tls._context_of_aiohttp() is not None
    monkeypatch.setattr(ssl, "SSLContext", _Injected)
    assert tls._context_of_aiohttp() is None


async def test_it_is_made_once_for_all_who_ask_at_once() -> None:
    contexts = await asyncio.gather(*(default_context() for _ in range(20)))
    assert len(set(contexts)) == 1
    assert tls._make.cache_info().misses == 1
    # From then on it is there, whatever keeps the threads of the event loop busy.
    with tls._making:
        assert await default_context() is contexts[0]


# --- over sockets ---------------------------------------------------------------------------------


class TLSServer(ScriptedServer):
    """A `ScriptedServer` that speaks TLS and notes for each connection whether it was resumed."""

    def __init__(self, pem: Path, *script: Step) -> None:
        super().__init__(*script, by_path={"/oauth/token": [token_answer()]})
        self._pem = pem
        self.resumed: list[bool] = []

    async def __aenter__(self) -> Self:
        self._tasks = set()
        context = server_context(self._pem)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self.url = f"https://localhost:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.resumed.append(writer.get_extra_info("ssl_object").session_reused)
        await super()._serve(reader, writer)


async def and_close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
    raise ConnectionError


def on(loop: Callable[[], Any], main: Callable[[], Any]) -> Any:
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main())


loops = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
transports = pytest.mark.parametrize("traces", [[], [aiohttp.TraceConfig()]], ids=["fast", "plain"])


@transports
@loops
def test_sessions_resume_on_both_transports_and_loops(
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    traces: list[aiohttp.TraceConfig],
    loop: Callable[[], Any],
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")

    async def story() -> None:
        async with TLSServer(certificate, and_close) as server:
            propq = AsyncPropQ(
                Credentials(1, "secret"),
                base_url=server.url,
                token_store=None,
                trace_configs=traces,
            )
            for _ in range(2):
                # The connections end with the session, and what is known of the server does not.
                async with propq.session() as session:
                    for _call in range(5):
                        assert await session.units.update(an_update()) == {"done": True}
                    updates = (session.units.update(an_update()) for _ in range(10))
                    assert await asyncio.gather(*updates) == [{"done": True}] * 10
            # The token went over the first connection, and each call closed its own.
            assert server.resumed == [False] + [True] * (len(server.resumed) - 1)
            assert len(server.resumed) == 30

    on(loop, story)


@transports
@loops
def test_a_context_of_ones_own_is_used_as_it_is(
    certificate: Path, traces: list[aiohttp.TraceConfig], loop: Callable[[], Any]
) -> None:
    context = ssl.create_default_context(cafile=f"{certificate}.crt")

    async def story() -> list[bool]:
        connections = PoolSettings(ssl_context=context, trace_configs=traces)
        async with Pool(connections) as pool, TLSServer(certificate, and_close) as server:
            for _ in range(3):
                await call(pool, server.url)
            return server.resumed

    assert on(loop, story) == [False] * 3
    assert context.sslobject_class is ssl.SSLObject
    assert tls._make.cache_info().misses == 0


async def call(pool: Pool, url: str) -> Reply | Lost:
    return await pool.send("POST", URL(url), TOKEN, b"{}", 30, Attempt())


async def test_without_tls_no_context_is_made() -> None:
    async with Pool(PoolSettings()) as pool, ScriptedServer(answer(200, {})) as server:
        await call(pool, server.url)
    assert tls._make.cache_info().misses == 0


async def test_calls_during_the_making_of_the_context_share_a_pool(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    async with (
        Pool(PoolSettings(max_connections=1)) as pool,
        TLSServer(certificate, OK) as server,
    ):
        replies = await asyncio.gather(*(call(pool, server.url) for _ in range(10)))
        assert [reply.body for reply in replies if isinstance(reply, Reply)] == [OK_BODY] * 10
        assert server.connections == 1


async def test_a_pool_closed_while_its_context_is_made_sends_nothing(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    async with Pool(PoolSettings()) as pool, TLSServer(certificate, OK) as server:
        with tls._making:
            begun = asyncio.create_task(call(pool, server.url))
            await asyncio.sleep(0)  # it has begun, and waits
            await pool.close()
        lost = await begun
        assert isinstance(lost, Lost)
        assert (lost.reason, lost.sent) == ("the session was left", False)
        assert server.connections == 0
