from __future__ import annotations

import asyncio
import math
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from propq_async import (
    AsyncPropQ,
    ConfigurationError,
    Credentials,
    JsonFileTokenStore,
    RetryPolicy,
    TokenManager,
)
from propq_async.client import default_token_file
from propq_async.gate import Gate
from propq_async.testing import PropQEmulator

from .support import FakeClock, an_update

CREDENTIALS = Credentials(1, "the-secret")


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "http://api.propq.com"},
        {"timeout_seconds": 0},
        {"timeout_seconds": math.nan},
        {"timeout_seconds": "5"},
        {"timeout_seconds": math.inf},
        {"max_connections": 0},
        {"max_connections": 2.5},
        {"max_connections": True},
        {"max_calls_per_second": 0},
        {"max_calls_per_second": -1},
        {"max_calls_per_second": math.inf},
    ],
)
def test_a_setting_that_cannot_work_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        AsyncPropQ(CREDENTIALS, token_store=None, **wrong)


@pytest.mark.parametrize("wrong", [(1, "the-secret"), None, "the-secret"])
def test_credentials_of_another_type_are_refused_and_not_shown(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="credentials must be") as caught:
        AsyncPropQ(wrong, token_store=None)
    assert "the-secret" not in str(caught.value)


@pytest.mark.parametrize("store", ["token.json", Path("token.json")])
def test_a_path_is_no_store(store: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"token_store must be a store.*JsonFileTokenStore"
    ):
        AsyncPropQ(CREDENTIALS, token_store=store)


def test_a_number_is_no_retry_policy() -> None:
    wrong: Any = 5
    with pytest.raises(ConfigurationError, match="retry must be a RetryPolicy, not 5"):
        AsyncPropQ(CREDENTIALS, token_store=None, retry=wrong)


