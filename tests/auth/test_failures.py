"""What a failed token request means: another attempt, or an answer for a while."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propq_async import (
    ConfigurationError,
    MemoryTokenStore,
    PropQError,
    RetryPolicy,
    Token,
    TokenError,
    TokenRefusedError,
    TokenUnavailableError,
)
from propq_async._auth.failures import FAILURE_SECONDS, MAX_WAIT_SECONDS, Failure, retry_delay
from propq_async._wire.messages import Lost, Reply
from tests.helpers.support import (
    FakeClock,
    ScriptedServer,
    answer,
    token_answer,
)
from tests.helpers.tokens import (
    DOWN,
    KEY,
    ONCE,
    QUICK,
    Endpoint,
    a_manager,
    gather,
    issued,
    over_the_wire,
    replied,
)


@pytest.mark.parametrize(
    "trouble",
    [answer(500, "Error."), answer(502), answer(503), answer(408), answer(429), None],
    ids=["500", "502", "503", "408", "429", "dropped"],
)
async def test_one_failure_then_success_fails_no_waiter(
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


async def test_a_retry_after_beyond_the_cap_ends_the_flight() -> None:
    """The failure is remembered up to the cap."""
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


@pytest.mark.parametrize("asked", [3601, 31_536_000])
async def test_a_far_off_retry_after_ends_the_flight(asked: int) -> None:
    """Whatever the policy allows; after an hour the endpoint is asked again."""
    clock = FakeClock()
    endpoint = Endpoint(replied(429, Retry_After=str(asked)), issued())
    policy = RetryPolicy(max_retry_after_seconds=math.inf)
    manager = a_manager(endpoint, clock, retry=policy)
    for _ in range(2):
        with pytest.raises(TokenUnavailableError) as caught:
            await manager.get_token()
        assert caught.value.retry_after_seconds == asked
        clock.advance(MAX_WAIT_SECONDS - 1)
    assert (clock.sleeps, endpoint.requests) == ([], 1)
    clock.advance(MAX_WAIT_SECONDS)
    await manager.get_token()


async def test_a_flight_is_put_off_for_an_hour_at_most() -> None:
    clock, endpoint = FakeClock(), Endpoint(replied(429, Retry_After="1500"))
    policy = RetryPolicy(attempts=10, max_retry_after_seconds=math.inf)
    with pytest.raises(TokenUnavailableError) as caught:
        await a_manager(endpoint, clock, retry=policy).get_token()
    assert (clock.sleeps, endpoint.requests) == ([1500, 1500], 3)
    assert (caught.value.retry_after_seconds, caught.value.attempts) == (1500, 3)


@pytest.mark.parametrize(
    ("lost", "requests"),
    [
        (Lost("the headers are too large", sent=True, final=True), 1),
        (Lost("no such certificate", sent=False, worth_attempts=1), 1),
        (Lost("no such name", sent=False, worth_attempts=2), 2),
        (DOWN, 5),
    ],
    ids=["final", "worth one", "worth two", "worth all"],
)
async def test_a_loss_is_repeated_as_often_as_it_is_worth(lost: Lost, requests: int) -> None:
    endpoint = Endpoint(lost)
    manager = a_manager(endpoint, retry=RetryPolicy(attempts=5))
    with pytest.raises(TokenUnavailableError) as caught:
        await manager.get_token()
    assert endpoint.requests == caught.value.attempts == requests


async def test_a_setting_that_cannot_work_reaches_callers_as_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is an answer for a while like any other failure, and no bug that is logged as an error."""

    async def refuse() -> Reply:
        raise ConfigurationError("the environment variable HTTPS_PROXY cannot be used")

    clock, endpoint = FakeClock(), Endpoint(refuse)
    manager = a_manager(endpoint, clock, retry=RetryPolicy(attempts=5))
    errors = await gather(3, manager.get_token)
    assert [type(error) for error in errors] == [ConfigurationError] * 3
    assert {str(error) for error in errors} == {
        "the environment variable HTTPS_PROXY cannot be used"
    }
    assert len({id(error) for error in errors}) == 3
    assert endpoint.requests == 1
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert "broke off" not in caplog.text
    clock.advance(FAILURE_SECONDS)
    endpoint.script = [issued()]
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
async def test_an_answer_that_is_no_token_changes_nothing(
    odd: Any,
) -> None:
    """The next answer recovers."""
    clock = FakeClock()
    endpoint = Endpoint(Reply(200, {}, _body(odd)), issued("good"), Reply(200, {}, _body(odd)))
    store = MemoryTokenStore()
    manager = a_manager(endpoint, clock, store=store)
    with pytest.raises(TokenUnavailableError, match=r"no usable token|run out"):
        await manager.get_token()
    assert manager._state.current is None
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
def test_any_answer_is_a_token_or_a_token_error(said: Any) -> None:
    async def run() -> None:
        manager = a_manager(Endpoint(Reply(200, {}, answer(200, said).partition(b"\r\n\r\n")[2])))
        try:
            token = await manager.get_token()
        except TokenError:
            assert manager._state.current is None
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
async def test_a_lifetime_counts_from_before_the_request(expires_in: str, lifetime: float) -> None:
    clock = FakeClock()

    async def slow() -> Reply:
        clock.advance(10)
        return issued(expires_in=expires_in)

    token = await a_manager(Endpoint(slow), clock).get_token()
    assert token.issued_at.timestamp() == 1_800_000_000
    assert token.issued_at.tzinfo is not None
    assert token.expires_at - token.issued_at == timedelta(seconds=lifetime)
    assert token.token_type == "Bearer"


