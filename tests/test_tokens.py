# ruff: noqa: ASYNC240 - a look at a file blocks for nothing that matters here
from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from blockbuster import blockbuster_ctx
from hypothesis import given
from hypothesis import strategies as st

from propq_async import (
    AsyncPropQ,
    AuthenticationError,
    ConfigurationError,
    Credentials,
    JsonFileTokenStore,
    MemoryTokenStore,
    RetryPolicy,
    Token,
    TokenError,
    TokenKey,
    TokenManager,
    TokenRefusedError,
    TokenStore,
    TokenUnavailableError,
)
from propq_async.testing import PropQEmulator
from propq_async.tokens import (
    FAILURE_SECONDS,
    HARD_SECONDS,
    REFUSED_INTERVAL_SECONDS,
    SOFT_FRACTION,
)
from propq_async.wire import Lost, Reply

from .support import FakeClock, ScriptedServer, answer, run_virtual, token_answer, until

SECRET = "the-s3cret/&=%"
CREDENTIALS = Credentials(7, SECRET)
KEY = TokenKey("https://api.propq.com/oauth/token", 7)
QUICK = RetryPolicy(base_delay_seconds=0.001, max_delay_seconds=0.001)
ONCE = RetryPolicy(attempts=1)
CALL: dict[str, Any] = {"UntName": "A-101", "UntStatus": 4, "UntPrice": 1, "UntDirections": ["N"]}
PATH = "/v1/developments/4711/units/update-by-name"

Answer = Reply | Lost | Callable[[], Awaitable[Reply | Lost]]


class Endpoint:
    """A token endpoint without a wire: each request gets the next answer, the last one repeats."""

    def __init__(self, *script: Answer) -> None:
        self.script = list(script)
        self.requests = 0
        self.in_flight = 0
        self.most_in_flight = 0

    async def ask(self, url: str, credentials: Credentials, timeout_seconds: float) -> Reply | Lost:
        assert (url, credentials) == (KEY.token_url, CREDENTIALS)
        assert timeout_seconds == 30.0
        self.requests += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0)
            if not self.script:
                return issued(f"token-{self.requests}")
            step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            return step if isinstance(step, Reply | Lost) else await step()
        finally:
            self.in_flight -= 1


def issued(value: str = "token-1", expires_in: Any = 3600) -> Reply:
    return replied(200, f'{{"access_token": "{value}", "expires_in": {expires_in}}}')


def replied(status: int, body: str = "", **headers: str) -> Reply:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, headers, body.encode())


DOWN = Lost("there is no connection", sent=False)


def a_manager(
    endpoint: Endpoint,
    clock: FakeClock | None = None,
    *,
    retry: RetryPolicy = ONCE,
    store: TokenStore | None = None,
) -> TokenManager:
    clock = clock or FakeClock()
    return TokenManager(
        CREDENTIALS,
        store=store,
        retry=retry,
        clock=clock.clock,
        random=lambda: 0.999999,
        ask=endpoint.ask,
    )


def over_the_wire(url: str, **settings: Any) -> TokenManager:
    return TokenManager(CREDENTIALS, token_url=url + "/oauth/token", **settings)


async def settle(manager: TokenManager) -> None:
    """Wait until no flight is under way."""
    await until(lambda: not manager._flights)


async def gather(count: int, get: Callable[[], Awaitable[Token]]) -> list[Token | BaseException]:
    return await asyncio.gather(*(get() for _ in range(count)), return_exceptions=True)


# --- one flight for all --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_a_thousand_cold_callers_make_one_request(kind: str, token_file: Path) -> None:
    store = JsonFileTokenStore(token_file) if kind == "file" else None
    async with ScriptedServer(token_answer()) as server:
        manager = over_the_wire(server.url, store=store)
        tokens = await gather(1000, manager.get_token)
        assert {token.access_token for token in tokens if isinstance(token, Token)} == {"token-1"}
        (request,) = server.seen
    assert (request.method, request.path) == ("POST", "/oauth/token")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["7"],
        "client_secret": [SECRET],
    }


@pytest.mark.parametrize("sessions", [1, 300])
async def test_sessions_of_a_factory_share_one_request_cold_and_after_a_revocation(
    emulator: PropQEmulator, sessions: int
) -> None:
    propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=None)

    async def job() -> None:
        async with propq.session() as session:
            for _ in range(300 // sessions):
                await session.request("POST", PATH, json=CALL)

    async with propq:
        await asyncio.gather(*(job() for _ in range(sessions)))
        assert emulator.token_requests == 1
        emulator.revoke_tokens()
        await asyncio.gather(*(job() for _ in range(sessions)))
        assert emulator.token_requests == 2


async def test_a_thousand_calls_after_a_revocation_make_one_request_and_none_fails(
    emulator: PropQEmulator,
) -> None:
    propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=None)
    async with propq.session() as session:
        await session.request("POST", PATH, json=CALL)
        emulator.revoke_tokens()
        await asyncio.gather(*(session.request("POST", PATH, json=CALL) for _ in range(1000)))
    assert emulator.token_requests == 2


async def test_calls_go_on_side_by_side_once_there_is_a_token(emulator: PropQEmulator) -> None:
    propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=None)
    async with propq.session() as session:
        emulator.latency_seconds = 0.2
        async with asyncio.timeout(4):  # one after another they would take 10 s
            await asyncio.gather(*(session.request("POST", PATH, json=CALL) for _ in range(50)))


async def test_cold_expired_refused_and_forced_share_one_flight() -> None:
    clock, endpoint = FakeClock(), Endpoint()
    manager = a_manager(endpoint, clock)
    await gather(4, manager.get_token)
    assert endpoint.requests == 1
    for cause in ("expired", "refused", "forced"):
        current = await manager.get_token()
        if cause == "expired":
            clock.advance(3600)
        elif cause == "refused":
            manager.invalidate(current)
        before = endpoint.requests
        tokens = await asyncio.gather(
            manager.refresh(), manager.get_token(), manager.refresh(), manager.get_token()
        )
        assert endpoint.requests == before + 1
        assert tokens[0] is tokens[2] is not current
        assert tokens[1] is tokens[3] is (current if cause == "forced" else tokens[0])
    assert endpoint.most_in_flight == 1


