"""Stores of others that may hang, fail or hand out anything."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import (
    asynccontextmanager,
)
from datetime import UTC, datetime
from typing import Any

import pytest

from propq_async import (
    Clock,
    MemoryTokenStore,
    Token,
    TokenKey,
)
from propq_async._auth.guarded_store import HANGING_SECONDS, GuardedStore
from tests.helpers.processes import KEY, a_token
from tests.helpers.stores import warnings_of
from tests.helpers.support import FakeClock, run_virtual


class Custom:
    """A store whose four methods a test replaces one by one."""

    def __init__(self, **methods: Any) -> None:
        self.inner = MemoryTokenStore()
        for name in ("load", "save", "clear", "lock"):
            setattr(self, name, methods.get(name, getattr(self.inner, name)))


def safe(**methods: Any) -> GuardedStore:
    custom: Any = Custom(**methods)
    return GuardedStore(custom, KEY, 0.05, io_seconds=0.05)


async def _hang(*_: object) -> None:
    await asyncio.Event().wait()


async def _raise(*_: object) -> None:
    raise RuntimeError("the token is worth-hiding")


async def _cancel(*_: object) -> None:
    raise asyncio.CancelledError


def _raise_at_once(*_: object) -> None:
    raise RuntimeError("the token is worth-hiding")


def _no_coroutine(*_: object) -> str:
    return "rubbish"


@asynccontextmanager
async def _hang_inside(_: object) -> AsyncIterator[bool]:
    await asyncio.Event().wait()
    yield True


@asynccontextmanager
async def _hang_after(_: object) -> AsyncIterator[bool]:
    yield True
    await asyncio.Event().wait()


@asynccontextmanager
async def _raise_after(_: object) -> AsyncIterator[bool]:
    yield True
    raise RuntimeError("the token is worth-hiding")


@asynccontextmanager
async def _cancel_inside(_: object) -> AsyncIterator[bool]:
    raise asyncio.CancelledError
    yield True


BAD = [_hang, _raise, _cancel, _raise_at_once, _no_coroutine]


@pytest.mark.parametrize("bad", BAD)
async def test_a_store_that_fails_to_load_or_save_is_one_warning(
    bad: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    store = safe(load=bad, save=bad)
    for _ in range(2):
        assert await store.load() is None
        await store.save(a_token())
    (warning,) = warnings_of(caplog)
    assert "the token store failed to load" in warning
    assert "worth-hiding" not in caplog.text


@pytest.mark.parametrize(
    "bad",
    [_raise_at_once, _no_coroutine, _hang_inside, _cancel_inside, _hang_after, _raise_after],
)
async def test_a_lock_that_fails_is_one_warning(
    bad: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """What it guards runs all the same."""
    store = safe(lock=bad)
    for _ in range(2):
        async with asyncio.timeout(5), store.lock() as locked:
            assert locked == (bad in (_hang_after, _raise_after))
    assert len(warnings_of(caplog)) == 1
    with pytest.raises(ZeroDivisionError):
        async with store.lock():
            _ = 1 / 0


async def test_a_store_that_hangs_costs_its_time_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is left alone for a while after that."""
    time, asked = FakeClock(), []

    def hang(what: str) -> Callable[..., Any]:
        async def method(*_: object) -> None:
            asked.append(what)
            await asyncio.Event().wait()

        return method

    custom: Any = Custom(load=hang("load"), save=hang("save"), lock=hang("lock"))
    store = GuardedStore(custom, KEY, 10, io_seconds=0.05, monotonic=lambda: time.monotonic_now)
    for _ in range(3):
        assert await store.load() is None
        async with store.lock() as locked:
            assert not locked
            await store.save(a_token())
    assert asked == ["load"]
    time.advance(HANGING_SECONDS)
    await store.save(a_token())
    assert await store.load() is None
    assert asked == ["load", "save"]
    assert len(warnings_of(caplog)) == 1


def test_a_slow_store_has_one_time_for_all_that_a_refresh_asks_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Each operation would take two of its five seconds."""

    async def run(clock: Clock) -> None:
        inner = MemoryTokenStore()

        async def slow(*_: object) -> None:
            await clock.sleep(2)

        custom: Any = Custom(load=slow, save=slow, lock=inner.lock)
        store = GuardedStore(custom, KEY, 35, monotonic=clock.monotonic)
        for seconds in (5, 0):  # in the second refresh it is left alone
            began = clock.monotonic()
            store.begin()
            await store.load()
            async with store.lock():
                await store.load()
                await store.save(a_token())
            assert clock.monotonic() - began == seconds
        await clock.sleep(HANGING_SECONDS)
        began = clock.monotonic()
        store.begin()
        await store.load()
        await store.save(a_token())
        assert clock.monotonic() - began == 4

    run_virtual(run)
    (warning,) = warnings_of(caplog)
    assert "failed to save (TimeoutError)" in warning


class Counting(Custom):
    """A store that also counts, in a way that a test replaces."""

    def __init__(self, **methods: Any) -> None:
        super().__init__(**methods)
        self.replacements = methods["replacements"]
        self.replaced = methods["replaced"]


@pytest.mark.parametrize("bad", BAD)
async def test_a_count_that_fails_forbids_nothing(
    bad: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    custom: Any = Counting(replacements=bad, replaced=bad)
    store = GuardedStore(custom, KEY, 0.05, io_seconds=0.05)
    assert await store.may_replace(30)
    await store.replaced(30)
    assert len(warnings_of(caplog)) == 1


async def test_a_store_that_does_not_count_forbids_nothing() -> None:
    store = safe()
    await store.replaced(30)
    assert await store.may_replace(30)


NAIVE = datetime(2099, 1, 1)  # noqa: DTZ001
AWARE = NAIVE.replace(tzinfo=UTC)
RUBBISH: list[Any] = [
    "token",
    {},
    Token("", "Bearer", AWARE, AWARE.replace(year=2026)),
    Token("a b", "Bearer", AWARE, AWARE.replace(year=2026)),
    Token(None, "Bearer", AWARE, AWARE.replace(year=2026)),  # type: ignore[arg-type]
    Token("token", "Bearer", NAIVE, NAIVE.replace(year=2026)),
    Token("token", "Bearer", AWARE, AWARE),
    Token("token", "Bearer", 4e9, 3e9),  # type: ignore[arg-type]
    Token("token", None, AWARE, AWARE.replace(year=2026)),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("rubbish", RUBBISH)
async def test_rubbish_from_a_store_is_a_miss(
    rubbish: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def load(_: TokenKey) -> Any:
        return rubbish

    assert await safe(load=load).load() is None
    assert len(warnings_of(caplog)) == 1


async def test_a_good_token_from_a_store_passes_and_cancellation_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    token = a_token()
    store = safe()
    await store.save(token)
    assert await store.load() == token
    saved = []

    async def slow_save(_: TokenKey, token: Token) -> None:
        await asyncio.sleep(0.01)
        saved.append(token)

    begun = asyncio.create_task(safe(save=slow_save).save(token))
    waiting = asyncio.create_task(safe(lock=_hang_inside).lock().__aenter__())
    await asyncio.sleep(0)
    for task in (begun, waiting):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert saved == [token]
    assert warnings_of(caplog) == []
