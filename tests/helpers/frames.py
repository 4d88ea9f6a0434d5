"""In a process of its own: a story, and a look at each variable of each frame, line by line.

Of its own, since what looks takes the place of what measures coverage.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Any

import propq_async
from propq_async import (
    AsyncPropQ,
    Credentials,
    JsonFileTokenStore,
    PropQError,
    RetryPolicy,
    TokenManager,
)
from propq_async._auth.failures import FAILURE_SECONDS
from tests.helpers.support import FakeClock, ScriptedServer, Step, answer, token_answer

SECRET, TOKEN = "the-s3cret", "t0ken-value"
PACKAGE = str(Path(propq_async.__file__).parent)


class Watch:
    """Look at each variable of each frame of the package, at each of its lines."""

    def __init__(self) -> None:
        self.seen = 0
        self.shown: set[tuple[str, str, str]] = set()
        self._local = threading.local()

    def trace(self, frame: FrameType, *_: object) -> Callable[..., Any] | None:
        if getattr(self._local, "looking", False) or not frame.f_code.co_filename.startswith(
            PACKAGE
        ):
            return None
        return self._look

    def _look(self, frame: FrameType, *_: object) -> Callable[..., Any]:
        self._local.looking = True
        try:
            for name, value in list(frame.f_locals.items()):
                self.seen += 1
                if any(secret in _shown(value) for secret in (SECRET, TOKEN)):
                    file = Path(frame.f_code.co_filename).name
                    self.shown.add((file, frame.f_code.co_name, name))
        finally:
            self._local.looking = False
        return self._look


def _shown(value: object) -> str:
    try:
        return repr(value)
    except AttributeError:  # an object that is being made
        return ""


async def _error(work: Awaitable[Any]) -> PropQError | None:
    try:
        await work
    except PropQError as error:
        return error
    return None


async def _coroutine() -> str:
    return SECRET


def _credentials(source: str, folder: Path) -> Credentials:
    """Return credentials with the secret, or with a source of it."""
    if source == "none":
        return Credentials(7, SECRET)
    if source == "function":
        return Credentials(7, lambda: SECRET)
    if source == "coroutine":
        return Credentials(7, _coroutine)
    file = folder / "secret"
    file.write_text(f"{SECRET}\n")
    return Credentials.from_env({"PROPQ_CLIENT_ID": "7", "PROPQ_CLIENT_SECRET_FILE": str(file)})


async def _story(token_file: Path, source: str, *, plain: bool) -> None:
    echo = f"client_secret={SECRET}"
    tokens: list[Step] = [
        token_answer(TOKEN),
        token_answer(TOKEN),
        answer(400, {"error": echo, "message": echo}, headers={"Location": SECRET}),
        answer(302, SECRET, headers={"Location": f"/?{echo}"}),
        token_answer(TOKEN),
    ]
    calls: list[Step] = [
        answer(200, {}, headers={"X-Echo": TOKEN}),
        answer(422, {"errors": {"x": [TOKEN], TOKEN: "y"}}, headers={"X-Request-Id": TOKEN}),
        answer(401, {"message": TOKEN}),
        answer(500, f"<title>{TOKEN}</title>"),
        answer(200, f"no JSON: {TOKEN}"),
        answer(200, {}),
    ]
    clock = FakeClock()
    credentials = _credentials(source, token_file.parent.parent)
    store = JsonFileTokenStore(token_file, clock=clock.clock)
    async with ScriptedServer(by_path={"/oauth/token": tokens, "/v1/x": calls}) as server:
        propq = AsyncPropQ(
            credentials,
            base_url=server.url,
            token_store=store,
            retry=RetryPolicy(attempts=1),
            trust_env=plain,
            clock=clock.clock,
        )
        async with propq.session() as session:
            errors = [await _error(session.request("GET", "/v1/x")) for _ in range(5)]
            for _ in range(2):
                errors.append(await _error(propq.tokens.refresh()))
                clock.advance(2 * FAILURE_SECONDS)
            assert sum(error is not None for error in errors) == 6
            assert not any(
                secret in f"{error!r}{error and error.__dict__}"
                for secret in (SECRET, TOKEN)
                for error in errors
            )
        another = TokenManager(
            credentials,
            token_url=f"{server.url}/oauth/token",
            store=store,
            clock=clock.clock,
        )
        await another.get_token()


if __name__ == "__main__":
    token_file, transport, sources = sys.argv[1:]
    watch = Watch()
    sys.settrace(watch.trace)
    threading.settrace(watch.trace)
    for source in sources.split(","):
        Path(token_file).unlink(missing_ok=True)
        asyncio.run(_story(Path(token_file), source, plain=transport == "plain"))
    sys.settrace(None)
    threading.settrace(None)
    sys.stdout.write(json.dumps({"seen": watch.seen, "shown": sorted(watch.shown)}))
