"""What no retry can heal ends at once, with what to do about it."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from propq_async import (
    APIConnectionError,
    AsyncPropQ,
    Clock,
    Credentials,
    MemoryTokenStore,
    PropQSession,
    Token,
    TokenKey,
    TokenUnavailableError,
    UnitOutcome,
)
from propq_async._wire.messages import Lost, Reply
from tests.helpers.simulation import OK, Simulated, units
from tests.helpers.support import FakeClock, ScriptedServer, an_update, answer, drain, run_virtual

# A base URL, further settings, how often somebody knocked, and a part of the advice.
Place = tuple[str, dict[str, Any], Callable[[], int], str]


# Certificates with their keys, by what is wrong with them.
Pems = dict[str, Path]


@pytest.fixture(scope="session")
def pems(certificate: Path, expired: Path, tmp_path_factory: pytest.TempPathFactory) -> Pems:
    other = tmp_path_factory.mktemp("other") / "other-host.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other.example"
    alternative = ["-addext", "subjectAltName=DNS:other.example"]
    files = ["-keyout", str(other), "-out", f"{other}.crt"]
    subprocess.run([*command.split(), *alternative, *files], check=True, capture_output=True)
    other.write_bytes(other.read_bytes() + Path(f"{other}.crt").read_bytes())
    return {"untrusted": certificate, "expired": expired, "other host": other}


@pytest.fixture(scope="session")
def expired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate for localhost whose time is over, and beside it itself as authority."""
    place = tmp_path_factory.mktemp("expired")
    pem = place / "expired.pem"
    (place / "ca").mkdir()
    (place / "index").touch()
    (place / "serial").write_text("01")
    config = place / "openssl.cnf"
    config.write_text(
        "[ca]\ndefault_ca=one\n[one]\n"
        f"database={place}/index\nserial={place}/serial\nnew_certs_dir={place}/ca\n"
        "default_md=sha256\npolicy=any\nx509_extensions=ext\n"
        "[any]\ncommonName=supplied\n[ext]\nsubjectAltName=DNS:localhost\n"
        "basicConstraints=CA:true\n"
    )
    request = "openssl req -new -newkey rsa:2048 -nodes -subj /CN=localhost"
    sign = "openssl ca -batch -selfsign -startdate 20200101000000Z -enddate 20200102000000Z"
    of = ["-in", f"{pem}.csr", "-out", f"{pem}.crt", "-notext"]
    commands = [
        [*request.split(), "-keyout", f"{pem}.key", "-out", f"{pem}.csr"],
        [*sign.split(), "-config", str(config), "-keyfile", f"{pem}.key", *of],
    ]
    for command in commands:
        subprocess.run(command, check=True, capture_output=True)
    crt = Path(f"{pem}.crt")
    pem.write_bytes(Path(f"{pem}.key").read_bytes() + crt.read_bytes())
    return pem


@asynccontextmanager
async def knocked_at(
    host: str, tls: ssl.SSLContext | None = None, says: bytes = b""
) -> AsyncIterator[tuple[str, Callable[[], int]]]:
    """Listen, and yield the URL and what counts the connections."""
    knocks = itertools.count()
    seen = 0

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            nonlocal seen
            assert isinstance(transport, asyncio.Transport)
            if not tls:
                seen = next(knocks) + 1
            self.transport = transport

        def data_received(self, _: bytes) -> None:
            self.transport.write(says)
            self.transport.close()

    def make() -> asyncio.Protocol:
        nonlocal seen
        if tls:  # the handshake fails, so that no connection is ever made
            seen = next(knocks) + 1
        return Protocol()

    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"https://{host}:{server.sockets[0].getsockname()[1]}", lambda: seen


