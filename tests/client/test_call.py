from __future__ import annotations

import asyncio
import socket
from email.utils import formatdate
from typing import Any

import aiohttp
import pytest

from propq_async import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncPropQ,
    AuthenticationError,
    BadRequestError,
    Clock,
    Credentials,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RedirectError,
    RetryPolicy,
    ServerError,
    TokenRefusedError,
    TokenUnavailableError,
    UnexpectedResponseError,
    UnitOutcome,
    UnprocessableError,
    WrongMethodError,
)
from propq_async._http.transport import Attempt
from propq_async._wire.messages import Lost, Reply
from propq_async.testing import PropQEmulator
from tests.helpers.simulation import REFUSED, Simulated, units
from tests.helpers.support import (
    FakeClock,
    ScriptedServer,
    Step,
    an_update,
    answer,
    drain,
    failing,
    playing,
    run_virtual,
    token_answer,
    until,
)

PATH = "/v1/developments/4711/units/update-by-name"
ONCE = RetryPolicy(attempts=1)
OK = answer(200, {"done": True})

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


# --- what comes back ------------------------------------------------------------------------------


async def test_the_object_that_the_server_sent_comes_back() -> None:
    async with playing(answer(200, {"any": ["thing"]})) as play:
        assert await play.session.units.update(an_update()) == {"any": ["thing"]}
        (seen,) = play.calls
    assert (seen.method, seen.path) == ("POST", PATH)
    assert seen.json == {
        "UntName": "A-101",
        "UntStatus": 4,
        "UntPrice": 250_000,
        "UntDirections": ["N", "S"],
    }
    assert seen.headers["authorization"] == "Bearer token-1"


@pytest.mark.parametrize(
    ("status", "kind", "in_doubt"),
    [
        (302, RedirectError, False),
        (400, BadRequestError, False),
        (403, PermissionDeniedError, False),
        (404, NotFoundError, False),
        (405, WrongMethodError, False),
        (409, APIStatusError, False),
        (418, APIStatusError, False),
        (419, WrongMethodError, False),
        (422, UnprocessableError, False),
        (500, ServerError, True),
        (501, ServerError, True),
        (502, ServerError, True),
        (503, ServerError, False),
        (504, ServerError, True),
        (520, ServerError, True),
    ],
)
@pytest.mark.parametrize("body", [{"message": "It says so."}, "<html><title>It says so.</title>"])
async def test_every_status_is_its_error(
    status: int, kind: type[APIStatusError], body: Any, *, in_doubt: bool
) -> None:
    headers = {"X-Request-Id": "r-1", "Location": "/login"}
    async with playing(answer(status, body, headers=headers), retry=ONCE) as play:
        error = await failing(play.session)
        assert len(play.calls) == 1
        assert error.url == play.server.url + PATH
    assert type(error) is kind
    assert (error.status, error.message, error.request_id) == (status, "It says so.", "r-1")
    assert (error.method, error.attempts) == ("POST", 1)
    assert error.may_have_been_applied is in_doubt
    if isinstance(error, RedirectError):
        assert error.location == "/login"


@pytest.mark.parametrize("body", [b"[]", b'{"torn', b"OK", b'{"status": "error"}'])
async def test_a_200_that_is_no_success_is_not_repeated(body: bytes) -> None:
    async with playing(answer(200, body)) as play:
        error = await failing(play.session)
        assert len(play.calls) == 1
    assert type(error) is UnexpectedResponseError
    assert error.may_have_been_applied


# --- retries --------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [*(answer(code) for code in (500, 502, 503, 504)), None])
async def test_what_may_pass_is_tried_again_with_growing_delays(step: Step) -> None:
    policy = RetryPolicy(attempts=6, base_delay_seconds=1, max_delay_seconds=5)
    async with playing(step, retry=policy) as play:
        error = await failing(play.session)
        assert len(play.calls) == 6
    # Half of 1, 2, 4, 5 and 5 s, since the random source always says so.
    assert play.time.sleeps == [0.5, 1, 2, 2.5, 2.5]
    assert error.attempts == 6


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 419, 422, 501, 302])
async def test_what_will_not_pass_is_not_tried_again(status: int) -> None:
    async with playing(answer(status), OK) as play:
        await failing(play.session)
        assert (len(play.calls), play.time.sleeps) == (1, [])


