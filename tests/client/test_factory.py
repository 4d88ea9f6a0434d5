from __future__ import annotations

import asyncio
import math
import ssl
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from propq_async import (
    DEFAULT_FILE,
    AsyncPropQ,
    ConfigurationError,
    Credentials,
    JsonFileTokenStore,
    LedgerError,
    MemoryTokenStore,
    Pace,
    RetryPolicy,
    TokenManager,
)
from propq_async._auth.stores import default_token_file
from propq_async._throttling.throttle import Throttle
from propq_async.ledger import Ledger
from propq_async.testing import PropQEmulator
from tests.helpers.fleet_limiters import FakeLimiter
from tests.helpers.support import FakeClock, an_update

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


BAD_PROXY = "http://alice:Pr0xy#Passw0rd@proxy.local:3128"


@pytest.mark.parametrize(
    "wrong",
    [
        {"proxy": BAD_PROXY},
        {"proxy": BAD_PROXY.replace("#", "%23"), "timeout_seconds": 0},
        {"proxy": BAD_PROXY.replace("#", "%23"), "base_url": "rubbish"},
    ],
)
@pytest.mark.parametrize("from_env", [False, True])
def test_the_password_of_a_proxy_is_in_no_error_and_no_frame(
    environment: pytest.MonkeyPatch, wrong: dict[str, Any], *, from_env: bool
) -> None:
    environment.delenv("PROPQ_BASE_URL")
    name = [*wrong][-1]
    make: Any = AsyncPropQ.from_env if from_env else partial(AsyncPropQ, CREDENTIALS)
    with pytest.raises(ConfigurationError, match=f"^{name} ") as caught:
        make(**wrong)
    assert "Passw0rd" not in str(caught.value)
    frames = list(traceback.walk_tb(caught.value.__traceback__))[1:]  # the first is the test's own
    assert len(frames) >= 1
    assert "Passw0rd" not in repr([frame.f_locals for frame, _ in frames])


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


async def test_each_client_and_url_has_its_own_default_file(
    emulator: PropQEmulator, tmp_path: Path
) -> None:
    async with AsyncPropQ(emulator.credentials, base_url=emulator.url).session() as session:
        await session.units.update(an_update())
    file = default_token_file(f"{emulator.url}/oauth/token", emulator.credentials.client_id)
    assert file is not None
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


BAD: dict[str, str] = {
    "PROPQ_BASE_URL": "rubbish",
    "PROPQ_TOKEN_FILE": "~nobody-of-that-name/token.json",
}
GIVEN: dict[str, list[dict[str, Any]]] = {
    "PROPQ_BASE_URL": [{"base_url": "https://api.example"}],
    "PROPQ_TOKEN_FILE": [
        {"token_store": None},
        {"token_store": DEFAULT_FILE},
        {"token_store": JsonFileTokenStore("mine.json")},
        {"token_store": MemoryTokenStore()},
    ],
}


@pytest.mark.parametrize(
    ("bad", "given"), [(name, given) for name, all_ in GIVEN.items() for given in all_]
)
def test_a_bad_variable_does_not_matter_beside_its_argument(
    environment: pytest.MonkeyPatch, bad: str, given: dict[str, Any]
) -> None:
    environment.setenv(bad, BAD[bad])
    AsyncPropQ.from_env(**given)


@pytest.mark.parametrize(
    ("bad", "given"),
    [
        (bad, given)
        for bad in BAD
        for given in [{}, *(given for name in GIVEN if name != bad for given in GIVEN[name])]
    ],
)
def test_a_bad_variable_is_told_of_where_nothing_else_is_given(
    environment: pytest.MonkeyPatch, bad: str, given: dict[str, Any]
) -> None:
    environment.setenv(bad, BAD[bad])
    with pytest.raises(ConfigurationError, match=f"^{bad} must "):
        AsyncPropQ.from_env(**given)


