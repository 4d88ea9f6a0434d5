"""Two processes, one store, one endpoint, two clocks, and whatever may happen in any order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from propq_async import (
    Clock,
    Credentials,
    RetryPolicy,
    Token,
    TokenError,
    TokenKey,
    TokenManager,
)
from propq_async._auth.lifetime import HARD_FRACTION, HARD_SECONDS
from propq_async._auth.refusals import REFUSED_AT_ONCE
from propq_async._wire.messages import Lost, Reply

KEY = TokenKey("https://api.propq.com/oauth/token", 7)
LIFETIMES = [1, 10, 3600, 2_592_000]
EPSILON = 1e-3  # a double of seconds since the epoch has no more than microseconds


class SteppedClock:
    """Time that moves in steps; a sleeper wakes in the step that reaches its time."""

    def __init__(self) -> None:
        self.wall_now = 1_800_000_000.0
        self.monotonic_now = 1_000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    @property
    def clock(self) -> Clock:
        return Clock(
            wall=lambda: self.wall_now, monotonic=lambda: self.monotonic_now, sleep=self._sleep
        )

    async def _sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.monotonic_now + seconds, woken))
        await woken

    def advance(self, seconds: float) -> None:
        self.wall_now += seconds
        self.monotonic_now += seconds
        for until, woken in self._sleepers:
            if until <= self.monotonic_now and not woken.done():
                woken.set_result(None)


class SharedStore:
    """A store whose lock needs no time, so that the machine says when things happen."""

    def __init__(self) -> None:
        self.token: Token | None = None
        self._lock = asyncio.Lock()

    async def load(self, _: TokenKey) -> Token | None:
        return self.token

    async def save(self, _: TokenKey, token: Token) -> None:
        self.token = token

    async def clear(self, _: TokenKey) -> None:
        self.token = None

    @asynccontextmanager
    async def lock(self, _: TokenKey) -> AsyncIterator[bool]:
        async with self._lock:
            yield True


@attrs.define(eq=False)
class Issued:
    """A token as the endpoint knows it: when it was really asked for, and by whom."""

    value: str
    lifetime: float
    wall: float
    monotonic: float
    by: TokenManager

    def is_of(self, token: Token) -> bool:
        """Return whether this is how the token came into being."""
        return (
            token.access_token == self.value
            and abs(token.lifetime_seconds - self.lifetime) < EPSILON
            and abs(token.issued_at.timestamp() - self.wall) < EPSILON
        )

    @property
    def hard_seconds(self) -> float:
        return min(self.lifetime * HARD_FRACTION, HARD_SECONDS)


@attrs.define(eq=False)
class Process:
    """One process's view: its manager, and what a model of it must remember."""

    manager: TokenManager = attrs.field(init=False)
    # Those that must not be given out any more, and those that at least must make way for others.
    refused: set[str] = attrs.field(factory=set)
    unwanted: set[str] = attrs.field(factory=set)
    callers: list[asyncio.Task[Token]] = attrs.field(factory=list)
    given: list[Token] = attrs.field(factory=list)
    received: list[Issued] = attrs.field(factory=list)
    # What a refusal may cost, if every token that arrived had been asked for because of one.
    at_least_allowed: float = 3.0
    allowed_since: float = 0.0

    def may_surely_ask(self, now: float) -> bool:
        """Return whether a refused token has to make way: three at once, then one in 30 s."""
        gained = (now - self.allowed_since) / 30.0
        self.at_least_allowed = min(3.0, self.at_least_allowed + gained)
        self.allowed_since = now
        return self.at_least_allowed >= 1 + EPSILON


@attrs.define(eq=False)
class Request:
    """A token request under way."""

    by: Process
    wall: float
    monotonic: float
    answer: asyncio.Future[Reply | Lost]