def test_what_is_not_asked_for_is_not_printed() -> None:
    code = """
import asyncio
from propq_async import *

async def main():
    retry = RetryPolicy(attempts=2, base_delay_seconds=0)
    propq = AsyncPropQ(
        Credentials(1, "x"), base_url="http://127.0.0.1:9", token_store=None, retry=retry
    )
    try:
        await propq.tokens.get_token()
    except TokenUnavailableError:
        print("unavailable")

asyncio.run(main())
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("unavailable\n", "")


@pytest.mark.parametrize(
    "wrong", [{"timeout_seconds": 0}, {"timeout_seconds": None}, {"retry": None}]
)
def test_a_sessions_setting_that_cannot_work_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        AsyncPropQ(CREDENTIALS, token_store=None).session(**wrong)


def test_making_one_does_no_io_and_needs_no_loop(tmp_path: Path) -> None:
    propq = AsyncPropQ(CREDENTIALS)
    propq.session()
    assert list(tmp_path.iterdir()) == []


def test_it_shows_no_secret() -> None:
    propq = AsyncPropQ(
        CREDENTIALS, proxy="http://me:password@p", ssl_context=ssl.create_default_context()
    )
    assert repr(propq) == (
        "AsyncPropQ(base_url='https://api.propq.com', tokens=TokenManager(client_id=1, "
        "token_url='https://api.propq.com/oauth/token'))"
    )


async def test_the_default_file_is_in_the_users_cache_one_for_each_client_and_url(
    emulator: PropQEmulator, tmp_path: Path
) -> None:
    async with AsyncPropQ(emulator.credentials, base_url=emulator.url).session() as session:
        await session.units.update(an_update())
    file = default_token_file(f"{emulator.url}/oauth/token", emulator.credentials.client_id)
    assert file.is_relative_to(tmp_path / "cache")
    assert file.is_file()
    others = {default_token_file("https://a/", 1), default_token_file("https://a/", 2)}
    assert len(others | {file, default_token_file("https://b/", 1)}) == 4


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, emulator: PropQEmulator) -> pytest.MonkeyPatch:
    monkeypatch.setenv("PROPQ_CLIENT_ID", str(emulator.credentials.client_id))
    monkeypatch.setenv("PROPQ_CLIENT_SECRET", emulator.credentials.client_secret)
    monkeypatch.setenv("PROPQ_BASE_URL", emulator.url)
    return monkeypatch


@pytest.mark.parametrize("given", [{}, {"timeout_seconds": 9.0}])
async def test_the_environment_has_all_that_it_takes(
    environment: pytest.MonkeyPatch,
    emulator: PropQEmulator,
    token_file: Path,
    given: dict[str, Any],
) -> None:
    environment.setenv("PROPQ_TOKEN_FILE", str(token_file))
    async with AsyncPropQ.from_env(**given).session() as session:
        await session.units.update(an_update())
    assert token_file.is_file()  # noqa: ASYNC240 - a moment
    # A second process would find it.
    async with AsyncPropQ.from_env(retry=RetryPolicy(attempts=1)).session() as session:
        await session.units.update(an_update())
    assert emulator.token_requests == 1


async def test_what_is_given_goes_before_the_environment(
    environment: pytest.MonkeyPatch, emulator: PropQEmulator, token_file: Path, tmp_path: Path
) -> None:
    environment.setenv("PROPQ_BASE_URL", "https://elsewhere.example")
    environment.setenv("PROPQ_TOKEN_FILE", str(token_file))
    mine = tmp_path / "mine.json"
    propq = AsyncPropQ.from_env(base_url=emulator.url, token_store=JsonFileTokenStore(mine))
    async with propq.session() as session:
        await session.units.update(an_update())
    assert mine.is_file()
    assert not token_file.exists()  # noqa: ASYNC240 - a moment


def test_without_credentials_the_variable_is_named() -> None:
    with pytest.raises(ConfigurationError, match="PROPQ_CLIENT_ID"):
        AsyncPropQ.from_env()


@pytest.mark.parametrize("variable", ["PROPQ_BASE_URL", "PROPQ_TOKEN_FILE"])
def test_a_blank_variable_is_none(
    environment: pytest.MonkeyPatch, emulator: PropQEmulator, variable: str
) -> None:
    environment.setenv(variable, "  ")
    url = "https://api.propq.com" if variable == "PROPQ_BASE_URL" else emulator.url
    assert f"base_url='{url}'" in repr(AsyncPropQ.from_env())


def test_a_wrong_timeout_is_refused_before_the_store_is_made(
    environment: pytest.MonkeyPatch, token_file: Path
) -> None:
    environment.setenv("PROPQ_TOKEN_FILE", str(token_file))
    with pytest.raises(ConfigurationError, match="timeout_seconds"):
        AsyncPropQ.from_env(timeout_seconds=-1)


async def test_the_token_file_of_the_environment_goes_by_the_clock_that_was_given(
    environment: pytest.MonkeyPatch, token_file: Path
) -> None:
    environment.setenv("PROPQ_TOKEN_FILE", str(token_file))
    clock = FakeClock(wall=1.0)
    propq = AsyncPropQ.from_env(clock=clock.clock)
    token = await propq.tokens.get_token()
    assert token.issued_at.timestamp() == 1.0
    # Long ago by the clock on the wall, but not by this one.
    assert await AsyncPropQ.from_env(clock=clock.clock).tokens.get_token() == token


async def test_a_user_without_a_home_keeps_the_token_in_memory_and_is_told(
    environment: pytest.MonkeyPatch, emulator: PropQEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    pwd = pytest.importorskip("pwd")

    def getpwuid(uid: int) -> None:
        raise KeyError(uid)

    for variable in ("HOME", "XDG_CACHE_HOME"):
        environment.delenv(variable, raising=False)
    environment.setattr(pwd, "getpwuid", getpwuid)
    async with AsyncPropQ.from_env().session() as session:
        await session.units.update(an_update())
    (warning,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert warning == (
        "this user has no home directory to keep the token file in; the token stays in memory, "
        "unless PROPQ_TOKEN_FILE or token_store names a place"
    )
    assert emulator.token_requests == 1


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Let threads take turns as often as can be."""
    seconds = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(seconds)


@pytest.mark.usefixtures("eager_threads")
def test_two_threads_that_come_in_at_once_get_a_gate_each() -> None:
    threads = 2
    for _ in range(100):
        propq = AsyncPropQ(CREDENTIALS, token_store=None)
        gates: list[Gate] = []
        together = threading.Barrier(threads)

        async def main(propq: AsyncPropQ, together: threading.Barrier, gates: list[Gate]) -> None:
            together.wait()
            async with propq:
                gates.append(propq.come_in().gate)
                together.wait()

        def run(*about: Any) -> None:
            asyncio.run(main(*about))

        workers = [
            threading.Thread(target=run, args=(propq, together, gates)) for _ in range(threads)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert len(set(gates)) == threads


@pytest.mark.parametrize("wrong", [{"base_url": "rubbish"}, {"credentials": None}])
def test_what_was_refused_can_be_shown_in_a_traceback_with_locals(wrong: dict[str, Any]) -> None:
    propq = AsyncPropQ.__new__(AsyncPropQ)
    settings = {"credentials": CREDENTIALS, "token_store": None} | wrong
    with pytest.raises(ConfigurationError):
        propq.__init__(**settings)  # type: ignore[misc]
    assert repr(propq) == "AsyncPropQ(base_url=None, tokens=None)"
    manager = TokenManager.__new__(TokenManager)
    with pytest.raises(ConfigurationError):
        manager.__init__(CREDENTIALS, token_url="rubbish")  # type: ignore[misc]
    assert repr(manager) == "TokenManager(client_id=None, token_url=None)"