async def test_the_ledgers_variable_does_not_matter_beside_a_path(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.setenv("PROPQ_LEDGER", str(tmp_path))  # a directory, which is no ledger
    async with Ledger(tmp_path / "mine.sqlite3") as ledger:
        assert await ledger.generation() == 0
    async with Ledger() as ledger:
        with pytest.raises(LedgerError, match="it is a directory"):
            await ledger.generation()


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


async def test_the_variable_can_say_that_the_token_stays_in_memory(
    environment: pytest.MonkeyPatch,
    emulator: PropQEmulator,
    token_file: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    environment.chdir(tmp_path)
    environment.setenv("PROPQ_TOKEN_FILE", "memory:")
    async with AsyncPropQ.from_env().session() as session:
        await session.units.update(an_update())
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - a moment
    assert "WARNING" not in caplog.text
    # A store that is given goes first, as ever.
    await AsyncPropQ.from_env(token_store=JsonFileTokenStore(token_file)).tokens.get_token()
    assert token_file.is_file()  # noqa: ASYNC240 - a moment
    assert emulator.token_requests == 2


def test_a_wrong_timeout_is_refused_before_the_store_is_made(
    environment: pytest.MonkeyPatch, token_file: Path
) -> None:
    environment.setenv("PROPQ_TOKEN_FILE", str(token_file))
    with pytest.raises(ConfigurationError, match="timeout_seconds"):
        AsyncPropQ.from_env(timeout_seconds=-1)


async def test_the_token_file_goes_by_the_given_clock(
    environment: pytest.MonkeyPatch, token_file: Path
) -> None:
    environment.setenv("PROPQ_TOKEN_FILE", str(token_file))
    clock = FakeClock(wall=1.0)
    propq = AsyncPropQ.from_env(clock=clock.clock)
    token = await propq.tokens.get_token()
    assert token.issued_at.timestamp() == 1.0
    # Long ago by the clock on the wall, but not by this one.
    assert await AsyncPropQ.from_env(clock=clock.clock).tokens.get_token() == token


async def test_a_user_without_a_home_keeps_the_token_in_memory(
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
        "this user has no home directory for the token file, so the token stays in memory: "
        "set PROPQ_TOKEN_FILE or token_store to name another place"
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
def test_two_threads_at_once_get_a_throttle_each() -> None:
    threads = 2
    for _ in range(100):
        propq = AsyncPropQ(CREDENTIALS, token_store=None)
        throttles: list[Throttle] = []
        together = threading.Barrier(threads)

        async def main(
            propq: AsyncPropQ, together: threading.Barrier, throttles: list[Throttle]
        ) -> None:
            together.wait()
            async with propq:
                throttles.append(propq._owner.acquire().throttle)
                together.wait()

        def run(*about: Any) -> None:
            asyncio.run(main(*about))

        workers = [
            threading.Thread(target=run, args=(propq, together, throttles)) for _ in range(threads)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert len(set(throttles)) == threads


@pytest.mark.parametrize("wrong", [{"base_url": "rubbish"}, {"credentials": None}])
def test_a_refused_factory_has_a_repr(wrong: dict[str, Any]) -> None:
    propq = AsyncPropQ.__new__(AsyncPropQ)
    settings = {"credentials": CREDENTIALS, "token_store": None} | wrong
    with pytest.raises(ConfigurationError):
        propq.__init__(**settings)  # type: ignore[misc]
    assert repr(propq) == "AsyncPropQ(base_url=None, tokens=None)"
    manager = TokenManager.__new__(TokenManager)
    with pytest.raises(ConfigurationError):
        manager.__init__(CREDENTIALS, token_url="rubbish")  # type: ignore[misc]
    assert repr(manager) == "TokenManager(client_id=None, token_url=None)"


def test_a_factory_tells_its_settings_but_no_password() -> None:
    propq = AsyncPropQ(
        CREDENTIALS, base_url="https://h/", token_store=None, proxy="http://user:word@proxy:8080"
    )
    assert (propq.base_url, propq.client_id) == ("https://h", CREDENTIALS.client_id)
    assert propq.proxy == "proxy:8080"
    assert propq.asked_to_wait_seconds == 0
    assert AsyncPropQ(CREDENTIALS, token_store=None).proxy is None


class HangingLimiter(FakeLimiter):
    """A limiter whose Redis does not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()

    async def join(self) -> Pace | None:
        self.begun.set()
        await asyncio.Event().wait()
        return None


@pytest.mark.parametrize(
    "enter", [AsyncPropQ.__aenter__, lambda propq: propq.session().__aenter__()]
)
async def test_who_is_cancelled_while_the_fleet_is_joined_leaves_nothing(
    enter: Callable[[AsyncPropQ], Coroutine[Any, Any, object]],
) -> None:
    limiter = HangingLimiter()
    propq = AsyncPropQ(CREDENTIALS, token_store=None, shared_limiter=limiter)
    entering = asyncio.create_task(enter(propq))
    await limiter.begun.wait()
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert propq._owner.loops == {}
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_sessions_of_an_entered_factory_do_not_join_again() -> None:
    limiter = FakeLimiter()
    async with AsyncPropQ(CREDENTIALS, token_store=None, shared_limiter=limiter) as propq:
        for _ in range(3):
            async with propq.session():
                pass
    assert limiter.asked == [("join",)]
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_each_event_loop_takes_part_by_itself() -> None:
    limiter = FakeLimiter()
    propq = AsyncPropQ(CREDENTIALS, token_store=None, shared_limiter=limiter)

    async def enter() -> None:
        async with propq.session():
            pass

    asyncio.run(enter())
    asyncio.run(enter())
    assert limiter.asked == [("join",)] * 2