class TokenMachine(RuleBasedStateMachine):
    """Drives it and checks what must hold whatever happens."""

    def __init__(self) -> None:
        super().__init__()
        self.time = SteppedClock()
        self.store = SharedStore()
        self.requests: list[Request] = []
        self.issued: list[Issued] = []
        self.processes = [Process(), Process()]
        self.wall_was_set = False

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        for process in self.processes:
            self._start(process)

    def _start(self, process: Process) -> None:
        async def ask(url: str, credentials: Credentials, timeout_seconds: float) -> Reply | Lost:
            assert (url, credentials.client_id, timeout_seconds) == (KEY.token_url, 7, 30.0)
            request = Request(
                process, self.time.wall_now, self.time.monotonic_now, self.loop.create_future()
            )
            self.requests.append(request)
            try:
                return await request.answer
            finally:
                self.requests.remove(request)

        process.manager = TokenManager(
            Credentials(7, "secret"),
            store=self.store,
            retry=RetryPolicy(attempts=3),
            clock=self.time.clock,
            ask=ask,
        )
        process.refused.clear()
        process.unwanted.clear()
        process.received.clear()
        process.at_least_allowed, process.allowed_since = 3.0, self.time.monotonic_now

    def _drain(self) -> None:
        """Run the loop until nothing is left that could go on by itself."""
        while True:
            self.loop.run_until_complete(asyncio.sleep(0))
            if not self.loop._ready:  # type: ignore[attr-defined]
                break
        for process in self.processes:
            for caller in [caller for caller in process.callers if caller.done()]:
                process.callers.remove(caller)
                self._check_outcome(process, caller)

    def _check_outcome(self, process: Process, caller: asyncio.Task[Token]) -> None:
        if caller.cancelled():
            return
        error = caller.exception()
        if error is not None:
            assert isinstance(error, TokenError), error
            return
        token = caller.result()
        process.given.append(token)
        # With a lifetime that the endpoint gave it, and none that is longer.
        issued = self._origin(token)
        # Not one that is known to be refused.
        assert token.access_token not in process.refused
        # Not one past its hard deadline, on either clock.
        assert self.time.wall_now < issued.wall + issued.lifetime - issued.hard_seconds + EPSILON
        if issued.by is process.manager:
            left = issued.monotonic + issued.lifetime - self.time.monotonic_now
            assert left > issued.hard_seconds - EPSILON

    def _origin(self, token: Token) -> Issued:
        return next(issued for issued in reversed(self.issued) if issued.is_of(token))

    which = st.sampled_from([0, 1])

    @rule(number=which, count=st.integers(1, 3))
    def call(self, number: int, count: int) -> None:
        process = self.processes[number]
        current = process.manager._state.current
        serves = current is not None and process.manager._state.serves(current)
        callers = [self.loop.create_task(process.manager.get_token()) for _ in range(count)]
        process.callers += callers
        self._drain()
        if serves:
            # While there is a token that serves, nobody waits.
            assert all(caller.done() for caller in callers)

    @rule(number=which)
    def force(self, number: int) -> None:
        process = self.processes[number]
        process.callers.append(self.loop.create_task(process.manager.refresh()))
        self._drain()

    @precondition(lambda self: any(process.callers for process in self.processes))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        callers = [caller for process in self.processes for caller in process.callers]
        flights = self._flights()
        data.draw(st.sampled_from(callers), label="caller").cancel()
        self._drain()
        assert flights == self._flights()

    def _flights(self) -> list[list[asyncio.Task[Any]]]:
        return [list(process.manager._flights.tasks.values()) for process in self.processes]

    @precondition(lambda self: self.requests)
    @rule(lifetime=st.sampled_from(LIFETIMES), again=st.booleans())
    def issue(self, lifetime: float, again: bool) -> None:  # noqa: FBT001
        """Answer with a token: a new one, or one that was issued before."""
        request = self.requests[0]
        value = f"token-{len(self.issued)}"
        if again and self.issued:
            value = self.issued[-1].value
        issued = Issued(value, lifetime, request.wall, request.monotonic, request.by.manager)
        self.issued.append(issued)
        request.by.received.append(issued)
        request.by.may_surely_ask(self.time.monotonic_now)
        request.by.at_least_allowed -= 1
        if self._lives(issued):
            # A server that issues it once more takes its refusal back.
            request.by.refused.discard(value)
            request.by.unwanted.discard(value)
        body = f'{{"access_token": "{value}", "expires_in": {lifetime}}}'
        request.answer.set_result(Reply(200, {}, body.encode()))
        self._drain()

    @precondition(lambda self: self.requests)
    @rule(
        outcome=st.sampled_from(
            [
                Lost("there is no connection", sent=False),
                Reply(500, {}, b"Error."),
                Reply(429, {"Retry-After": "7"}, b""),
                Reply(401, {}, b'{"error": "invalid_client"}'),
                Reply(200, {}, b'{"access_token": null, "expires_in": 3600}'),
                Reply(200, {}, b"<html>"),
            ]
        )
    )
    def fail(self, outcome: Reply | Lost) -> None:
        request, stored = self.requests[0], self.store.token
        before = {process: process.manager._state.current for process in self.processes}
        request.answer.set_result(outcome)
        self._drain()
        assert stored == self.store.token
        for process, earlier in before.items():
            after = process.manager._state.current
            if after != earlier:
                # Whoever waited for the lock has it now, and may find that the token in the store
                # is good again, since the wall clock was set back.
                assert process is not request.by
                assert after is not None
                assert after.token == stored

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 30.0, 400.0, 3000.0, 600_000.0]))
    def wait(self, seconds: float) -> None:
        self.time.advance(seconds)
        self._drain()

    @rule(seconds=st.sampled_from([-100_000.0, -30.0, 30.0, 100_000.0]))
    def set_the_wall_clock(self, seconds: float) -> None:
        # Forward, it is the same as a suspend in which the monotonic clock stands still.
        self.time.wall_now += seconds
        self.wall_was_set |= seconds < 0

    @precondition(lambda self: any(process.given for process in self.processes))
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        process = data.draw(
            st.sampled_from([process for process in self.processes if process.given])
        )
        token = data.draw(st.sampled_from(process.given[-3:]), label="token")
        before = process.manager._state.current
        process.manager.invalidate(token)
        process.unwanted.add(token.access_token)
        after = process.manager._state.current
        if before is not None and before.token.access_token != token.access_token:
            assert after is before
        dropped = after is None or after.token.access_token != token.access_token
        assert dropped or not process.may_surely_ask(self.time.monotonic_now)
        if dropped:
            process.refused.add(token.access_token)

    @rule(number=which, restart=st.booleans())
    def close(self, number: int, restart: bool) -> None:  # noqa: FBT001
        process = self.processes[number]
        self.loop.run_until_complete(process.manager.aclose())
        assert not process.manager._flights.tasks
        assert not any(request.by is process for request in self.requests)
        self._drain()
        if restart and not process.callers:
            self._start(process)

    @invariant()
    def at_most_one_request_is_in_flight(self) -> None:
        assert len(self.requests) <= 1

    @invariant()
    def whoever_waits_waits_for_a_flight(self) -> None:
        for process in self.processes:
            assert bool(process.manager._flights.tasks) or not process.callers

    @invariant()
    def no_younger_token_is_lost(self) -> None:
        for process in self.processes:
            current = process.manager._state.current
            if current is None or self.wall_was_set:
                continue
            youngest = max(
                (
                    issued.monotonic
                    for issued in process.received
                    if issued.value not in process.unwanted and self._lives(issued)
                ),
                default=0.0,
            )
            assert self._origin(current.token).monotonic >= youngest - EPSILON

    @invariant()
    def refusals_cost_no_more_than_they_may(self) -> None:
        for process in self.processes:
            assert process.manager._state.refusals.left <= REFUSED_AT_ONCE
            assert process.manager._state.refusals.left > -1

    def _lives(self, issued: Issued) -> bool:
        seconds = issued.lifetime - issued.hard_seconds
        return (
            self.time.wall_now < issued.wall + seconds
            and self.time.monotonic_now < issued.monotonic + seconds
        )

    def teardown(self) -> None:
        if not hasattr(self, "loop"):
            return
        for process in self.processes:
            self.loop.run_until_complete(process.manager.aclose())
        self._drain()
        left: set[Any] = asyncio.all_tasks(self.loop)
        self.loop.close()
        assert left == set()
        assert self.requests == []


def run(examples: int) -> None:
    run_state_machine_as_test(
        TokenMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_whatever_happens_in_whatever_order_the_invariants_hold() -> None:
    run(60)


# In parts, which may run side by side.
@pytest.mark.campaign
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(4))
def test_the_invariants_hold_in_a_long_run(part: int) -> None:  # noqa: ARG001
    run(200)