@pytest.mark.parametrize("who", ["first", "last", "all", "all but one"])
async def test_a_waiter_that_is_cancelled_cancels_nothing(who: str) -> None:
    answered = asyncio.Event()

    async def slow() -> Reply:
        await answered.wait()
        return issued()

    endpoint = Endpoint(slow)
    manager = a_manager(endpoint)
    waiters = [asyncio.create_task(manager.get_token()) for _ in range(100)]
    await until(lambda: endpoint.requests)
    doomed = {
        "first": waiters[:1],
        "last": waiters[-1:],
        "all": waiters,
        "all but one": waiters[1:],
    }[who]
    for waiter in doomed:
        waiter.cancel()
    await asyncio.wait(doomed)
    assert all(waiter.cancelled() for waiter in doomed)
    answered.set()
    results = await asyncio.gather(*waiters, return_exceptions=True)
    assert sum(isinstance(result, Token) for result in results) == 100 - len(doomed)
    await settle(manager)
    # The token that arrived is kept, also when nobody was left to wait for it.
    assert (await manager.get_token()).access_token == "token-1"
    assert endpoint.requests == 1


async def test_a_caller_in_a_hurry_goes_without_taking_the_flight_along() -> None:
    answered = asyncio.Event()

    async def slow() -> Reply:
        await answered.wait()
        return issued()

    endpoint = Endpoint(slow)
    manager = a_manager(endpoint)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await manager.get_token()
    answered.set()
    assert (await manager.get_token()).access_token == "token-1"
    assert endpoint.requests == 1


# --- retries -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [answer(500, "Error."), answer(502), answer(503), answer(408), answer(429), None],
    ids=["500", "502", "503", "408", "429", "dropped"],
)
async def test_one_failure_then_success_fails_none_of_a_hundred_waiters(
    trouble: bytes | None,
) -> None:
    async with ScriptedServer(trouble, token_answer()) as server:
        manager = over_the_wire(server.url, retry=QUICK)
        results = await gather(100, manager.get_token)
        assert all(isinstance(result, Token) for result in results)
        assert len(server.seen) == 2


async def test_a_request_that_times_out_is_retried() -> None:
    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    async with ScriptedServer(hang, token_answer()) as server:
        manager = over_the_wire(server.url, retry=QUICK, timeout_seconds=0.2)
        assert (await manager.get_token()).access_token == "token-1"
        assert len(server.seen) == 2


async def test_a_failing_endpoint_gets_one_retry_budget_for_all() -> None:
    async with ScriptedServer(answer(500, "Error.")) as server:
        manager = over_the_wire(server.url, retry=QUICK)
        results = await gather(100, manager.get_token)
        assert len(server.seen) == 5
    assert all(isinstance(result, TokenUnavailableError) for result in results)
    errors = [result for result in results if isinstance(result, TokenUnavailableError)]
    assert {(error.status, error.attempts) for error in errors} == {(500, 5)}
    # Each waiter raises one of its own, so that tracebacks do not pile up.
    assert len({id(error) for error in errors}) == 100


async def test_nobody_listening_is_an_error_that_says_so() -> None:
    async with ScriptedServer(None) as server:
        url = server.url
    with pytest.raises(TokenUnavailableError, match="check the network") as caught:
        await over_the_wire(url, retry=ONCE).get_token()
    assert (caught.value.status, caught.value.attempts) == (None, 1)


