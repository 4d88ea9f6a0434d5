"""The figures of the token manager as users are told them, and what holds at their edges."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import filelock
import pytest

from propq_async import (
    Clock,
    JsonFileTokenStore,
    MemoryTokenStore,
    Token,
    TokenKey,
    TokenManager,
    TokenUnavailableError,
)
from propq_async._http.plain import _headers
from propq_async._http.transport import Form
from propq_async._secret import SecretBytes
from propq_async._wire.messages import Reply
from propq_async._wire.token_file import dump_token
from tests.helpers.support import FakeClock, run_virtual, until
from tests.helpers.tokens import (
    CREDENTIALS,
    DOWN,
    KEY,
    ONCE,
    Endpoint,
    a_manager,
    issued,
    settle,
)

DAY = 24 * 3600.0
ALMOST_ONE = 0.999999


def jittered(endpoint: Endpoint, clock: FakeClock, random: float) -> TokenManager:
    return TokenManager(
        CREDENTIALS, retry=ONCE, clock=clock.clock, random=lambda: random, ask=endpoint.ask
    )


def stored(value: str, issued_at: float, lifetime_seconds: float = 3600) -> Token:
    begin = datetime.fromtimestamp(issued_at, UTC)
    return Token(value, "Bearer", begin + timedelta(seconds=lifetime_seconds), begin)


async def requests_after_a_call(manager: TokenManager, endpoint: Endpoint) -> int:
    await manager.get_token()
    await settle(manager)
    return endpoint.requests


@pytest.mark.parametrize(("random", "begins_before_end"), [(0.0, DAY / 2), (ALMOST_ONE, DAY)])
async def test_a_token_of_thirty_days_is_renewed_in_its_last_day(
    random: float, begins_before_end: float
) -> None:
    """At a random moment."""
    clock, endpoint = FakeClock(), Endpoint(issued(expires_in=int(30 * DAY)))
    manager = jittered(endpoint, clock, random)
    await manager.get_token()
    clock.advance(30 * DAY - begins_before_end - 60)
    assert await requests_after_a_call(manager, endpoint) == 1
    clock.advance(120)
    assert await requests_after_a_call(manager, endpoint) == 2


@pytest.mark.parametrize(("random", "pause"), [(0.0, 1.0), (ALMOST_ONE, 2.0)])
async def test_the_pause_after_a_failed_refresh_ahead_is_jittered(
    random: float, pause: float
) -> None:
    clock, endpoint = FakeClock(), Endpoint(issued(), DOWN)
    manager = jittered(endpoint, clock, random)
    await manager.get_token()
    clock.advance(3300)
    assert await requests_after_a_call(manager, endpoint) == 2
    clock.advance(pause - 0.1)
    assert await requests_after_a_call(manager, endpoint) == 2
    clock.advance(0.2)
    assert await requests_after_a_call(manager, endpoint) == 3


@pytest.mark.parametrize(("lifetime", "ahead"), [(30 * DAY, 30), (3600, 30), (100, 2)])
@pytest.mark.parametrize("counts", ["both clocks", "the wall clock", "the monotonic clock"])
async def test_a_token_is_not_given_out_so_shortly_before_its_end(
    lifetime: float, ahead: float, counts: str
) -> None:
    clock, endpoint = FakeClock(), Endpoint(issued(expires_in=int(lifetime)), DOWN)
    manager = jittered(endpoint, clock, 0.5)
    first = await manager.get_token()

    def pass_by(seconds: float) -> None:
        clock.wall_now += 0 if counts == "the monotonic clock" else seconds
        clock.monotonic_now += 0 if counts == "the wall clock" else seconds

    pass_by(lifetime - ahead - 1)
    assert await manager.get_token() == first
    await settle(manager)
    pass_by(1.5)
    with pytest.raises(TokenUnavailableError):
        await manager.get_token()


async def test_a_failure_is_the_answer_for_a_second() -> None:
    """Each caller gets an error of its own."""
    clock, endpoint = FakeClock(), Endpoint(DOWN)
    manager = a_manager(endpoint, clock)
    errors = []
    for requests, pause in ((1, 0.5), (1, 0.4), (1, 0.2), (2, 0.0)):
        with pytest.raises(TokenUnavailableError) as caught:
            await manager.get_token()
        errors.append(caught.value)
        assert endpoint.requests == requests
        clock.advance(pause)
    assert len({id(error) for error in errors}) == 4


async def test_refused_tokens_cost_three_requests_at_once() -> None:
    """And then one in thirty seconds."""
    clock, endpoint = FakeClock(), Endpoint()
    manager = a_manager(endpoint, clock)
    for requests, pause in ((1 + 3, 29.0), (1 + 3, 2.0), (1 + 3 + 1, 28.0), (1 + 3 + 1, 0.0)):
        for _ in range(10):
            manager.invalidate(await manager.get_token())
        await manager.get_token()
        assert endpoint.requests == requests
        clock.advance(pause)


@pytest.mark.parametrize(
    ("later", "is_taken"),
    [
        ([f"other-{number}" for number in range(15)], False),
        ([f"other-{number}" for number in range(16)], True),
        (["other"] * 16, False),
    ],
    ids=["15 others", "16 others", "one other, 16 times"],
)
async def test_the_last_sixteen_refused_are_not_adopted(
    later: list[str],
    is_taken: bool,  # noqa: FBT001
) -> None:
    clock, endpoint, store = FakeClock(), Endpoint(), MemoryTokenStore()
    manager = a_manager(endpoint, clock, store=store)
    refused = stored("refused", clock.wall_now)
    await store.save(KEY, refused)
    manager.invalidate(refused)
    for value in later:
        manager.invalidate(stored(value, clock.wall_now))
    assert ((await manager.get_token()).access_token == "refused") is is_taken
    assert endpoint.requests == (0 if is_taken else 1)


@pytest.mark.parametrize(
    ("wall", "monotonic", "issued_at"),
    [
        # The wall clock was set forward: by its age the stored token began before ours.
        (3000.0, 20.0, 10.0),
        # It was set back: the stored token seems to begin now, but was issued before ours.
        (-2000.0, 3000.0, -1000.0),
    ],
    ids=["by the monotonic clock", "by the wall clock"],
)
async def test_a_stored_token_older_on_either_clock_is_not_adopted(
    wall: float, monotonic: float, issued_at: float
) -> None:
    clock, endpoint, store = FakeClock(), Endpoint(), MemoryTokenStore()
    manager = a_manager(endpoint, clock, store=store)
    await manager.get_token()
    await store.save(KEY, stored("older", clock.wall_now + issued_at))
    clock.wall_now += wall
    clock.monotonic_now += monotonic
    assert await requests_after_a_call(manager, endpoint) == 2
    assert (await manager.get_token()).access_token == "token-2"


async def test_a_stored_token_lives_no_longer_than_one_issued() -> None:
    clock, endpoint, store = FakeClock(), Endpoint(), MemoryTokenStore()
    manager = a_manager(endpoint, clock, store=store)
    await store.save(KEY, stored("eternal", clock.wall_now, 3000 * DAY))
    assert (await manager.get_token()).access_token == "eternal"
    await store.clear(KEY)
    clock.monotonic_now += 2999 * DAY
    assert (await manager.get_token()).access_token == "token-1"


@pytest.mark.parametrize(
    ("during", "after", "lives"),
    [
        # Seconds on the wall clock and on the monotonic one.
        ((0.0, 100.0), (0.0, 3500.0), False),
        ((100.0, 100.0), (3500.0, 0.0), False),
        ((100.0, 100.0), (0.0, 3400.0), True),
    ],
    ids=["monotonic", "wall", "and not twice"],
)
async def test_a_life_counts_from_before_the_request_on_both_clocks(
    during: tuple[float, float],
    after: tuple[float, float],
    lives: bool,  # noqa: FBT001
) -> None:
    clock = FakeClock()

    def move(wall: float, monotonic: float) -> None:
        clock.wall_now += wall
        clock.monotonic_now += monotonic

    async def slow() -> Reply:
        move(*during)
        return issued("first")

    manager = a_manager(Endpoint(slow, issued("second")), clock)
    await manager.get_token()
    move(*after)
    assert (await manager.get_token()).access_token == ("first" if lives else "second")
    await settle(manager)


async def test_a_cancelled_flight_does_not_hide_the_next_one() -> None:
    answered = asyncio.Event()

    async def slow() -> Reply:
        await answered.wait()
        return issued()

    endpoint = Endpoint(slow)
    manager = a_manager(endpoint)
    first = asyncio.create_task(manager.get_token())
    await until(lambda: endpoint.requests == 1)
    old = manager._detach()
    assert old is not None
    second = asyncio.create_task(manager.get_token())
    await asyncio.wait((old, first))
    await until(lambda: endpoint.requests == 2)
    third = asyncio.create_task(manager.get_token())
    await asyncio.sleep(0)
    answered.set()
    assert await second is await third
    assert endpoint.requests == 2
    assert isinstance(first.exception(), TokenUnavailableError)


async def test_a_waiter_cancelled_as_the_flight_ends_is_cancelled() -> None:
    async def hang() -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    endpoint = Endpoint(hang)
    manager = a_manager(endpoint)
    waiter = asyncio.create_task(manager.get_token())
    await until(lambda: endpoint.requests)
    flight = manager._detach()
    assert flight is not None
    flight.add_done_callback(lambda _: waiter.cancel())
    await asyncio.wait((waiter,))
    assert waiter.cancelled()


def test_a_lock_that_never_comes_costs_a_call_35_seconds() -> None:
    class Locked(MemoryTokenStore):
        @asynccontextmanager
        async def lock(self, _: TokenKey) -> AsyncIterator[bool]:
            await asyncio.Event().wait()
            yield True

    async def main(clock: Clock) -> float:
        manager = TokenManager(CREDENTIALS, store=Locked(), clock=clock, ask=Endpoint().ask)
        begun = clock.monotonic()
        await manager.get_token()
        return clock.monotonic() - begun

    assert run_virtual(main) == pytest.approx(35, abs=0.1)


async def test_a_lock_is_released_though_its_holder_is_cancelled(
    token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cancellation comes while the lock is being released."""
    go_on, releasing = threading.Event(), threading.Event()

    class Slow(filelock.FileLock):
        def release(self, *args: Any, **settings: Any) -> None:
            releasing.set()
            go_on.wait()
            super().release(*args, **settings)

    monkeypatch.setattr(filelock, "FileLock", Slow)
    # Kept, since it holds the frame and with it the lock, which else ends with its last reference.
    kept: list[BaseException] = []

    async def hold() -> None:
        try:
            async with JsonFileTokenStore(token_file).lock(KEY) as locked:
                assert locked
        except asyncio.CancelledError as error:
            kept.append(error)
            raise

    holder = asyncio.create_task(hold())
    await asyncio.to_thread(releasing.wait)
    holder.cancel()
    await asyncio.wait((holder,))
    go_on.set()
    assert kept
    async with JsonFileTokenStore(token_file, lock_timeout_seconds=5).lock(KEY) as locked:
        assert locked


def test_nothing_that_carries_a_token_shows_it() -> None:
    now = datetime.now(UTC)
    token = Token("worth-hiding", "Bearer", now, now)
    for carrier in (
        _headers(token, b"{}"),
        [SecretBytes(b"worth-hiding")],
        Form(b"worth-hiding"),
        dump_token(KEY, token),
    ):
        assert "worth-hiding" not in repr(carrier)
