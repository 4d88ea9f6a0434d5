"""A server that revokes tokens again and again, while calls are on their way to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
from yarl import URL

from propq_async import (
    AuthenticationError,
    Clock,
    Credentials,
    MemoryTokenStore,
    RetryPolicy,
    SupersededError,
    Token,
    TokenManager,
    TokenStore,
    UnitOutcome,
)
from propq_async._auth.refusals import PROVEN_INTERVAL_SECONDS, REFUSED_AT_ONCE
from propq_async._http.transport import Attempt
from propq_async._wire.messages import Lost, Reply
from tests.helpers.simulation import OK, Simulated, status, units
from tests.helpers.support import an_update, drain, run_virtual
from tests.helpers.tokens import CREDENTIALS, KEY, issued

LATENCY_SECONDS = 0.05
SERVICE_SECONDS = 0.02


class Revoking(Simulated):
    """Serves one call after the other, and revokes all tokens every so often.

    So a call of a hundred is queued for two seconds before the server looks at its token.

    `outlawed`: units whose calls are refused whatever token they have.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        revoked_every_seconds: float,
        outlawed: Sequence[str] = (),
    ) -> None:
        super().__init__(clock, lambda *_: OK)
        self._every = revoked_every_seconds
        self._free_at = 0.0
        self._outlawed = outlawed
        self.token_requests: list[float] = []
        self.is_disabled = False

    def _period(self) -> int:
        return int(self._clock.monotonic() / self._every)

    async def ask(self, url: str, credentials: Credentials, timeout_seconds: float) -> Reply:
        assert (url, credentials, timeout_seconds) == (KEY.token_url, CREDENTIALS, 30.0)
        self.token_requests.append(self._clock.monotonic())
        await asyncio.sleep(LATENCY_SECONDS)
        return issued(f"{self._period()}-{len(self.token_requests)}")

    async def send(
        self, _: str, __: URL, token: Token, body: bytes | None, ___: float, attempt: Attempt, /
    ) -> Reply | Lost:
        attempt.sent = True
        now = self._clock.monotonic()
        self._free_at = max(now, self._free_at) + SERVICE_SECONDS
        await asyncio.sleep(self._free_at - now)
        name = json.loads(body or b"{}").get("UntName", "")
        if name in self._outlawed:
            # Others get through with the token meanwhile.
            await asyncio.sleep(1)
        lives = token.access_token.startswith(f"{self._period()}-")
        is_taken = lives and name not in self._outlawed and not self.is_disabled
        return OK if is_taken else status(401)


@attrs.frozen
class Ran:
    """What became of a batch: its outcomes, what it raised, and what it cost."""

    outcomes: list[UnitOutcome]
    error: Exception | None
    token_requests: int
    seconds: float

    @property
    def most_token_requests(self) -> float:
        """Return how many token requests are allowed."""
        return 1 + REFUSED_AT_ONCE + self.seconds / PROVEN_INTERVAL_SECONDS


def run_batch(
    count: int,
    *,
    concurrency: int = 100,
    max_outage_seconds: float = 300.0,
    store: TokenStore | None = None,
    **server: Any,
) -> Ran:
    async def run(clock: Clock) -> Ran:
        revoking = Revoking(clock, **server)
        manager = TokenManager(CREDENTIALS, store=store, clock=clock, ask=revoking.ask)
        updates = (an_update(f"A-{number}") for number in range(count))
        batch = units(clock, revoking, tokens=manager).update_many(
            updates, concurrency=concurrency, max_outage_seconds=max_outage_seconds
        )
        outcomes: list[UnitOutcome] = []
        error, began = None, clock.monotonic()
        try:
            await drain(batch, outcomes)
        except AuthenticationError as caught:
            error = caught
        seconds = clock.monotonic() - began
        return Ran(outcomes, error, len(revoking.token_requests), seconds)

    return run_virtual(run)


@pytest.mark.parametrize("store", [None, MemoryTokenStore()])
def test_rows_outlive_one_revocation_after_the_other(store: TokenStore | None) -> None:
    ran = run_batch(800, store=store, revoked_every_seconds=2.5)
    assert ran.error is None
    assert [outcome.ok for outcome in ran.outcomes] == [True] * 800
    assert ran.token_requests <= ran.most_token_requests