# --- the pure parts ------------------------------------------------------------------------------

POLICY = RetryPolicy(attempts=3, base_delay_seconds=8, max_retry_after_seconds=100)


def unavailable(
    status: int | None = None, asked: float | None = None, worth: int | None = None
) -> TokenUnavailableError:
    return TokenUnavailableError(
        "x", status=status, retry_after_seconds=asked, worth_attempts=worth
    )


@pytest.mark.parametrize(
    ("error", "attempts", "elapsed", "delay"),
    [
        (unavailable(), 1, 0, 4),
        (unavailable(), 2, 0, 8),
        (unavailable(), 3, 0, None),
        (unavailable(408), 1, 0, 4),
        (unavailable(429), 1, 0, 4),
        (unavailable(500), 1, 0, 4),
        (unavailable(200), 1, 0, 4),
        (unavailable(200, worth=2), 2, 0, None),
        (unavailable(302), 1, 0, None),
        (unavailable(asked=2), 1, 0, 4),
        (unavailable(asked=100), 1, 0, 100),
        (unavailable(asked=101), 1, 0, None),
        (unavailable(asked=100), 1, MAX_WAIT_SECONDS - 99, None),
        (unavailable(), 1, MAX_WAIT_SECONDS, 4),
        (unavailable(worth=1), 1, 0, None),
        (unavailable(worth=2), 1, 0, 4),
        (TokenRefusedError("x", status=401), 1, 0, None),
        (ConfigurationError("x"), 1, 0, None),
    ],
)
def test_the_delay_before_another_attempt(
    error: PropQError, attempts: int, elapsed: float, delay: float | None
) -> None:
    assert (
        retry_delay(error, POLICY, attempts=attempts, elapsed=elapsed, random=lambda: 0.5) == delay
    )


@pytest.mark.parametrize(("elapsed", "delay"), [(16, 4), (17, None)])
def test_no_attempt_begins_after_the_total_time(elapsed: float, delay: float | None) -> None:
    policy = RetryPolicy(base_delay_seconds=8, total_timeout_seconds=20)
    given = retry_delay(unavailable(), policy, attempts=1, elapsed=elapsed, random=lambda: 0.5)
    assert given == delay


def test_failures_in_a_row_put_off_the_refresh_ahead() -> None:
    failure, pauses = None, []
    for _ in range(9):
        failure = Failure.after(failure, unavailable(), POLICY, now=50.0, jitter=1.0)
        assert failure.until == 50.0 + FAILURE_SECONDS
        pauses.append(failure.until_ahead - 50.0)
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60, 60]


@pytest.mark.parametrize(("asked", "seconds"), [(0.5, 1), (7, 7), (100, 100), (101, 100)])
def test_a_failure_is_the_answer_as_long_as_the_endpoint_asks(asked: float, seconds: float) -> None:
    failure = Failure.after(None, unavailable(asked=asked), POLICY, now=50.0, jitter=0.0)
    assert failure.is_answer(49.9 + seconds)
    assert not failure.is_answer(50.0 + seconds)
    assert failure.is_answer(49.9 + seconds, ahead=True)