async def test_the_next_attempt_may_succeed() -> None:
    async with playing(answer(500), None, answer(504, "<html>"), OK) as play:
        assert await play.session.units.update(an_update()) == {"done": True}
        assert len(play.calls) == 4


async def test_no_retry_begins_that_could_not_end_in_time() -> None:
    policy = RetryPolicy(attempts=9, base_delay_seconds=8, total_timeout_seconds=10)
    async with playing(answer(500), retry=policy) as play:
        error = await failing(play.session)
    # 4 s, and then 8 s would be too long.
    assert play.time.sleeps == [4]
    assert type(error) is ServerError


@pytest.mark.parametrize(
    ("first", "in_doubt"), [(answer(429, headers={"Retry-After": "60"}), False), (None, True)]
)
async def test_the_total_timeout_ends_a_wait_wherever_it_is(first: Step, *, in_doubt: bool) -> None:
    policy = RetryPolicy(total_timeout_seconds=0.2, base_delay_seconds=1000, max_delay_seconds=1000)
    by_path: dict[str, list[Step]] = {"/oauth/token": [token_answer()]}
    async with ScriptedServer(first, by_path=by_path) as server:
        propq = AsyncPropQ(Credentials(1, "x"), base_url=server.url, token_store=None, retry=policy)
        async with propq.session() as session:
            if in_doubt:
                # The back-off would not end in time, so it does not begin.
                assert type(await failing(session)) is APIConnectionError
                return
            error = await failing(session)
    assert type(error) is APITimeoutError
    assert "total_timeout_seconds" in str(error)
    assert "429" in str(error)
    assert not error.may_have_been_applied


async def test_the_total_timeout_counts_what_is_under_way_as_in_doubt() -> None:
    policy = RetryPolicy(total_timeout_seconds=0.2)
    async with playing(hold, retry=policy) as play:
        error = await failing(play.session)
    assert type(error) is APITimeoutError
    assert error.may_have_been_applied


async def test_one_attempt_in_doubt_leaves_the_call_in_doubt() -> None:
    async with playing(None, answer(503), answer(404)) as play:
        error = await failing(play.session)
    assert isinstance(error, NotFoundError)
    assert error.may_have_been_applied
    assert error.attempts == 3


@pytest.mark.parametrize("status", [429, 503])
async def test_what_the_server_asks_to_wait_costs_no_attempt(status: int) -> None:
    steps = [answer(status, headers={"Retry-After": str(wait)}) for wait in (7, 30, 11)]
    async with playing(*steps, OK, retry=ONCE) as play:
        assert await play.session.units.update(an_update()) == {"done": True}
    assert play.time.sleeps == [7, 30, 11]


async def test_a_wait_that_is_a_date_is_counted_from_the_servers_own() -> None:
    now = 1_900_000_000
    headers = {
        "Date": formatdate(now, usegmt=True),
        "Retry-After": formatdate(now + 9, usegmt=True),
    }
    async with playing(answer(503, headers=headers), OK) as play:
        await play.session.units.update(an_update())
    assert play.time.sleeps == [9]


@pytest.mark.parametrize(("status", "kind"), [(429, RateLimitError), (503, ServerError)])
async def test_a_wait_beyond_the_limit_ends_the_call_at_once(
    status: int, kind: type[APIStatusError]
) -> None:
    async with playing(answer(status, headers={"Retry-After": "200"}), OK) as play:
        error = await failing(play.session)
        assert type(error) is kind
        assert error.retry_after_seconds == 200
        play.time.advance(50)
        other = await failing(play.session)
        assert len(play.calls) == 1
    assert other.retry_after_seconds == 150
    assert (error.attempts, other.attempts) == (1, 0)
    assert not error.may_have_been_applied
    assert play.time.sleeps == []


async def test_the_call_that_was_told_to_wait_carries_what_it_was_told() -> None:
    by_path: dict[str, list[Step]] = {"/oauth/token": [token_answer()]}
    refusal = answer(429, headers={"Retry-After": "200"})
    async with ScriptedServer(refusal, by_path=by_path) as server:
        propq = AsyncPropQ(Credentials(1, "x"), base_url=server.url, token_store=None)
        async with propq.session() as session:
            # Although a moment has passed since, on the real clock.
            assert (await failing(session)).retry_after_seconds == 200
            assert (await failing(session)).retry_after_seconds < 200