@pytest.mark.parametrize("store", [None, MemoryTokenStore()])
def test_rows_wait_when_tokens_are_revoked_too_fast(store: TokenStore | None) -> None:
    """There are more revocations than token requests are allowed for."""
    ran = run_batch(200, concurrency=10, store=store, revoked_every_seconds=0.5)
    assert ran.error is None
    assert [outcome.ok for outcome in ran.outcomes] == [True] * 200
    assert ran.token_requests <= ran.most_token_requests
    assert ran.seconds > 10


def test_a_row_that_no_token_helps_ends_the_batch_at_last() -> None:
    ran = run_batch(800, concurrency=10, revoked_every_seconds=1e9, outlawed=["A-100"])
    assert isinstance(ran.error, AuthenticationError)
    assert [outcome.index for outcome in ran.outcomes if not outcome.ok] == [100]
    assert len(ran.outcomes) == 800
    assert ran.token_requests <= ran.most_token_requests


def test_a_row_that_no_token_helps_has_the_time_of_an_outage() -> None:
    ran = run_batch(
        800,
        concurrency=10,
        max_outage_seconds=5,
        revoked_every_seconds=1e9,
        outlawed=["A-10"],
    )
    assert isinstance(ran.error, AuthenticationError)
    assert [outcome.index for outcome in ran.outcomes if not outcome.ok] == [10]
    assert 5 <= ran.seconds <= 9


def test_a_single_call_that_no_token_helps_has_its_attempts() -> None:
    async def run(clock: Clock) -> tuple[AuthenticationError, int]:
        server = Revoking(clock, revoked_every_seconds=1e9, outlawed=["A-0"])
        manager = TokenManager(CREDENTIALS, clock=clock, ask=server.ask)
        made = units(clock, server, tokens=manager, retry=RetryPolicy(attempts=2))

        async def work() -> None:
            while True:
                await made.update(an_update("A-1"))

        working = asyncio.create_task(work())
        with pytest.raises(AuthenticationError) as caught:
            await made.update(an_update("A-0"))
        working.cancel()
        return caught.value, len(server.token_requests)

    error, token_requests = run_virtual(run)
    assert error.attempts == 2
    assert token_requests == 3


def test_a_disabled_client_is_noticed_at_the_second_refusal() -> None:
    """Its tokens worked until then, and those that are issued now do not."""

    async def run(clock: Clock) -> tuple[bool, int]:
        server = Revoking(clock, revoked_every_seconds=1e9)
        manager = TokenManager(CREDENTIALS, clock=clock, ask=server.ask)
        made = units(clock, server, tokens=manager)
        await made.update(an_update())
        server.is_disabled = True
        batch = made.update_many(an_update(f"A-{number}") for number in range(800))
        outcomes: list[UnitOutcome] = []
        with pytest.raises(AuthenticationError):
            await drain(batch, outcomes)
        return any(outcome.ok for outcome in outcomes), len(server.token_requests)

    assert run_virtual(run) == (False, 2)


def test_updates_of_one_unit_keep_their_order_while_tokens_are_revoked() -> None:
    """Who waits for another token lets the others of the unit go, and the last one wins."""

    async def run(clock: Clock) -> list[float]:
        server = Revoking(clock, revoked_every_seconds=0.5)
        manager = TokenManager(CREDENTIALS, clock=clock, ask=server.ask)
        made = units(clock, server, tokens=manager, retry=RetryPolicy(attempts=100))
        batch = made.update_many((an_update(f"B-{number}") for number in range(100)), concurrency=8)
        outcomes: list[UnitOutcome] = []
        pushing = asyncio.create_task(drain(batch, outcomes))
        prices = range(1, 40)
        results = await asyncio.gather(
            *(made.update(an_update("A-0", price)) for price in prices), return_exceptions=True
        )
        await pushing
        assert all(outcome.ok for outcome in outcomes)
        assert all(isinstance(result, dict | SupersededError) for result in results)
        return [price for price, one in zip(prices, results, strict=True) if isinstance(one, dict)]

    applied = run_virtual(run)
    assert applied[-1] == 39