@pytest.mark.parametrize(
    ("retry_after", "headers"),
    [
        ("7", {}),
        (format_datetime(datetime.fromtimestamp(1_800_000_007, UTC), usegmt=True), {}),
        (
            "Tue, 24 Nov 2026 12:00:07 GMT",
            {"Date": "Tue, 24 Nov 2026 12:00:00 GMT"},
        ),
    ],
    ids=["seconds", "date", "date by the server's clock"],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_honoured_in_both_forms(
    retry_after: str, headers: dict[str, str], status: int
) -> None:
    clock = FakeClock()
    endpoint = Endpoint(replied(status, Retry_After=retry_after, **headers), issued())
    manager = a_manager(endpoint, clock, retry=RetryPolicy())
    await manager.get_token()
    assert clock.sleeps == [pytest.approx(7, abs=0.5)]
    assert endpoint.requests == 2


async def test_a_retry_after_beyond_the_cap_ends_the_flight_and_is_remembered_up_to_the_cap() -> (
    None
):
    clock = FakeClock()
    endpoint = Endpoint(replied(429, Retry_After="3600"), issued())
    manager = a_manager(endpoint, clock, retry=RetryPolicy(max_retry_after_seconds=100))
    for _ in range(3):
        with pytest.raises(TokenUnavailableError) as caught:
            await manager.get_token()
        assert caught.value.retry_after_seconds == 3600
        clock.advance(33)
    assert (clock.sleeps, endpoint.requests) == ([], 1)
    clock.advance(2)
    await manager.get_token()


async def test_the_total_time_bounds_the_waits_of_a_flight() -> None:
    clock, endpoint = FakeClock(), Endpoint(DOWN)
    policy = RetryPolicy(
        attempts=1000, base_delay_seconds=4, max_delay_seconds=4, total_timeout_seconds=10
    )
    with pytest.raises(TokenUnavailableError):
        await a_manager(endpoint, clock, retry=policy).get_token()
    assert endpoint.requests == 3
    assert sum(clock.sleeps) <= 10


@pytest.mark.parametrize(
    ("status", "body", "fields"),
    [
        (
            401,
            {"error": "invalid_client", "message": "Client authentication failed"},
            ("invalid_client", "Client authentication failed", None),
        ),
        (
            400,
            {
                "error": "invalid_request",
                "message": "Malformed.",
                "hint": "Check the `client_id` parameter",
            },
            ("invalid_request", "Malformed.", "Check the `client_id` parameter"),
        ),
        (403, "<title>Forbidden</title>", (None, "Forbidden", None)),
    ],
)
async def test_refused_credentials_are_one_request_for_all_waiters(
    status: int, body: Any, fields: tuple[str | None, ...]
) -> None:
    async with ScriptedServer(answer(status, body)) as server:
        manager = over_the_wire(server.url, retry=QUICK)
        results = await gather(50, manager.get_token)
        assert len(server.seen) == 1
    for error in results:
        assert isinstance(error, TokenRefusedError)
        assert (error.status, error.error, error.description, error.hint) == (status, *fields)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_of_the_token_endpoint_is_not_followed(status: int) -> None:
    async with ScriptedServer(token_answer("stolen")) as elsewhere:
        location = {"Location": elsewhere.url + "/oauth/token"}
        async with ScriptedServer(answer(status, headers=location)) as server:
            with pytest.raises(TokenUnavailableError, match="no redirect is followed"):
                await over_the_wire(server.url, retry=QUICK).get_token()
            assert len(server.seen) == 1
        assert elsewhere.connections == 0


async def test_a_failure_is_remembered_for_about_a_second() -> None:
    clock, endpoint = FakeClock(), Endpoint(DOWN)
    manager = a_manager(endpoint, clock)
    for _ in range(50):  # one after another, unlike waiters of one flight
        for get in (manager.get_token, manager.refresh):
            with pytest.raises(TokenUnavailableError):
                await get()
    assert endpoint.requests == 1
    clock.advance(FAILURE_SECONDS)
    endpoint.script = [issued()]
    assert (await manager.get_token()).access_token == "token-1"


ODD_LIFETIMES: list[Any] = [
    *(None, 0, -1, "0", "-5", "soon", "", "NaN", True, [], {}, 1e-9, "Infinity"),
]
ODD: list[Any] = [
    *(
        {"access_token": "t", "token_type": "Bearer", "expires_in": lifetime}
        for lifetime in ODD_LIFETIMES
    ),
    *(
        {"access_token": token, "token_type": "Bearer", "expires_in": 3600}
        for token in (None, "", " ", "a b", "a\nb", "\x00", "tökèn", 5, True, ["t"], {"a": 1})
    ),
    {"access_token": "t"},
    {"expires_in": 3600},
    {},
    [],
    [{"access_token": "t", "expires_in": 3600}],
    None,
    "t",
    5,
    b"",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"access_token": "t", "expires_in": NaN}',
    b'{"access_token": "t", "expires_in": Infinity}',
    b'{"access_token": "t", "expires_in": 1e999}',
    b'{"access_token": "t", "expires_in": 36',
    b'{"access_token": "t", "expires_in": ' + b"9" * 400 + b"}",
    b"<html><title>Welcome</title></html>",
]  # fmt: skip


def _body(odd: Any) -> bytes:
    return odd if isinstance(odd, bytes) else answer(200, odd).partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("odd", ODD, ids=str)
async def test_an_answer_that_is_no_token_changes_nothing_and_the_next_one_recovers(
    odd: Any,
) -> None:
    clock = FakeClock()
    endpoint = Endpoint(Reply(200, {}, _body(odd)), issued("good"), Reply(200, {}, _body(odd)))
    store = MemoryTokenStore()
    manager = a_manager(endpoint, clock, store=store)
    with pytest.raises(TokenUnavailableError, match=r"no usable token|run out"):
        await manager.get_token()
    assert manager._held is None
    assert await store.load(KEY) is None
    clock.advance(FAILURE_SECONDS)
    good = await manager.get_token()
    with pytest.raises(TokenUnavailableError):
        await manager.refresh()
    assert await manager.get_token() is good
    assert await store.load(KEY) == good


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["access_token", "expires_in", "token_type", "error"]), inner
            )
        ),
        max_leaves=8,
    )
)
def test_whatever_the_endpoint_says_it_is_a_token_or_a_token_error(said: Any) -> None:
    async def run() -> None:
        manager = a_manager(Endpoint(Reply(200, {}, answer(200, said).partition(b"\r\n\r\n")[2])))
        try:
            token = await manager.get_token()
        except TokenError:
            assert manager._held is None
        else:
            assert token.access_token == said["access_token"]
            assert token.expires_at > token.issued_at

    asyncio.run(run())


@pytest.mark.parametrize(
    ("expires_in", "lifetime"),
    [
        ("3600", 3600),
        ('"3600"', 3600),
        ('"3600.0"', 3600),
        ("1800.5", 1800.5),
        ("1e300", 366 * 86400),
        ('"99999999999999999999"', 366 * 86400),
    ],
)
async def test_the_lifetime_that_came_back_counts_from_before_the_request(
    expires_in: str, lifetime: float
) -> None:
    clock = FakeClock()

    async def slow() -> Reply:
        clock.advance(10)
        return issued(expires_in=expires_in)

    token = await a_manager(Endpoint(slow), clock).get_token()
    assert token.issued_at.timestamp() == 1_800_000_000
    assert token.issued_at.tzinfo is not None
    assert token.expires_at - token.issued_at == timedelta(seconds=lifetime)
    assert token.token_type == "Bearer"


# --- ahead of expiry -----------------------------------------------------------------------------


async def test_in_the_soft_window_a_refresh_runs_and_nobody_waits_for_it() -> None:
    clock, answered = FakeClock(), asyncio.Event()

    async def slow() -> Reply:
        await answered.wait()
        return issued("second")

    endpoint = Endpoint(issued("first"), slow)
    manager = a_manager(endpoint, clock)
    first = await manager.get_token()
    clock.advance(3600 * (1 - SOFT_FRACTION) - 1)
    assert await manager.get_token() is first
    assert not manager._flights
    clock.advance(2)
    for _ in range(100):
        # A coroutine that ends without having been suspended has not waited for anything.
        with pytest.raises(StopIteration) as done:
            manager.get_token().send(None)
        assert done.value.value is first
        await asyncio.sleep(0)
    assert endpoint.requests == 2
    answered.set()
    await settle(manager)
    assert (await manager.get_token()).access_token == "second"
    assert endpoint.requests == 2


