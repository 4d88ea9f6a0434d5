"""A token endpoint without a wire, and token managers that ask it."""

from __future__ import annotations

import asyncio
import pickle
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from propq_async import (
    Credentials,
    RetryPolicy,
    Token,
    TokenKey,
    TokenManager,
    TokenStore,
)
from propq_async._wire.messages import Lost, Reply
from tests.helpers.support import (
    FakeClock,
    until,
)

SECRET = "the-s3cret/&=%"
CREDENTIALS = Credentials(7, SECRET)
KEY = TokenKey("https://api.propq.com/oauth/token", 7)
QUICK = RetryPolicy(base_delay_seconds=0.001, max_delay_seconds=0.001)
ONCE = RetryPolicy(attempts=1)
CALL: dict[str, Any] = {"UntName": "A-101", "UntStatus": 4, "UntPrice": 1, "UntDirections": ["N"]}
PATH = "/v1/developments/4711/units/update-by-name"

Answer = Reply | Lost | Callable[[], Awaitable[Reply | Lost]]


class Endpoint:
    """A token endpoint without a wire: each request gets the next answer, the last one repeats."""

    def __init__(self, *script: Answer) -> None:
        self.script = list(script)
        self.requests = 0
        self.in_flight = 0
        self.most_in_flight = 0

    async def ask(self, url: str, credentials: Credentials, timeout_seconds: float) -> Reply | Lost:
        assert (url, credentials) == (KEY.token_url, CREDENTIALS)
        assert timeout_seconds == 30.0
        self.requests += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0)
            if not self.script:
                return issued(f"token-{self.requests}")
            step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            return step if isinstance(step, Reply | Lost) else await step()
        finally:
            self.in_flight -= 1


def issued(value: str = "token-1", expires_in: Any = 3600) -> Reply:
    return replied(200, f'{{"access_token": "{value}", "expires_in": {expires_in}}}')


def replied(status: int, body: str = "", **headers: str) -> Reply:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, headers, body.encode())


DOWN = Lost("there is no connection", sent=False)


def a_manager(
    endpoint: Endpoint,
    clock: FakeClock | None = None,
    *,
    retry: RetryPolicy = ONCE,
    store: TokenStore | None = None,
) -> TokenManager:
    clock = clock or FakeClock()
    return TokenManager(
        CREDENTIALS,
        store=store,
        retry=retry,
        clock=clock.clock,
        random=lambda: 0.999999,
        ask=endpoint.ask,
    )


def over_the_wire(
    url: str, credentials: Credentials = CREDENTIALS, **settings: Any
) -> TokenManager:
    return TokenManager(credentials, token_url=url + "/oauth/token", **settings)


async def _awaited_secret() -> str:
    return SECRET


# The same credentials, with the secret itself and with sources of it.
WITH_SOURCES = {
    "secret": CREDENTIALS,
    "function": Credentials(7, lambda: SECRET),
    "coroutine": Credentials(7, _awaited_secret),
}
with_sources = pytest.mark.parametrize("credentials", WITH_SOURCES.values(), ids=WITH_SOURCES)


async def settle(manager: TokenManager) -> None:
    """Wait until no flight is under way."""
    await until(lambda: not manager._flights.tasks)


async def gather(count: int, get: Callable[[], Awaitable[Token]]) -> list[Token | BaseException]:
    return await asyncio.gather(*(get() for _ in range(count)), return_exceptions=True)


def numbered_token(value: str, number: int) -> Token:
    now = datetime.fromtimestamp(1_800_000_000, UTC)
    return Token(f"{value}-{number}", "Bearer", now + timedelta(hours=1), now)


def shown(error: BaseException) -> str:
    """Return everything that a crash reporter could show of an error."""
    parts = [repr(error), str(error), repr(error.__dict__), repr(pickle.dumps(error))]
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [told]
    while frames:
        one = frames.pop()
        parts += [repr(frame.locals) for frame in one.stack if "propq_async" in frame.filename]
        parts.append(str(one))
        frames += [other for other in (one.__cause__, one.__context__) if other is not None]
    return "\n".join(parts)
