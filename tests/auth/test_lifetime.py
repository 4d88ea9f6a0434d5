"""When a token is fresh, ageing or expired, on both clocks."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from propq_async import (
    MemoryTokenStore,
    Token,
)
from propq_async._auth.lifetime import HARD_SECONDS, SOFT_FRACTION, Moment, TimedToken
from propq_async._auth.stores import LOCK_MARGIN_SECONDS
from propq_async._wire.messages import Reply
from tests.helpers.support import (
    FakeClock,
)
from tests.helpers.tokens import (
    Endpoint,
    a_manager,
    issued,
    settle,
)


async def test_a_token_expires_when_the_wall_clock_jumps_ahead() -> None:
    """As it does when the machine was suspended."""
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
async def test_a_new_token_is_current_though_the_wall_clock_jumped(jump: float) -> None:
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
    """One that asked first is answered last: its loop was blocked, and another one went ahead."""
    clock, endpoint = FakeClock(), Endpoint()
    manager = a_manager(endpoint, clock)
    younger: list[Token] = []

    async def overtaken() -> Reply:
        clock.advance(2 * (30 + LOCK_MARGIN_SECONDS))
        endpoint.script = [issued("younger")]
        other = threading.Thread(target=lambda: younger.append(asyncio.run(manager.refresh())))
        other.start()
        other.join()
        return issued("older")

    endpoint.script = [overtaken]
    assert (await manager.get_token()).access_token == "older"
    assert await manager.get_token() is younger[0]


# --- the pure part -------------------------------------------------------------------------------

DAY = 24 * 3600.0
ISSUED_AT = 1_800_000_000.0


def timed(
    lifetime: float = 3600, *, jitter: float = 1.0, wall: float = 0, age: float = 0
) -> TimedToken:
    """Return a token that is ours since its `age`, by a wall clock that was set by `wall`."""
    begin = datetime.fromtimestamp(ISSUED_AT, UTC)
    token = Token("t", "Bearer", begin + timedelta(seconds=lifetime), begin)
    return TimedToken.of(token, Moment(ISSUED_AT + wall + age, 50.0), jitter=jitter)


def later(wall: float, monotonic: float) -> Moment:
    return Moment(ISSUED_AT + wall, 50.0 + monotonic)


@pytest.mark.parametrize(
    ("lifetime", "jitter", "soft", "hard"),
    [
        (3600, 1.0, 3600 * 0.8, 3570),
        (3600, 0.0, 3600 * 0.9, 3570),
        (100, 1.0, 80, 98),
        (30 * DAY, 1.0, 29 * DAY, 30 * DAY - 30),
        (30 * DAY, 0.0, 29.5 * DAY, 30 * DAY - 30),
    ],
)
def test_the_earlier_deadline_of_two_clocks_wins(
    lifetime: float, jitter: float, soft: float, hard: float
) -> None:
    token = timed(lifetime, jitter=jitter)
    assert token.is_fresh(later(soft - 1, soft - 1))
    assert not token.is_fresh(later(soft + 1, 0))
    assert not token.is_fresh(later(0, soft + 1))
    assert not token.is_expired(later(hard - 1, hard - 1))
    assert token.is_expired(later(hard + 1, 0))
    assert token.is_expired(later(0, hard + 1))


def test_a_stored_token_has_the_rest_of_its_life() -> None:
    token = timed(3600, age=600)
    assert token.since_monotonic == 50.0 - 600
    assert not token.is_expired(later(0, 2900))
    assert token.is_expired(later(0, 3000))


@pytest.mark.parametrize("wall", [-1_000_000, -1])
def test_a_clock_set_back_makes_no_life_longer(wall: float) -> None:
    token = timed(3600, wall=wall)
    assert token.since_monotonic == 50.0
    assert token.is_expired(later(wall, 3600))


def test_no_life_is_longer_than_an_endpoint_can_issue() -> None:
    assert timed(3000 * DAY).is_expired(later(0, 366 * DAY))


def test_a_token_is_younger_only_by_both_clocks() -> None:
    token = timed()
    issued_later = attrs.evolve(token.token, issued_at=token.token.issued_at + timedelta(seconds=1))
    assert not token.is_younger_than(token)
    assert attrs.evolve(token, token=issued_later).is_younger_than(token)
    assert not attrs.evolve(token, since_monotonic=51.0).is_younger_than(token)
    assert not attrs.evolve(token, token=issued_later, since_monotonic=49.0).is_younger_than(token)


def test_an_aged_token_is_served_and_not_fresh() -> None:
    token = timed().aged()
    assert not token.is_fresh(later(0, 0))
    assert not token.is_expired(later(0, 0))


@given(
    lifetime=st.floats(1, 1000 * DAY),
    jitter=st.floats(0, 1, exclude_max=True),
    wall=st.floats(-1e6, 1e6),
    times=st.tuples(st.floats(0, 1e8), st.floats(0, 1e8)),
)
def test_a_token_ages_before_it_expires(
    lifetime: float, jitter: float, wall: float, times: tuple[float, float]
) -> None:
    token = timed(lifetime, jitter=jitter, wall=wall)
    now = later(*times)
    assert not (token.is_fresh(now) and token.is_expired(now))
    # It never comes back.
    after = later(times[0] + 1, times[1] + 1)
    assert not (token.is_expired(now) and not token.is_expired(after))