@pytest.mark.parametrize("trouble", [DOWN, replied(500), replied(401), replied(429), issued("")])
async def test_while_the_endpoint_is_down_the_old_token_serves_until_its_hard_deadline(
    trouble: Reply | Lost,
) -> None:
    clock, endpoint = FakeClock(), Endpoint(issued("first"), trouble)
    manager = a_manager(endpoint, clock)
    first = await manager.get_token()
    clock.advance(3600 * (1 - SOFT_FRACTION) + 1)
    for _ in range(650):  # 1 s apart
        assert await manager.get_token() is first
        await settle(manager)
        clock.advance(1)
    # Ever more rarely, up to once a minute.
    assert 8 < endpoint.requests < 25
    clock.advance(60)
    with pytest.raises(TokenError):
        await manager.get_token()
    endpoint.script = [issued("second")]
    clock.advance(FAILURE_SECONDS)
    assert (await manager.get_token()).access_token == "second"


@pytest.mark.parametrize("lifetime", [1, 5, 60])
async def test_a_short_lifetime_makes_one_request_for_each_life_and_not_for_each_call(
    lifetime: int,
) -> None:
    clock, endpoint = FakeClock(), Endpoint(issued(expires_in=lifetime))
    manager = a_manager(endpoint, clock)
    for _ in range(1000):
        await manager.get_token()
        await settle(manager)
        clock.advance(lifetime / 100)
    assert 10 <= endpoint.requests <= 14


async def test_a_token_that_ran_out_before_it_arrived_is_asked_for_again() -> None:
    clock = FakeClock()

    async def suspended() -> Reply:
        clock.wall_now += 7200
        return issued("old")

    endpoint = Endpoint(suspended, issued("new"))
    manager = a_manager(endpoint, clock, retry=QUICK)
    assert (await manager.get_token()).access_token == "new"
    endpoint.script = [suspended]
    with pytest.raises(TokenUnavailableError, match="run out"):
        await manager.refresh()
    assert endpoint.requests == 2 + 5


async def test_a_token_that_runs_out_while_it_is_stored_is_asked_for_again() -> None:
    clock = FakeClock()

    class Slow(MemoryTokenStore):
        async def save(self, key: TokenKey, token: Token) -> None:
            await super().save(key, token)
            if token.access_token == "old":
                clock.advance(3600)

    endpoint = Endpoint(issued("old"), issued("new"))
    manager = a_manager(endpoint, clock, retry=QUICK, store=Slow())
    assert (await manager.get_token()).access_token == "new"


@pytest.mark.parametrize(("lifetime", "longest"), [(10, 0.5), (60, 0), (3600, 0)])
def test_nobody_waits_when_a_token_goes_stale_under_load(lifetime: int, longest: float) -> None:
    async def main(clock: Any) -> None:
        loop = asyncio.get_running_loop()

        async def slow() -> Reply:
            await asyncio.sleep(1)
            return issued(expires_in=lifetime)

        endpoint = Endpoint(slow)
        manager = TokenManager(CREDENTIALS, clock=clock, ask=endpoint.ask)
        await manager.get_token()
        waits = []
        for _ in range(4000):
            began = loop.time()
            await manager.get_token()
            waits.append(loop.time() - began)
            await asyncio.sleep(lifetime / 1000)
        assert max(waits) <= longest
        assert 4 <= endpoint.requests <= 6
        await manager.aclose()

    run_virtual(main)


# --- clocks --------------------------------------------------------------------------------------


async def test_a_token_expires_when_the_wall_clock_jumps_forward_or_time_was_spent_asleep() -> None:
    clock, endpoint = FakeClock(), Endpoint()
    manager = a_manager(endpoint, clock)
    first = await manager.get_token()
    clock.wall_now += 3600  # the monotonic clock stood still
    assert await manager.get_token() is not first


async def test_a_wall_clock_set_back_does_not_make_a_token_live_longer() -> None:
    clock, endpoint = FakeClock(), Endpoint()
    manager = a_manager(endpoint, clock)
    first = await manager.get_token()
    clock.wall_now -= 86400
    assert await manager.get_token() is first
    clock.advance(3599)
    assert await manager.get_token() is not first


@pytest.mark.parametrize("jump", [-1_000_000, 3000])
async def test_a_new_token_is_the_current_one_wherever_the_wall_clock_jumped(jump: float) -> None:
    clock, endpoint = FakeClock(), Endpoint()
    manager = a_manager(endpoint, clock)
    await manager.get_token()
    clock.wall_now += jump
    forced = await manager.refresh()
    assert await manager.get_token() is forced
    clock.advance(3600 * (1 - SOFT_FRACTION) + 1)
    for _ in range(20):
        await manager.get_token()
        await settle(manager)
    assert endpoint.requests == 3


@pytest.mark.parametrize("jump", [0, -1_000_000])
async def test_a_stored_token_lives_no_longer_than_it_was_issued_for(jump: float) -> None:
    clock, endpoint, store = FakeClock(), Endpoint(), MemoryTokenStore()
    first = await a_manager(endpoint, clock, store=store).get_token()
    clock.advance(600)
    clock.wall_now += jump
    manager = a_manager(endpoint, clock, store=store)
    assert await manager.get_token() == first
    clock.advance(3600 - HARD_SECONDS - 600 * (not jump))
    assert await manager.get_token() != first