def serving(pem: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@asynccontextmanager
async def untrusted(pems: Pems) -> AsyncIterator[Place]:
    async with knocked_at("localhost", serving(pems["untrusted"])) as (url, knocks):
        yield url, {"ssl_context": ssl.create_default_context()}, knocks, "no known authority"


@asynccontextmanager
async def other_host(pems: Pems) -> AsyncIterator[Place]:
    trusting = ssl.create_default_context(cafile=pems["other host"])
    async with knocked_at("localhost", serving(pems["other host"])) as (url, knocks):
        yield url, {"ssl_context": trusting}, knocks, "another host"


@asynccontextmanager
async def too_old(pems: Pems) -> AsyncIterator[Place]:
    trusting = ssl.create_default_context(cafile=pems["expired"])
    async with knocked_at("localhost", serving(pems["expired"])) as (url, knocks):
        yield url, {"ssl_context": trusting}, knocks, "clock of this computer"


@asynccontextmanager
async def no_tls(_: Pems) -> AsyncIterator[Place]:
    says = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    async with knocked_at("127.0.0.1", says=says) as (url, knocks):
        yield url, {}, knocks, "does not speak TLS"


@asynccontextmanager
async def no_common_tls(_: Pems) -> AsyncIterator[Place]:
    # What a server of TLS 1.0 answers: the fatal alert `protocol_version` (RFC 8446 section 6).
    async with knocked_at("127.0.0.1", says=bytes.fromhex("15030100020246")) as (url, knocks):
        yield url, {}, knocks, "in common"


@asynccontextmanager
async def proxy_wants_a_password(_: Pems) -> AsyncIterator[Place]:
    async with ScriptedServer(answer(407, content_type="text/html")) as proxy:
        settings = {"proxy": proxy.url}
        yield "https://127.0.0.1:9", settings, lambda: len(proxy.seen), "wants a login"


@asynccontextmanager
async def proxy_wants_a_password_without_a_tunnel(_: Pems) -> AsyncIterator[Place]:
    async with ScriptedServer(answer(407, content_type="text/html")) as proxy:
        settings = {"proxy": proxy.url}
        yield "http://127.0.0.1:9", settings, lambda: len(proxy.seen), "wants a login"


@asynccontextmanager
async def proxy_forbids(_: Pems) -> AsyncIterator[Place]:
    async with ScriptedServer(answer(403, content_type="text/html")) as proxy:
        settings = {"proxy": proxy.url}
        yield "https://127.0.0.1:9", settings, lambda: len(proxy.seen), "does not let this through"


MakePlace = Callable[[Pems], AbstractAsyncContextManager[Place]]
places = pytest.mark.parametrize(
    "place",
    [
        untrusted,
        other_host,
        too_old,
        no_tls,
        no_common_tls,
        proxy_wants_a_password,
        proxy_wants_a_password_without_a_tunnel,
        proxy_forbids,
    ],
    ids=lambda place: place.__name__,
)


async def a_client(base_url: str, *, has_token: bool, **settings: Any) -> AsyncPropQ:
    store, now = MemoryTokenStore(), datetime.now(UTC)
    if has_token:
        token = Token("token-1", "Bearer", now + timedelta(hours=1), now)
        await store.save(TokenKey(f"{base_url}/oauth/token", 1), token)
    return AsyncPropQ(Credentials(1, "x"), base_url=base_url, token_store=store, **settings)


async def update(session: PropQSession, *, in_batch: bool) -> None:
    if in_batch:
        await drain(session.units.update_many([an_update()]), [])
    else:
        await session.units.update(an_update())


@places
@pytest.mark.parametrize("plain", [False, True], ids=["fast", "plain"])
async def test_a_call_that_no_retry_can_heal_ends_at_once(
    place: MakePlace, pems: Pems, *, plain: bool
) -> None:
    async with place(pems) as (url, settings, knocks, advice):
        traces = [aiohttp.TraceConfig()] if plain else []
        propq = await a_client(url, has_token=True, trace_configs=traces, **settings)
        async with propq.session() as session:
            with pytest.raises(APIConnectionError) as caught:
                await session.units.update(an_update())
        assert knocks() == 1
    assert advice in str(caught.value)
    assert caught.value.attempts == 1
    assert not caught.value.may_have_been_applied


@places
async def test_a_batch_that_no_retry_can_heal_ends_at_once(place: MakePlace, pems: Pems) -> None:
    async with place(pems) as (url, settings, knocks, advice):
        propq = await a_client(url, has_token=True, **settings)
        outcomes: list[UnitOutcome] = []
        async with propq.session() as session:
            batch = session.units.update_many(
                (an_update(f"{number}") for number in range(1_000)), concurrency=5
            )
            with pytest.raises(APIConnectionError) as caught:
                await drain(batch, outcomes)
        assert knocks() == len(outcomes) == 5
        assert batch.cut_off == {outcome.index for outcome in outcomes}
    assert advice in str(caught.value)


@places
@pytest.mark.parametrize("in_batch", [False, True])
async def test_a_token_request_that_no_retry_can_heal_is_made_once(
    place: MakePlace, pems: Pems, *, in_batch: bool
) -> None:
    async with place(pems) as (url, settings, knocks, advice):
        propq = await a_client(url, has_token=False, **settings)
        async with propq.session() as session:
            with pytest.raises(TokenUnavailableError) as caught:
                await update(session, in_batch=in_batch)
        assert knocks() == 1
    assert advice in str(caught.value)
    assert (caught.value.attempts, caught.value.worth_attempts) == (1, 1)


@pytest.mark.parametrize("has_token", [True, False])
@pytest.mark.parametrize("in_batch", [False, True])
async def test_a_name_that_does_not_resolve_is_tried_twice(
    *, has_token: bool, in_batch: bool
) -> None:
    time = FakeClock()
    url = "https://propq.invalid"
    propq = await a_client(url, has_token=False, clock=time.clock, jitter=lambda: 0.5)
    if has_token:
        now = datetime.fromtimestamp(time.wall_now, UTC)
        store: Any = MemoryTokenStore()
        await store.save(
            TokenKey(f"{url}/oauth/token", 1), Token("t", "Bearer", now + timedelta(hours=1), now)
        )
        propq = AsyncPropQ(
            Credentials(1, "x"),
            base_url=url,
            token_store=store,
            clock=time.clock,
            jitter=lambda: 0.5,
        )
    async with propq.session() as session:
        with pytest.raises((APIConnectionError, TokenUnavailableError)) as caught:
            await update(session, in_batch=in_batch)
    error: Any = caught.value
    assert "check the host name" in str(error)
    assert isinstance(error, APIConnectionError) is has_token
    assert time.sleeps == [0.125]
    if not in_batch or not has_token:
        assert error.attempts == 2


async def test_a_proxy_that_fails_for_now_is_tried_again() -> None:
    time = FakeClock()
    async with ScriptedServer(answer(503)) as proxy:
        propq = AsyncPropQ(
            Credentials(1, "x"),
            base_url="https://127.0.0.1:9",
            proxy=proxy.url,
            token_store=None,
            clock=time.clock,
        )
        async with propq.session() as session:
            with pytest.raises(TokenUnavailableError) as caught:
                await session.units.update(an_update())
        assert len(proxy.seen) == caught.value.attempts == 5


NO_NAME = Lost("there is no connection", sent=False, worth_attempts=2, advice="check the name")
BAD_CERTIFICATE = Lost("there is no connection", sent=False, worth_attempts=1, advice="check it")


def test_a_network_that_is_down_for_a_while_is_an_outage() -> None:
    """Names do not resolve then, although the server was reached before."""

    def reply(now: float, _: str) -> Reply | Lost:
        return NO_NAME if 10_005 < now < 10_065 else OK

    async def main(clock: Clock) -> list[UnitOutcome]:
        batch = units(clock, Simulated(clock, reply)).update_many(
            (an_update(f"{number}") for number in range(5_000)), concurrency=20
        )
        return [outcome async for outcome in batch]

    outcomes = run_virtual(main)
    assert len(outcomes) == 5_000
    assert all(outcome.ok for outcome in outcomes)


def test_one_bad_certificate_among_many_servers_costs_attempts() -> None:
    turns = itertools.count()

    async def main(clock: Clock) -> list[UnitOutcome]:
        server = Simulated(
            clock, lambda *_: BAD_CERTIFICATE if next(turns) % 7 == 3 else OK, jitter=0.9
        )
        batch = units(clock, server).update_many(
            (an_update(f"{number}") for number in range(300)), concurrency=20
        )
        return [outcome async for outcome in batch]

    outcomes = run_virtual(main)
    assert sum(outcome.ok for outcome in outcomes) >= 295
    assert max(outcome.attempts for outcome in outcomes) > 1
