"""`max_calls_per_second`."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propq_async import Clock, Credentials, TokenManager
from propq_async._throttling.window import Window
from propq_async._wire.messages import Lost, Reply
from tests.helpers.simulation import OK, Simulated, status, units
from tests.helpers.support import an_update, run_virtual
from tests.helpers.throttling import START, play


@pytest.mark.parametrize(("cap", "rows"), [(0.5, 5), (1, 10), (1.9, 10), (7, 100), (50, 500)])
def test_max_calls_per_second_holds_in_any_sliding_second(cap: float, rows: int) -> None:
    server, _, elapsed = play(lambda *_: OK, rows=rows, max_calls_per_second=cap)
    window, most = (1.0, int(cap)) if cap >= 1 else (1 / cap, 1)
    times = server.arrived
    assert all(
        later - earlier >= window - 1e-9
        for earlier, later in zip(times, times[most:], strict=False)
    )
    assert elapsed <= rows / most * window + 1


@pytest.mark.parametrize("revoked", [False, True])
def test_max_calls_per_second_holds_after_waits_for_a_token(*, revoked: bool) -> None:
    cap = 10

    async def main(clock: Clock) -> list[float]:
        async def ask(url: str, credentials: Credentials, timeout_seconds: float) -> Reply | Lost:
            del url, credentials, timeout_seconds
            await asyncio.sleep(5.0)
            return Reply(200, {}, b'{"access_token": "%f", "expires_in": 9999}' % clock.wall())

        def answer(now: float, _: str) -> Reply | Lost:
            return status(401) if revoked and START + 6 < now < START + 7.5 else OK

        tokens = TokenManager(Credentials(1, "secret"), clock=clock, ask=ask)
        server = Simulated(clock, answer)
        resource = units(clock, server, tokens=tokens, max_calls_per_second=cap)
        batch = resource.update_many(an_update(f"{number}") for number in range(100))
        assert all([outcome.ok async for outcome in batch])
        return server.arrived

    times = run_virtual(main)
    assert all(
        later - earlier >= 1 - 1e-9 for earlier, later in zip(times, times[cap:], strict=False)
    )


@given(
    limit=st.integers(1, 5),
    seconds=st.integers(1, 10),
    arrivals=st.lists(st.integers(0, 5), min_size=1, max_size=40),
)
def test_no_span_of_a_window_has_more_calls_than_its_limit(
    limit: int, seconds: int, arrivals: list[int]
) -> None:
    window, now = Window(limit, seconds), 0.0
    sent_at: list[float] = []
    for pause in arrivals:
        now += pause
        now += window.delay(now)
        assert window.delay(now) == 0
        window.sent_at.append(now)
        sent_at.append(now)
    pairs = zip(sent_at, sent_at[limit:], strict=False)
    assert all(later - earlier >= seconds for earlier, later in pairs)