async def test_the_younger_of_two_tokens_stays() -> None:
    # Of two loops: one that asked first is answered last.
    clock, endpoint, store = FakeClock(), Endpoint(), MemoryTokenStore()
    manager = a_manager(endpoint, clock, store=store)
    younger: list[Token] = []

    async def overtaken() -> Reply:
        clock.advance(1)
        endpoint.script = [issued("younger")]
        other = threading.Thread(target=lambda: younger.append(asyncio.run(manager.refresh())))
        other.start()
        # The lock of the store is ours: the other one has to ask without.
        await asyncio.get_running_loop().run_in_executor(None, other.join)
        return issued("older")

    manager._store = None
    endpoint.script = [overtaken]
    assert (await manager.get_token()).access_token == "older"
    assert await manager.get_token() is younger[0]


# --- refused tokens ------------------------------------------------------------------------------


async def test_only_a_token_that_can_be_used_takes_its_refusal_back() -> None:
    clock = FakeClock()

    async def too_late() -> Reply:
        clock.advance(2)
        return issued("token-1", 1)

    endpoint = Endpoint(issued("token-1", 100), too_late, DOWN)
    manager = a_manager(endpoint, clock, store=MemoryTokenStore())
    manager.invalidate(await manager.get_token())
    for problem in ("had run out", "no answer"):
        clock.advance(FAILURE_SECONDS)
        # It is still in the store, where its life is as long as before.
        with pytest.raises(TokenUnavailableError, match=problem):
            await manager.get_token()
    assert endpoint.requests == 3


async def test_a_late_refusal_of_an_old_token_does_not_cost_the_new_one() -> None:
    endpoint = Endpoint()
    manager = a_manager(endpoint)
    old = await manager.get_token()
    manager.invalidate(old)
    new = await manager.get_token()
    assert new != old
    for _ in range(100):
        manager.invalidate(old)
    assert await manager.get_token() is new
    assert endpoint.requests == 2


async def test_values_are_compared_and_not_objects() -> None:
    manager = a_manager(Endpoint())
    token = await manager.get_token()
    manager.invalidate(copy.copy(token))
    assert await manager.get_token() != token


async def test_before_a_new_token_is_asked_for_the_store_is_read_again() -> None:
    clock, store = FakeClock(), MemoryTokenStore()
    mine, theirs = Endpoint(issued("first")), Endpoint(issued("renewed"))
    manager, other = (a_manager(endpoint, clock, store=store) for endpoint in (mine, theirs))
    token = await manager.get_token()
    assert await other.get_token() == token
    clock.advance(1)
    for one in (manager, other):
        one.invalidate(token)
    assert (await other.get_token()).access_token == "renewed"
    assert (await manager.get_token()).access_token == "renewed"
    assert (mine.requests, theirs.requests) == (1, 1)


async def test_what_was_refused_is_not_taken_from_the_store_again() -> None:
    clock, store, endpoint = FakeClock(), MemoryTokenStore(), Endpoint()
    manager = a_manager(endpoint, clock, store=store)
    refused = []
    for _ in range(16):
        token = await manager.get_token()
        manager.invalidate(token)
        refused.append(token)
        clock.advance(2 * REFUSED_INTERVAL_SECONDS)
    for token in refused:
        await store.save(KEY, token)
        current = await manager.get_token()
        assert current not in refused
        await store.clear(KEY)
        manager._held = None
    # Only so many are remembered.
    for _ in range(17):
        manager.invalidate(attrs_token("other", _))
    await store.save(KEY, refused[-1])
    assert await manager.get_token() == refused[-1]


def attrs_token(value: str, number: int) -> Token:
    now = datetime.fromtimestamp(1_800_000_000, UTC)
    return Token(f"{value}-{number}", "Bearer", now + timedelta(hours=1), now)


@pytest.mark.parametrize("refused_while", ["under way", "landing"])
async def test_no_flight_under_way_brings_back_what_was_refused_meanwhile(
    refused_while: str,
) -> None:
    endpoint = Endpoint()
    manager = a_manager(endpoint, retry=QUICK)
    token = attrs_token("refused", 0)

    async def refused_meanwhile() -> Reply:
        if refused_while == "under way":
            manager.invalidate(token)
        else:
            # After the flight has ended, before its waiters have their turn.
            flight = asyncio.current_task()
            assert flight is not None
            flight.add_done_callback(lambda _: manager.invalidate(token))
        return issued("refused-0")

    endpoint.script = [refused_meanwhile, issued("other")]
    tokens = await asyncio.gather(manager.get_token(), manager.get_token())
    assert {token.access_token for token in tokens} == {"other"}
    assert (await manager.get_token()).access_token == "other"
    assert endpoint.requests == 2


async def test_when_every_token_is_refused_requests_are_bounded_and_recovery_is_noticed() -> None:
    clock, endpoint = FakeClock(), Endpoint()
    manager = a_manager(endpoint, clock)

    async def refused_call() -> None:
        manager.invalidate(await manager.get_token())

    for _ in range(100):
        await refused_call()
    assert endpoint.requests == 1 + 3
    for minute in range(1, 11):
        clock.advance(2 * REFUSED_INTERVAL_SECONDS)
        for _ in range(10):
            await refused_call()
        # Two of 30 s each have been saved up.
        assert endpoint.requests == 1 + 3 + 2 * minute
    clock.advance(REFUSED_INTERVAL_SECONDS)
    stays = await manager.get_token()
    manager.invalidate(stays)
    assert await manager.get_token() != stays


async def test_when_too_many_were_refused_a_token_that_another_process_left_is_still_taken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    clock, store, endpoint = FakeClock(), MemoryTokenStore(), Endpoint()
    manager = a_manager(endpoint, clock, store=store)
    refused = await manager.get_token()
    for _ in range(20):
        manager.invalidate(refused)
        refused = await manager.get_token()
    assert endpoint.requests == 1 + 3
    assert len(caplog.records) == 1 + 3
    # There is no other one yet: it stays, for all who ask at once, and for each who asks again.
    assert await gather(10, manager.get_token) == [refused] * 10
    assert endpoint.requests == 1 + 3
    clock.advance(1)
    renewed = await a_manager(Endpoint(issued("renewed")), clock, store=store).refresh()
    assert await manager.get_token() == renewed
    manager.invalidate(refused)
    assert await manager.get_token() == renewed
    assert endpoint.requests == 1 + 3
    manager.invalidate(renewed)
    clock.advance(REFUSED_INTERVAL_SECONDS)
    assert (await manager.get_token()).access_token == "token-5"


