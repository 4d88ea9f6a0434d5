"""When a call is tried again, how long it waits before, and what it then says was done."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propq_async import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AsyncPropQ,
    AuthenticationError,
    Credentials,
    MemoryTokenStore,
    NotFoundError,
    RateLimitError,
    RedirectError,
    RetryPolicy,
    ServerError,
    Token,
    TokenKey,
    UnexpectedResponseError,
)
from tests.helpers.simulation import REFUSED, Simulated, status, units
from tests.helpers.support import (
    FakeClock,
    ScriptedServer,
    Step,
    an_update,
    answer,
    failing,
    playing,
    token_answer,
)

OK = answer(200, {"done": True})
ONCE = RetryPolicy(attempts=1)


# --- delays ---------------------------------------------------------------------------------------


class Drawn:
    """A source of chance that plays a script, after what the token draws for its deadline."""

    def __init__(self, values: list[float]) -> None:
        self._values = [0.5, *values]

    def __call__(self) -> float:
        return self._values.pop(0)


async def test_each_delay_is_drawn_anew_below_a_ceiling_that_doubles() -> None:
    policy = RetryPolicy(attempts=6, base_delay_seconds=0.5, max_delay_seconds=3)
    drawn = Drawn([0.0, 0.25, 0.75, 0.5, 0.9])
    async with playing(answer(500), retry=policy, jitter=drawn) as play:
        error = await failing(play.session)
        assert len(play.calls) == 6
    # Ceilings of 0.5, 1, 2, 3 and 3 s; what is drawn as nothing is not waited for.
    assert play.time.sleeps == pytest.approx([0.25, 1.5, 1.5, 2.7])
    assert error.attempts == 6
    assert drawn._values == []


@settings(max_examples=40, deadline=None)
@given(
    attempts=st.integers(1, 6),
    base=st.floats(0, 10),
    most=st.floats(0, 10),
    draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=5, max_size=5),
    total=st.none() | st.floats(0.1, 30),
)
def test_attempts_delays_and_total_time_are_those_of_the_policy(
    attempts: int, base: float, most: float, draws: list[float], total: float | None
) -> None:
    policy = RetryPolicy(
        attempts=attempts,
        base_delay_seconds=base,
        max_delay_seconds=most,
        total_timeout_seconds=total,
    )
    time, expected = FakeClock(), []
    for retry, draw in enumerate(draws[: attempts - 1]):
        delay = draw * min(most, base * 2**retry)
        if total is not None and time.monotonic_now - 1_000 + delay > total:
            break
        expected.append(delay)
        time.advance(delay)

    async def main() -> None:
        clock, source = FakeClock(), iter(draws)
        server = Simulated(clock.clock, lambda *_: status(500), latency_seconds=0)
        one = units(clock.clock, server, retry=policy)
        one._state.entered().random = lambda: next(source)
        with pytest.raises(ServerError) as caught:
            await one.update(an_update())
        assert clock.sleeps == [delay for delay in expected if delay > 0]
        assert len(server.arrived) == caught.value.attempts == len(expected) + 1

    asyncio.run(main())


@pytest.mark.parametrize(("total", "sleeps"), [(12.0, [4, 8]), (11.99, [4])])
async def test_the_total_time_may_be_used_up_to_its_end(total: float, sleeps: list[float]) -> None:
    policy = RetryPolicy(attempts=9, base_delay_seconds=8, total_timeout_seconds=total)
    async with playing(answer(500), retry=policy) as play:
        assert type(await failing(play.session)) is ServerError
    assert play.time.sleeps == sleeps


# --- Retry-After ----------------------------------------------------------------------------------


def a_date(play_time: FakeClock, seconds: float) -> str:
    return formatdate(play_time.wall_now + seconds, usegmt=True)


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize(
    ("retry_after", "waited"),
    [
        ("1", 1),
        ("119.5", 119.5),
        ("120", 120),
        (a_date(FakeClock(), 100), 100),
        (a_date(FakeClock(), 120), 120),
    ],
)
async def test_a_retry_after_is_waited_out_beyond_max_delay(
    code: int, retry_after: str, waited: float
) -> None:
    policy = RetryPolicy(attempts=1, base_delay_seconds=0.001, max_delay_seconds=0.001)
    steps = [answer(code, headers={"Retry-After": retry_after}), OK]
    async with playing(*steps, retry=policy) as play:
        await play.session.units.update(an_update())
    # Not a moment less.
    assert play.time.sleeps == pytest.approx([waited])
    assert sum(play.time.sleeps) >= waited


@pytest.mark.parametrize(("code", "kind"), [(429, RateLimitError), (503, ServerError)])
@pytest.mark.parametrize("retry_after", ["120.5", "86400", a_date(FakeClock(), 121)])
async def test_a_retry_after_beyond_patience_ends_the_call(
    code: int, kind: type[APIStatusError], retry_after: str
) -> None:
    async with playing(answer(code, headers={"Retry-After": retry_after}), OK) as play:
        error = await failing(play.session)
        assert len(play.calls) == 1
    assert type(error) is kind
    assert error.retry_after_seconds in (120.5, 86400, 121)
    assert f"asks to wait {error.retry_after_seconds:g} s" in str(error)
    assert play.time.sleeps == []


async def test_no_other_call_is_made_before_retry_after() -> None:
    arrived: list[float] = []

    async def look(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append(play.time.monotonic_now)
        writer.write(OK)

    async with playing(answer(429, headers={"Retry-After": "7"}), look) as play:
        await asyncio.gather(*(play.session.units.update(an_update()) for _ in range(20)))
    assert len(arrived) == 20
    assert min(arrived) >= 1_007


# --- what may have been applied -------------------------------------------------------------------


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize(
    ("step", "kind", "in_doubt"),
    [
        (None, APIConnectionError, True),
        (silent, APITimeoutError, True),
        (answer(200, b""), UnexpectedResponseError, True),
        (answer(200, {"status": "error"}), UnexpectedResponseError, True),
        (answer(302), RedirectError, False),
        (answer(401), AuthenticationError, False),
        (answer(429, headers={"Retry-After": "999"}), RateLimitError, False),
        (answer(500), ServerError, True),
        (answer(502, "<html>"), ServerError, True),
        (answer(503), ServerError, False),
        (answer(503, headers={"Retry-After": "999"}), ServerError, False),
        (answer(504, "<html>"), ServerError, True),
    ],
)
async def test_each_end_says_whether_it_may_have_been_applied(
    step: Step, kind: type[APIError], *, in_doubt: bool
) -> None:
    tokens: list[Step] = [token_answer("token-1"), token_answer("token-2")]
    async with playing(step, tokens=tokens, retry=ONCE, timeout_seconds=0.2) as play:
        error = await failing(play.session)
    assert type(error) is kind
    assert error.may_have_been_applied is in_doubt
    assert ("may have been applied" in str(error)) is in_doubt
    assert error.attempts == 1


async def a_client_with_a_token(base_url: str, **settings: Any) -> AsyncPropQ:
    """Return a client that needs no token request: what fails is the call."""
    store, now = MemoryTokenStore(), datetime.now(UTC)
    token = Token("token-1", "Bearer", now + timedelta(hours=1), now)
    await store.save(TokenKey(f"{base_url}/oauth/token", 1), token)
    return AsyncPropQ(
        Credentials(1, "x"), base_url=base_url, token_store=store, retry=ONCE, **settings
    )


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))  # and nobody listens
        yield sock.getsockname()[1]


async def test_what_was_never_sent_is_not_in_doubt(closed_port: int) -> None:
    async def speak_no_tls(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    plain = await asyncio.start_server(speak_no_tls, "127.0.0.1", 0)
    port = plain.sockets[0].getsockname()[1]
    async with plain, ScriptedServer(answer(407, content_type="text/html")) as proxy:
        ends: list[tuple[str, dict[str, Any]]] = [
            (f"http://127.0.0.1:{closed_port}", {}),
            (f"https://127.0.0.1:{port}", {}),
            ("https://127.0.0.1:9", {"proxy": proxy.url}),
        ]
        for base_url, more in ends:
            propq = await a_client_with_a_token(base_url, **more)
            async with propq.session() as session:
                error = await failing(session)
            assert type(error) is APIConnectionError
            assert "there is no connection: " in error.message
            assert not error.may_have_been_applied
            assert "may have been applied" not in str(error)


async def test_a_doubt_is_not_forgotten_by_what_comes_after_it() -> None:
    kept: list[tuple[type[APIError], Step]] = [
        (RedirectError, answer(302)),
        (AuthenticationError, answer(401)),
        (RateLimitError, answer(429, headers={"Retry-After": "999"})),
    ]
    for kind, step in kept:
        async with playing(None, step) as play:
            error = await failing(play.session)
            assert len(play.calls) >= 2
        assert type(error) is kind
        assert error.may_have_been_applied


# --- kept connections -----------------------------------------------------------------------------


async def test_connections_closed_while_idle_are_replaced() -> None:
    closed = asyncio.Event()

    async def close_after(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await writer.drain()
        closed.set()
        raise ConnectionError

    async with playing(close_after, retry=ONCE) as play:
        for number in range(5):
            await play.session.units.update(an_update())
            await closed.wait()
            closed.clear()
            for _ in range(5):  # until the kernel's word has come to the client
                await asyncio.sleep(0)
            assert len(play.calls) == number + 1
    assert play.time.sleeps == []


async def test_a_connection_closed_under_a_request_costs_an_attempt() -> None:
    async with playing(OK, None, OK, retry=RetryPolicy(attempts=2)) as play:
        await play.session.units.update(an_update())
        assert await play.session.units.update(an_update()) == {"done": True}
        assert len(play.calls) == 3
        assert len(play.time.sleeps) == 1
    async with playing(OK, None, OK, retry=ONCE) as play:
        await play.session.units.update(an_update())
        error = await failing(play.session)
        assert len(play.calls) == 2
    assert type(error) is APIConnectionError
    assert error.may_have_been_applied


async def test_a_refused_connection_costs_an_attempt_without_doubt() -> None:
    time, tries = FakeClock(), iter([REFUSED] * 3)
    server = Simulated(time.clock, lambda *_: next(tries, status(404)), latency_seconds=0)
    with pytest.raises(NotFoundError) as caught:
        await units(time.clock, server, retry=RetryPolicy(attempts=4)).update(an_update())
    assert caught.value.attempts == 4
    assert not caught.value.may_have_been_applied