async def test_a_429_without_a_wait_is_waited_out_longer_and_longer() -> None:
    async with playing(*[answer(429)] * 4, OK, retry=ONCE) as play:
        await play.session.units.update(an_update())
    assert play.time.sleeps == [1, 2, 4, 8]


# --- lost answers ------------------------------------------------------------------------------


async def hold(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize("after_applying", [True, False])
async def test_a_dropped_update_is_repeated_and_applied(
    emulator: PropQEmulator, *, after_applying: bool
) -> None:
    emulator.drop_next(after_applying=after_applying)
    async with a_client(emulator).session() as session:
        await session.units.update(an_update())
    assert emulator.applied == 1 + after_applying


@pytest.mark.parametrize(
    ("step", "requests"), [(None, 1), (answer(502), 1), (answer(504), 1), (answer(503), 2)]
)
async def test_an_unacknowledged_update_is_repeated_only_if_wanted(
    step: Step, requests: int
) -> None:
    policy = RetryPolicy(attempts=2, retry_unacknowledged=False)
    async with playing(step, retry=policy) as play:
        error = await failing(play.session)
        assert len(play.calls) == requests
    assert error.may_have_been_applied is (requests == 1)


def a_client(emulator: PropQEmulator, **settings: Any) -> AsyncPropQ:
    retry = RetryPolicy(base_delay_seconds=0.001)
    return AsyncPropQ(
        emulator.credentials,
        base_url=emulator.url,
        **({"token_store": None, "retry": retry} | settings),
    )


async def test_a_refused_connection_is_not_in_doubt(emulator: PropQEmulator) -> None:
    async with a_client(emulator, retry=ONCE).session() as session:
        await session.units.update(an_update())
        await emulator.close()
        error = await failing(session)
    assert type(error) is APIConnectionError
    assert not error.may_have_been_applied


async def test_a_connection_that_is_not_answered_is_not_in_doubt() -> None:
    time = FakeClock()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        # The kernel's queue is full: it no longer answers those who knock.
        knocking = [socket.socket() for _ in range(4)]
        for sock in knocking:
            sock.setblocking(False)  # noqa: FBT003 - the standard library's
            sock.connect_ex(("127.0.0.1", port))
        async with ScriptedServer(token_answer()) as server:
            propq = AsyncPropQ(
                Credentials(1, "x"),
                base_url=server.url,
                token_store=None,
                timeout_seconds=0.3,
                retry=ONCE,
                clock=time.clock,
            )
            await propq.tokens.get_token()
            propq._base_url = f"http://127.0.0.1:{port}"
            async with propq.session() as session:
                error = await failing(session)
        for sock in knocking:
            sock.close()
    assert type(error) is APITimeoutError
    assert "no connection within" in error.message
    assert not error.may_have_been_applied


# --- 401 ------------------------------------------------------------------------------------------


async def test_a_401_is_replayed_once_outside_the_attempts() -> None:
    tokens: list[Step] = [token_answer("token-1"), token_answer("token-2")]
    async with playing(answer(401), OK, tokens=tokens, retry=ONCE) as play:
        assert await play.session.units.update(an_update()) == {"done": True}
        sent = [seen.headers["authorization"] for seen in play.calls]
    assert sent == ["Bearer token-1", "Bearer token-2"]
    assert play.time.sleeps == []


async def test_a_second_401_is_the_end() -> None:
    tokens: list[Step] = [token_answer(f"token-{number}") for number in range(1, 9)]
    async with playing(answer(401, {"message": "No."}), tokens=tokens) as play:
        error = await failing(play.session)
        assert len(play.calls) == 2
    assert type(error) is AuthenticationError
    assert (error.message, error.attempts) == ("No.", 1)
    assert not error.may_have_been_applied


async def test_when_every_token_is_refused_token_requests_stay_few() -> None:
    tokens: list[Step] = [token_answer(f"token-{number}") for number in range(1, 99)]
    async with playing(answer(401), tokens=tokens) as play:
        for _ in range(20):
            assert type(await failing(play.session)) is AuthenticationError
        assert play.token_requests <= 5
        # One in 30 seconds, then.
        play.time.advance(31)
        await failing(play.session)
        assert play.token_requests <= 6


async def test_a_thousand_refused_at_once_make_one_token_request(emulator: PropQEmulator) -> None:
    async with a_client(emulator).session() as session:
        await session.units.update(an_update())
        emulator.revoke_tokens()
        emulator.latency_seconds = 0.05
        await asyncio.gather(*(session.units.update(an_update()) for _ in range(1_000)))
    assert emulator.token_requests == 2


async def test_without_a_token_no_call_is_made() -> None:
    async with playing(OK, tokens=[answer(401, {"error": "invalid_client"})]) as play:
        with pytest.raises(TokenRefusedError) as caught:
            await play.session.units.update(an_update())
        assert (play.calls, play.token_requests) == ([], 1)
    assert not caught.value.may_have_been_applied


async def test_a_failed_renewal_leaves_a_sent_update_in_doubt() -> None:
    tokens: list[Step] = [token_answer("token-1"), answer(401, {"error": "invalid_client"})]
    async with playing(None, answer(401), tokens=tokens) as play:
        with pytest.raises(TokenRefusedError) as caught:
            await play.session.units.update(an_update())
    assert caught.value.may_have_been_applied


# --- cancellation and leaving ---------------------------------------------------------------------


def tasks_but_this() -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


class Held:
    """Keeps requests until it is told to let go, and tells when the first has arrived."""

    def __init__(self, content: bytes = OK) -> None:
        self._content = content
        self.arrived = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.arrived.set()
        await self.go_on.wait()
        writer.write(self._content)
        await writer.drain()


@pytest.mark.parametrize("where", ["throttle", "token", "flight", "back-off"])
async def test_a_call_cancelled_anywhere_leaves_nothing_behind(where: str) -> None:
    held = Held(token_answer() if where == "token" else OK)
    calls: dict[str, list[Step]] = {
        "throttle": [answer(429, headers={"Retry-After": "60"}), OK],
        "token": [OK],
        "flight": [held, OK],
        "back-off": [answer(500), OK],
    }
    by_path: dict[str, list[Step]] = {
        "/oauth/token": [held if where == "token" else token_answer()]
    }
    policy = RetryPolicy(base_delay_seconds=1e6, max_delay_seconds=1e6)
    async with ScriptedServer(*calls[where], by_path=by_path) as server:
        propq = AsyncPropQ(Credentials(1, "x"), base_url=server.url, token_store=None, retry=policy)
        async with propq, propq.session() as session:
            before = tasks_but_this()
            call = asyncio.create_task(session.units.update(an_update()))
            if where in ("token", "flight"):
                await held.arrived.wait()
            else:
                await until(lambda: server.paths(PATH) and not propq._owner.throttle.in_flight)
            call.cancel()
            await asyncio.wait([call])
            assert call.cancelled()
            assert propq._owner.throttle.is_idle
            if where == "token":
                held.go_on.set()  # the flight is everybody's, and goes on
            if where == "throttle":
                propq._owner.throttle._closing = None
            assert await session.units.update(an_update()) == {"done": True}
        await asyncio.sleep(0)
        assert {task for task in tasks_but_this() - before if "_serve" not in repr(task)} == set()


async def test_leaving_ends_a_call_under_way_with_what_is_known_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    held = Held()
    async with playing(held) as play:
        call = asyncio.create_task(play.session.units.update(an_update()))
        await held.arrived.wait()
    with pytest.raises(APIConnectionError) as caught:
        await call
    assert caught.value.may_have_been_applied
    assert len(play.calls) == 1
    assert caplog.records == []  # it is not the server that failed


async def test_leaving_ends_a_call_that_waits_to_be_tried_again() -> None:
    policy = RetryPolicy(base_delay_seconds=0.02, max_delay_seconds=0.02)
    by_path: dict[str, list[Step]] = {"/oauth/token": [token_answer()]}
    async with ScriptedServer(answer(502), by_path=by_path) as server:
        propq = AsyncPropQ(
            Credentials(1, "x"),
            base_url=server.url,
            token_store=None,
            retry=policy,
            jitter=lambda: 1.0,
        )
        async with propq.session() as session:
            call = asyncio.create_task(session.units.update(an_update()))
            await until(lambda: server.paths(PATH) and not propq._owner.throttle.in_flight)
        with pytest.raises(ServerError) as caught:
            await call
        assert caught.value.may_have_been_applied
        assert len(server.paths(PATH)) == 1


async def test_leaving_ends_calls_that_wait_at_the_throttle() -> None:
    held = Held()
    async with playing(held, max_connections=1) as play:
        first = asyncio.create_task(play.session.units.update(an_update()))
        await held.arrived.wait()
        second = asyncio.create_task(play.session.units.update(an_update()))
        await asyncio.sleep(0)
    with pytest.raises(APIConnectionError):
        await first
    with pytest.raises(RuntimeError, match="left"):
        await second
    assert len(play.calls) == 1


async def test_leaving_ends_a_call_that_waits_for_its_token() -> None:
    held = Held(token_answer())
    async with playing(OK, tokens=[held]) as play:
        call = asyncio.create_task(play.session.units.update(an_update()))
        await held.arrived.wait()
    with pytest.raises(TokenUnavailableError):
        await call
    assert play.calls == []


async def test_a_call_past_the_throttle_ends_with_its_session() -> None:
    held = Held()
    async with playing(held, OK, max_connections=1) as play:
        first = asyncio.create_task(play.session.units.update(an_update()))
        await held.arrived.wait()
        second = asyncio.create_task(play.session.units.update(an_update()))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])  # the second has its pass and has not run yet, or runs already
    with pytest.raises((RuntimeError, APIConnectionError)):
        await second