async def test_a_forced_refresh_asks_though_the_flight_under_way_keeps_what_was_refused() -> None:
    clock, store, endpoint = FakeClock(), MemoryTokenStore(), Endpoint()
    manager = a_manager(endpoint, clock, store=store)
    refused = await manager.get_token()
    for _ in range(5):
        manager.invalidate(refused)
        refused = await manager.get_token()
    assert endpoint.requests == 1 + 3
    kept = asyncio.create_task(manager.get_token())
    forced = asyncio.create_task(manager.refresh())
    assert await kept == refused
    assert (await forced).access_token == "token-5"


@pytest.mark.parametrize("values", ["always new", "always the same"])
async def test_a_server_that_refuses_every_token_is_asked_for_few(values: str) -> None:
    clock = FakeClock()
    count = iter(range(10**6))

    async def issue(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(count) if values == "always new" else 0
        writer.write(token_answer(f"token-{number}"))
        await writer.drain()

    script: dict[str, list[Any]] = {
        "/oauth/token": [issue],
        "/v1/x": [answer(401, {"message": "Unauthenticated."})],
    }
    async with ScriptedServer(by_path=script) as server:
        propq = AsyncPropQ(CREDENTIALS, base_url=server.url, token_store=None, clock=clock.clock)
        async with propq.session() as session:
            for _ in range(20):
                with pytest.raises(AuthenticationError):
                    await session.request("GET", "/v1/x")
            assert len(server.paths("/oauth/token")) == 1 + 3
            clock.advance(REFUSED_INTERVAL_SECONDS)
            for _ in range(20):
                with pytest.raises(AuthenticationError):
                    await session.request("GET", "/v1/x")
            assert len(server.paths("/oauth/token")) == 1 + 3 + 1
            script["/v1/x"][:] = [answer(200, {})]
            assert await session.request("GET", "/v1/x") == {}
            assert len(server.paths("/oauth/token")) == 1 + 3 + 1


async def test_failures_of_the_endpoint_do_not_use_up_what_a_refusal_may_cost() -> None:
    clock, endpoint = FakeClock(), Endpoint(issued("first"), DOWN)
    manager = a_manager(endpoint, clock, retry=RetryPolicy(base_delay_seconds=0))
    manager.invalidate(await manager.get_token())
    for _ in range(20):
        with pytest.raises(TokenUnavailableError):
            await manager.get_token()
        clock.advance(FAILURE_SECONDS)
    for value in ("second", "third"):
        endpoint.script = [issued(value)]
        token = await manager.get_token()
        assert token.access_token == value
        manager.invalidate(token)


# --- loops, threads, closing ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["memory", "shared memory", "file"])
def test_three_event_loops_one_after_another_with_contention(kind: str, token_file: Path) -> None:
    store: TokenStore | None = {
        "memory": None,
        "shared memory": MemoryTokenStore(),
        "file": JsonFileTokenStore(token_file),
    }[kind]
    propq: AsyncPropQ | None = None
    requests = []

    async def main(port: int) -> int:
        nonlocal propq
        async with PropQEmulator(port=port, credentials=CREDENTIALS) as emulator:
            emulator.add_unit("4711", "A-101")
            if propq is None:
                propq = AsyncPropQ(CREDENTIALS, base_url=emulator.url, token_store=store)
            async with propq, propq.session() as session:
                await asyncio.gather(*(session.request("POST", PATH, json=CALL) for _ in range(50)))
            requests.append(emulator.token_requests)
            return int(emulator.url.rpartition(":")[2])

    port = 0
    for _ in range(3):
        port = asyncio.run(main(port))
    # Each emulator begins with no token known, so the old one is refused.
    assert requests == [1, 1, 1]


def test_a_loop_that_is_left_with_a_flight_under_way_does_no_harm_to_the_next() -> None:
    hanging = True

    async def hang() -> Reply:
        if hanging:
            await asyncio.Event().wait()
        return issued()

    endpoint = Endpoint(hang)
    manager = a_manager(endpoint)

    async def leave() -> None:
        task = asyncio.create_task(manager.get_token())
        await until(lambda: endpoint.requests)
        assert not task.done()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave())
    tasks = asyncio.all_tasks(loop)
    loop.close()
    hanging = False
    assert asyncio.run(manager.get_token()).access_token == "token-1"
    assert not manager._flights
    for task in tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        task.get_coro().close()


def test_two_threads_with_a_loop_each_are_safe() -> None:
    async def server() -> None:
        async with ScriptedServer(token_answer()) as scripted:
            manager = over_the_wire(scripted.url)
            results: list[list[Token | BaseException]] = []
            barrier = threading.Barrier(2)

            def thread() -> None:
                async def main() -> None:
                    barrier.wait()
                    for _ in range(20):
                        results.append(await gather(50, manager.get_token))
                        held = manager._held
                        if held is not None and len(results) == 20:
                            manager.invalidate(held.token)

                asyncio.run(main())

            loop = asyncio.get_running_loop()
            await asyncio.gather(*(loop.run_in_executor(None, thread) for _ in range(2)))
            assert all(isinstance(token, Token) for tokens in results for token in tokens)
            assert len(results) == 40
            assert 1 <= len(scripted.seen) <= 4

    asyncio.run(server())


