"""The secret of a token request, when it comes from a source: asked each time, and never shown."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import pickle
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx

from propq_async import (
    AsyncPropQ,
    Credentials,
    MemoryTokenStore,
    PropQError,
    RetryPolicy,
    TokenManager,
    TokenRefusedError,
    TokenUnavailableError,
)
from propq_async._auth.failures import FAILURE_SECONDS
from propq_async._auth.secret_reader import CLEANUP_SECONDS, SecretReader
from propq_async._wire.messages import Reply
from propq_async.testing import PropQEmulator
from tests.helpers.secrets import SecretOnDisk, all_reachable, rotate
from tests.helpers.support import FakeClock, an_update, until
from tests.helpers.tokens import CREDENTIALS, KEY, ONCE, SECRET, Endpoint, issued, replied, shown


def a_manager(
    source: Callable[[], Any], endpoint: Endpoint | None = None, **settings: Any
) -> TokenManager:
    defaults: dict[str, Any] = {"retry": ONCE, "clock": FakeClock().clock}
    return TokenManager(
        Credentials(CREDENTIALS.client_id, source),
        ask=(endpoint or Endpoint()).ask,
        **(defaults | settings),
    )


def a_secret() -> str:
    return SECRET


async def an_awaited_secret() -> str:
    await asyncio.sleep(0)
    return SECRET


class Vault:
    """A source that is an object with a coroutine method as its call."""

    async def __call__(self) -> str:
        return SECRET


def an_awaitable() -> Awaitable[str]:
    return an_awaited_secret()


@pytest.mark.parametrize(
    "source", [a_secret, an_awaited_secret, Vault(), an_awaitable], ids=lambda it: repr(it)[:20]
)
async def test_a_source_is_asked_for_each_token_request(source: Any) -> None:
    asked = 0

    def counting() -> Any:
        nonlocal asked
        asked += 1
        return source()

    endpoint, store = Endpoint(), MemoryTokenStore()
    manager = a_manager(counting, endpoint, store=store)
    for _ in range(3):
        await manager.get_token()
    assert asked == endpoint.requests == 1
    await manager.refresh()
    assert asked == endpoint.requests == 2
    # Another one's token needs no secret.
    await a_manager(counting, endpoint, store=store).get_token()
    assert asked == endpoint.requests == 2
    await a_manager(source, endpoint).get_token()
    assert endpoint.requests == 3


@pytest.mark.parametrize("source", [a_secret, an_awaited_secret])
async def test_nothing_keeps_the_secret_after_the_request(source: Any) -> None:
    manager = a_manager(source)
    await manager.get_token()
    await until(lambda: manager._fetcher.secrets._call is None)
    gc.collect()
    held = all_reachable(manager, skip=source)
    assert not [text for text in held if SECRET in text]
    # So it would find it.
    assert [text for text in all_reachable(TokenManager(CREDENTIALS), skip=None) if SECRET in text]


async def test_a_source_that_blocks_runs_in_a_thread_of_its_own() -> None:
    release, threads = threading.Event(), []

    def blocking() -> str:
        threads.append(threading.current_thread())
        release.wait()
        return SECRET

    with blockbuster_ctx():
        waiter = asyncio.create_task(a_manager(blocking).get_token())
        await until(lambda: threads)
        release.set()
        await waiter
    assert threads[0] is not threading.current_thread()
    assert threads[0].daemon


async def test_a_coroutine_function_runs_in_the_loop() -> None:
    threads = []

    async def source() -> str:
        threads.append(threading.current_thread())
        return SECRET

    await a_manager(source).get_token()
    assert threads == [threading.current_thread()]


class _OurOwnError(RuntimeError):
    pass


@pytest.mark.parametrize(
    "error",
    [
        _OurOwnError(SECRET),
        TimeoutError(SECRET),
        StopIteration(SECRET),
        SystemExit(SECRET),
        asyncio.CancelledError(SECRET),
        PropQError(SECRET),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("kind", ["function", "coroutine", "awaitable"])
async def test_what_a_source_raises_is_named_and_not_quoted(
    error: BaseException, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def raising_later() -> str:
        raise error

    def raising() -> Any:
        if kind == "awaitable":
            return raising_later()
        raise error

    if kind != "function" and isinstance(error, SystemExit):
        pytest.skip("it ends the event loop, as everywhere")
    endpoint = Endpoint()
    manager = a_manager(raising_later if kind == "coroutine" else raising, endpoint)
    with pytest.raises(TokenUnavailableError) as caught:
        await manager.get_token()
    name = type(error).__name__
    if isinstance(error, StopIteration) and kind != "function":
        name = "RuntimeError"  # as Python turns it into
    assert str(caught.value) == (
        f"no token was asked for: the source of the secret failed ({name})"
    )
    assert caught.value.attempts == 1
    assert endpoint.requests == 0
    for text in (shown(caught.value), caplog.text, repr([r.__dict__ for r in caplog.records])):
        assert "the-s3cret" not in text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "must be a string that is not blank"),
        (b"the-s3cret", "must be a string that is not blank"),
        (["the-s3cret"], "must be a string that is not blank"),
        ("", "must be a string that is not blank"),
        (" \n", "must be a string that is not blank"),
        ("the-s3cret\n", "has a line break in it or around it"),
        ("the-s3cret\udcff", "must be valid Unicode"),
        ('"the-s3cret"', "has quotes around it"),
    ],
)
async def test_an_odd_value_of_a_source_is_not_sent(value: Any, words: str) -> None:
    endpoint = Endpoint()
    manager = a_manager(lambda: value, endpoint)
    with pytest.raises(TokenUnavailableError, match=words) as caught:
        await manager.get_token()
    assert "what the source of the secret returned" in str(caught.value)
    assert endpoint.requests == 0
    assert "the-s3cret" not in shown(caught.value)


async def test_a_file_that_is_gone_is_named_when_it_is_needed(tmp_path: Path) -> None:
    disk, endpoint = SecretOnDisk(tmp_path, SECRET), Endpoint()
    manager = TokenManager(
        disk.credentials(7), retry=ONCE, ask=endpoint.ask, clock=FakeClock().clock
    )
    disk.path.unlink()
    with pytest.raises(TokenUnavailableError) as caught:
        await manager.get_token()
    assert str(caught.value) == (
        f"no token was asked for: the file in PROPQ_CLIENT_SECRET_FILE, {disk.path}, cannot be "
        "read: No such file or directory"
    )
    assert endpoint.requests == 0


async def test_a_source_that_fails_once_is_asked_again() -> None:
    answers: list[Any] = [OSError("the disk"), "", SECRET]

    def source() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    clock = FakeClock()
    manager = a_manager(source, retry=RetryPolicy(attempts=3), clock=clock.clock)
    assert (await manager.get_token()).access_token == "token-1"
    assert len(clock.sleeps) == 2


async def test_a_coroutine_that_hangs_is_cancelled_and_costs_one_attempt() -> None:
    ended = asyncio.Event()

    async def hanging() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # as a client of a vault that closes its connection
            ended.set()
        return SECRET

    manager = a_manager(hanging, timeout_seconds=0.01)
    with pytest.raises(TokenUnavailableError, match=r"took longer than 0\.01 s"):
        await manager.get_token()
    assert ended.is_set()


async def test_a_coroutine_that_resists_cancellation_stops_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("propq_async._auth.secret_reader.CLEANUP_SECONDS", CLEANUP_SECONDS / 100)
    release = asyncio.Event()

    async def resisting() -> str:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return SECRET

    manager = a_manager(resisting, timeout_seconds=0.01)
    with pytest.raises(TokenUnavailableError, match="took longer than"):
        await manager.get_token()
    release.set()


async def test_a_thread_that_hangs_is_waited_for_again_and_not_started_again() -> None:
    release = threading.Event()
    started: list[None] = []

    def slow() -> str:
        started.append(None)
        release.wait()
        return SECRET

    clock, endpoint = FakeClock(), Endpoint()
    manager = a_manager(slow, endpoint, timeout_seconds=0.01, clock=clock.clock)
    for _ in range(3):
        with pytest.raises(TokenUnavailableError, match="took longer than"):
            await manager.get_token()
        clock.advance(10 * FAILURE_SECONDS)
    assert len(started) == 1
    release.set()
    # What it returns at last is not kept for later.
    await until(lambda: manager._fetcher.secrets._call is None)
    assert endpoint.requests == 0


async def test_a_slow_source_serves_the_attempt_that_waits_for_it() -> None:
    release = threading.Event()
    started: list[None] = []

    def slow() -> str:
        started.append(None)
        release.wait()
        return SECRET

    reader = SecretReader(Credentials(CREDENTIALS.client_id, slow))
    assert isinstance(await reader.read(0.01), TokenUnavailableError)
    second = asyncio.create_task(reader.read(30))
    for _ in range(5):  # turns of the loop, until it waits for what the first one has begun
        await asyncio.sleep(0)
    release.set()
    assert await second == CREDENTIALS
    assert len(started) == 1


async def test_a_fork_does_not_wait_for_a_thread_that_it_does_not_have() -> None:
    reader = SecretReader(Credentials(CREDENTIALS.client_id, a_secret))
    reader._call = (os.getpid() + 1, Future())
    assert await reader.read(30) == CREDENTIALS


@pytest.mark.parametrize("kind", ["function", "coroutine"])
async def test_closing_during_the_source_leaves_no_task(kind: str) -> None:
    release = threading.Event()
    began: list[None] = []
    ended: list[None] = []

    def blocking() -> str:
        began.append(None)
        release.wait()
        return SECRET

    async def hanging() -> str:
        began.append(None)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(None)
        return SECRET

    manager = a_manager(blocking if kind == "function" else hanging)
    waiter = asyncio.create_task(manager.get_token())
    await until(lambda: began)
    await manager.aclose()
    with pytest.raises(TokenUnavailableError, match="was closed") as caught:
        await waiter
    assert "the-s3cret" not in shown(caught.value)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert len(ended) == (kind == "coroutine")
    release.set()


async def test_a_source_shares_the_time_of_its_request() -> None:
    clock, takes = FakeClock(), [0.0, 20.0, 29.9]
    given: list[float] = []

    async def slow() -> str:
        clock.advance(takes.pop(0))
        return SECRET

    async def ask(url: str, credentials: Credentials, timeout_seconds: float) -> Reply:
        assert (url, credentials) == (KEY.token_url, CREDENTIALS)
        given.append(timeout_seconds)
        return issued()

    manager = TokenManager(
        Credentials(CREDENTIALS.client_id, slow), retry=ONCE, clock=clock.clock, ask=ask
    )
    while takes:
        await manager.refresh()
    assert given == [30.0, 10.0, 1.0]


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        ("environment", "check PROPQ_CLIENT_ID and PROPQ_CLIENT_SECRET"),
        ("file", r"the secret in .*/secret \(PROPQ_CLIENT_SECRET_FILE\)"),
        ("function", "check the client id, and what the source of the secret returns"),
    ],
)
async def test_a_refusal_says_where_the_secret_came_from(
    source: str, origin: str, tmp_path: Path
) -> None:
    disk = SecretOnDisk(tmp_path, SECRET)
    credentials = {
        "environment": CREDENTIALS,
        "file": disk.credentials(CREDENTIALS.client_id),
        "function": Credentials(CREDENTIALS.client_id, a_secret),
    }[source]
    endpoint = Endpoint(replied(401, '{"error": "invalid_client"}'))
    manager = TokenManager(credentials, retry=ONCE, ask=endpoint.ask, clock=FakeClock().clock)
    with pytest.raises(TokenRefusedError, match=origin):
        await manager.get_token()


def test_credentials_with_a_source_are_values_without_the_secret(tmp_path: Path) -> None:
    """They can be compared, pickled and shown."""
    for credentials in (
        Credentials(7, a_secret),
        SecretOnDisk(tmp_path, SECRET).credentials(7),
    ):
        pickled = pickle.dumps(credentials)
        assert pickle.loads(pickled) == credentials
        assert len({credentials, pickle.loads(pickled)}) == 1
        assert b"s3cret" not in pickled
        assert "s3cret" not in repr(credentials)


# --- rotation ------------------------------------------------------------------------------------


async def _calling(
    propq: AsyncPropQ, calls: int, at: int, change: Callable[[], None]
) -> list[BaseException]:
    """Make so many calls, 50 at a time, and `change` something at one of them."""
    errors: list[BaseException] = []
    number = 0

    async def worker() -> None:
        nonlocal number
        while number < calls:
            number += 1
            if number == at:
                change()
            try:
                await session.units.update(an_update())
            except PropQError as error:
                errors.append(error)

    async with propq.session() as session:
        await asyncio.gather(*(worker() for _ in range(50)))
    return errors


@pytest.mark.parametrize(
    "calls", [pytest.param(500), pytest.param(20_000, marks=pytest.mark.campaign)]
)
async def test_a_secret_rotated_on_server_and_disk_fails_no_call(
    calls: int, tmp_path: Path, emulator: PropQEmulator
) -> None:
    """The load is as much as the machine bears: it makes the calls without a pause."""
    client_id = emulator.credentials.client_id
    disk = SecretOnDisk(tmp_path, emulator.credentials.client_secret)
    propq = AsyncPropQ(disk.credentials(client_id), base_url=emulator.url, token_store=None)

    def change() -> None:
        disk.replace("the-new-one")
        rotate(emulator, "the-new-one")

    assert await _calling(propq, calls, calls // 2, change) == []
    assert emulator.token_requests == 2
    assert emulator.applied == calls


async def test_calls_fail_until_the_disk_has_the_new_secret_and_then_heal(
    tmp_path: Path, emulator: PropQEmulator
) -> None:
    clock = FakeClock()
    disk = SecretOnDisk(tmp_path, emulator.credentials.client_secret)
    propq = AsyncPropQ(
        disk.credentials(emulator.credentials.client_id),
        base_url=emulator.url,
        token_store=None,
        clock=clock.clock,
    )
    async with propq:
        assert await _calling(propq, 50, 1, lambda: None) == []
        rotate(emulator, "the-new-one")
        for _ in range(10):
            errors = await _calling(propq, 100, 1, lambda: None)
            assert {type(error) for error in errors} == {TokenRefusedError}
            assert len(errors) == 100
            clock.advance(FAILURE_SECONDS)
        # One in a second at the most, however many callers there are.
        assert emulator.token_requests <= 1 + 10
        disk.replace("the-new-one")
        before = emulator.token_requests
        while await _calling(propq, 100, 1, lambda: None):
            clock.advance(FAILURE_SECONDS)
        assert emulator.token_requests == before + 1