async def test_a_connection_that_died_idle_costs_no_attempt() -> None:
    closing = asyncio.Event()

    async def answer_and_close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await closing.wait()
        raise ConnectionError

    async def let_it_die(session: Any, *_: object) -> None:
        if not play.calls:
            return  # the token's connection serves the first call
        closing.set()
        kept = session.connector._acquired
        await until(
            lambda: all(one.transport is None or one.transport.is_closing() for one in kept)
        )

    hooks = aiohttp.TraceConfig()
    hooks.on_connection_reuseconn.append(let_it_die)
    async with playing(answer_and_close, OK, retry=ONCE, trace_configs=[hooks]) as play:
        await play.session.units.update(an_update())
        assert await play.session.units.update(an_update()) == {"done": True}
        assert [seen.connection for seen in play.calls] == [1, 2]
    assert closing.is_set()
    assert play.time.sleeps == []


def test_only_a_connection_that_died_unseen_costs_nothing() -> None:
    class Dying(Simulated):
        async def send(self, *arguments: Any) -> Reply | Lost:
            attempt: Attempt = arguments[-1]
            self.arrived.append(self._clock.monotonic())
            # As a transport does: the first connection was dead, and there is no other.
            attempt.stale = attempt.stale or len(self.arrived) == 1
            return Lost("there is no connection", sent=False, stale=attempt.stale)

    async def main(clock: Clock) -> None:
        server = Dying(clock, lambda *_: REFUSED)
        with pytest.raises(APIConnectionError) as caught:
            await units(clock, server, retry=RetryPolicy(attempts=3)).update(an_update())
        assert caught.value.attempts == 3
        assert len(server.arrived) == 4

    run_virtual(main)