@pytest.mark.parametrize("kind", ["memory", "file"])
async def test_closing_with_a_flight_under_way_leaves_nothing_behind(
    kind: str, token_file: Path
) -> None:
    async def hang() -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    store: TokenStore = MemoryTokenStore() if kind == "memory" else JsonFileTokenStore(token_file)
    endpoint = Endpoint(hang)
    manager = a_manager(endpoint, store=store)
    waiters = [asyncio.create_task(manager.get_token()) for _ in range(3)]
    await until(lambda: endpoint.requests)
    before = asyncio.all_tasks()
    await manager.aclose()
    async with asyncio.timeout(5), store.lock(KEY) as locked:
        assert locked
    for error in await asyncio.gather(*waiters, return_exceptions=True):
        assert isinstance(error, TokenUnavailableError)
        assert "closed" in str(error)
    assert asyncio.all_tasks() <= before - set(waiters)
    assert not manager._flights
    await manager.aclose()
    endpoint.script = [issued()]
    assert (await manager.get_token()).access_token == "token-1"


async def test_closing_a_moment_after_the_answer_saves_the_token_first(token_file: Path) -> None:
    store = JsonFileTokenStore(token_file)
    saving, proceed = asyncio.Event(), asyncio.Event()

    class Slow(JsonFileTokenStore):
        async def save(self, key: TokenKey, token: Token) -> None:
            saving.set()
            await proceed.wait()
            await super().save(key, token)

    manager = a_manager(Endpoint(), store=Slow(token_file))
    waiter = asyncio.create_task(manager.get_token())
    await saving.wait()
    closing = asyncio.create_task(manager.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    proceed.set()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert await store.load(KEY) is not None or waiter.done()
    await asyncio.gather(waiter, return_exceptions=True)
    assert (await manager.get_token()).access_token == "token-1"


async def test_a_waiter_cancelled_while_the_manager_closes_is_cancelled() -> None:
    async def hang() -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    endpoint = Endpoint(hang)
    manager = a_manager(endpoint)
    waiter = asyncio.create_task(manager.get_token())
    await until(lambda: endpoint.requests)
    waiter.cancel()
    await manager.aclose()
    with pytest.raises(asyncio.CancelledError):
        await waiter


async def test_a_bug_in_what_was_passed_in_reaches_the_waiters_and_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken() -> Reply:
        raise ZeroDivisionError(SECRET)

    endpoint = Endpoint(broken)
    manager = a_manager(endpoint)
    with pytest.raises(ZeroDivisionError):
        await manager.get_token()
    assert "the token flight broke off: ZeroDivisionError" in caplog.text
    assert SECRET not in caplog.text
    endpoint.script = [issued()]
    await manager.get_token()


# --- the store and the lock ----------------------------------------------------------------------


async def test_the_token_is_kept_in_the_file_for_the_next_process(
    token_file: Path, emulator: PropQEmulator
) -> None:
    def manager() -> TokenManager:
        return TokenManager(
            emulator.credentials,
            token_url=emulator.url + "/oauth/token",
            store=JsonFileTokenStore(token_file),
        )

    first = await manager().get_token()
    assert await manager().get_token() == first
    forced = await manager().refresh()
    assert forced != first
    assert await manager().get_token() == forced
    assert emulator.token_requests == 2
    assert emulator.credentials.client_secret not in token_file.read_text()


@pytest.mark.parametrize("kind", ["file", "memory"])
async def test_the_lock_is_not_held_across_a_back_off(kind: str, token_file: Path) -> None:
    store: TokenStore = JsonFileTokenStore(token_file) if kind == "file" else MemoryTokenStore()
    locked_meanwhile = []

    class Clock(FakeClock):
        async def sleep(self, seconds: float) -> None:
            async with asyncio.timeout(5), store.lock(KEY) as locked:
                locked_meanwhile.append(locked)
            await super().sleep(seconds)

    endpoint = Endpoint(DOWN, DOWN, issued())
    await a_manager(endpoint, Clock(), retry=QUICK, store=store).get_token()
    assert locked_meanwhile == [True, True]


async def test_another_one_s_refresh_is_waited_for_and_taken_over() -> None:
    clock, store = FakeClock(), MemoryTokenStore()
    endpoint = Endpoint()
    managers = [a_manager(endpoint, clock, store=store) for _ in range(20)]
    tokens = await asyncio.gather(*(manager.get_token() for manager in managers))
    assert len({token.access_token for token in tokens}) == 1
    assert (endpoint.requests, endpoint.most_in_flight) == (1, 1)
    clock.advance(3600 * (1 - SOFT_FRACTION) + 1)
    for _ in range(3):
        for manager in managers:
            await manager.get_token()
            await settle(manager)
    assert endpoint.requests == 2


async def test_a_lock_held_for_ever_delays_a_call_and_does_not_stop_it(
    token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = JsonFileTokenStore(token_file, lock_timeout_seconds=0.1)
    async with JsonFileTokenStore(token_file).lock(KEY):
        token = await a_manager(Endpoint(), store=store).get_token()
    assert await store.load(KEY) == token
    assert sum(record.levelno == logging.WARNING for record in caplog.records) == 1


async def test_a_store_that_raises_everywhere_never_fails_a_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken:
        async def load(self, _: TokenKey) -> Token | None:
            raise RuntimeError(SECRET)

        async def save(self, _: TokenKey, __: Token) -> None:
            raise RuntimeError(SECRET)

        clear: Any = None

        @asynccontextmanager
        async def lock(self, _: TokenKey) -> AsyncIterator[bool]:
            raise RuntimeError(SECRET)
            yield True

    manager = a_manager(Endpoint(), store=Broken())
    for _ in range(3):
        await manager.refresh()
        await manager.get_token()
    assert sum(record.levelno == logging.WARNING for record in caplog.records) == 1
    assert SECRET not in caplog.text


async def test_the_event_loop_is_never_blocked(token_file: Path, emulator: PropQEmulator) -> None:
    with blockbuster_ctx():
        manager = TokenManager(
            emulator.credentials,
            token_url=emulator.url + "/oauth/token",
            store=JsonFileTokenStore(token_file),
        )
        await manager.get_token()
        await manager.refresh()
        await manager.aclose()


def test_it_is_made_without_a_loop_without_io_and_only_of_what_can_work(token_file: Path) -> None:
    TokenManager(CREDENTIALS, store=JsonFileTokenStore(token_file))
    assert not token_file.parent.exists()
    with pytest.raises(ConfigurationError, match="https"):
        TokenManager(CREDENTIALS, token_url="http://api.propq.com/oauth/token")
    with pytest.raises(ConfigurationError, match="timeout_seconds"):
        TokenManager(CREDENTIALS, timeout_seconds=0)


# --- what can be seen ----------------------------------------------------------------------------


async def test_the_log_tells_every_refresh_its_cause_and_its_duration(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    clock, store = FakeClock(), MemoryTokenStore()

    async def slow() -> Reply:
        clock.advance(2)
        return issued(f"token-{endpoint.requests}")

    endpoint = Endpoint(slow)
    manager, other = (a_manager(endpoint, clock, store=store) for _ in range(2))
    await manager.get_token()
    await other.get_token()
    await manager.refresh()
    manager.invalidate(await manager.get_token())
    await manager.get_token()
    clock.advance(3600 * (1 - SOFT_FRACTION))
    await manager.get_token()
    await settle(manager)
    clock.advance(3600)
    await manager.get_token()
    endpoint.script = [DOWN]
    for _ in range(2):
        with pytest.raises(TokenUnavailableError):
            await manager.refresh()
        clock.advance(FAILURE_SECONDS)
    events = [record for record in caplog.records if hasattr(record, "propq_event")]
    told: list[Any] = [
        (e.levelname, e.propq_event, e.propq_cause, e.propq_attempts, e.propq_duration_seconds)  # type: ignore[attr-defined]
        for e in events
    ]
    assert told == [
        ("INFO", "fetched", "cold", 1, 2),
        ("INFO", "adopted", "cold", 1, 0),
        ("INFO", "fetched", "forced", 1, 2),
        ("INFO", "fetched", "refused", 1, 2),
        ("INFO", "fetched", "ahead of expiry", 1, 2),
        ("INFO", "fetched", "expired", 1, 2),
        ("WARNING", "failed", "forced", 1, 0),
        ("DEBUG", "failed", "forced", 1, 0),
    ]


async def test_retries_are_one_warning_and_not_one_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint = Endpoint(*[DOWN] * 4, issued())
    await a_manager(endpoint, retry=RetryPolicy()).get_token()
    levels = [record.levelname for record in caplog.records if "next in" in record.getMessage()]
    assert levels == ["WARNING", "DEBUG", "DEBUG", "DEBUG"]


def shown(error: BaseException) -> str:
    """Return everything that a crash reporter could show of an error."""
    parts = [repr(error), str(error), repr(error.__dict__), repr(pickle.dumps(error))]
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [told]
    while frames:
        one = frames.pop()
        parts += [repr(frame.locals) for frame in one.stack if "propq_async" in frame.filename]
        parts.append(str(one))
        frames += [other for other in (one.__cause__, one.__context__) if other is not None]
    return "\n".join(parts)


async def _echo(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    form = f"client_id=7&client_secret={SECRET} the-s3cret%2F%26%3D%25"
    writer.write(answer(400, {"error": form, "message": form, "hint": form}))
    await writer.drain()


@pytest.mark.parametrize(
    "step",
    [
        _echo,
        answer(500, f"you sent client_secret={SECRET} and the-s3cret%2F%26%3D%25"),
        answer(302, headers={"Location": "/login?s=the-s3cret%2F%26%3D%25"}),
        answer(200, {"access_token": "t0ken value", "expires_in": 5, "echo": SECRET}),
        answer(200, f"<title>{SECRET}</title>"),
        None,
        b"no HTTP at all " + SECRET.encode() + b"\r\n\r\n",
    ],
    ids=["echo 400", "echo 500", "echo in a redirect", "unusable", "page", "dropped", "no HTTP"],
)
async def test_no_error_no_log_and_no_traceback_shows_the_secret(
    step: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with ScriptedServer(step) as server:
        manager = over_the_wire(server.url, retry=RetryPolicy(attempts=2, base_delay_seconds=0))
        with pytest.raises(TokenError) as caught:
            await manager.get_token()
    everything = [shown(caught.value), repr(manager), caplog.text]
    everything += [repr(record.__dict__) for record in caplog.records]
    assert caught.value.__cause__ is None
    for text in everything:
        assert "the-s3cret" not in text
        assert "t0ken" not in text


async def test_nothing_shows_the_token_or_the_secret_when_all_is_well(
    token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with ScriptedServer(token_answer("t0ken-value")) as server:
        manager = over_the_wire(server.url, store=JsonFileTokenStore(token_file))
        token = await manager.get_token()
        flight = manager._start("forced")
        await manager.refresh()
        propq = AsyncPropQ(CREDENTIALS, base_url=server.url, token_store=None)
    error = None
    try:
        manager.invalidate(token)
        await a_manager(Endpoint(DOWN)).get_token()
    except TokenError as caught:
        error = caught
    assert error is not None
    texts = [repr(item) for item in (manager, token, flight, propq, propq.tokens, manager._held)]
    for text in [*texts, str(token), shown(error), caplog.text]:
        assert "t0ken" not in text
        assert "the-s3cret" not in text
    assert "the-s3cret" not in token_file.read_text()


async def test_a_cancelled_flight_shows_no_secret_in_its_frames() -> None:
    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    async with ScriptedServer(hang) as server:
        manager = over_the_wire(server.url)
        waiter = asyncio.create_task(manager.get_token())
        await until(lambda: server.seen)
        (flight,) = manager._flights.values()
        await manager.aclose()
        with pytest.raises(TokenUnavailableError) as caught:
            await waiter
        assert "the-s3cret" not in shown(caught.value)
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await flight
        assert "the-s3cret" not in shown(cancelled.value)