async def test_another_calls_error_puts_nothing_in_doubt() -> None:
    async with playing(answer(502), retry=RetryPolicy(attempts=3)) as play:
        batch = play.session.units.update_many([an_update()], max_outage_seconds=0)
        outcomes: list[UnitOutcome] = []
        with pytest.raises(ServerError) as caught:
            await drain(batch, outcomes)
    assert len(outcomes) == 1
    assert caught.value.retry_after_seconds is None


# --- what is no timeout of ours -------------------------------------------------------------------


class OddTimeoutError(TimeoutError):
    pass


@pytest.mark.parametrize("total", [None, 60.0])
@pytest.mark.parametrize("where", ["clock", "token request"])
async def test_a_foreign_timeout_error_is_not_the_total_timeout(
    total: float | None, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sleep(_: float) -> None:
        raise OddTimeoutError

    async def ask(*_: object) -> Reply:
        raise OddTimeoutError

    async with ScriptedServer(answer(500), by_path={"/oauth/token": [token_answer()]}) as server:
        propq = AsyncPropQ(
            Credentials(1, "the-secret"),
            base_url=server.url,
            token_store=None,
            clock=Clock(sleep=sleep) if where == "clock" else Clock(),
            retry=RetryPolicy(total_timeout_seconds=total),
        )
        if where == "token request":
            monkeypatch.setattr(propq.tokens._fetcher, "ask", ask)
        async with propq.session() as session:
            with pytest.raises(OddTimeoutError):
                await session.units.update(an_update())
