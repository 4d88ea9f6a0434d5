"""A client of the emulator that knows nothing of the SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
from aiohttp import ClientResponse, ClientSession
from yarl import URL

from propq_async.testing import PropQEmulator

PATH = "/v1/developments/4711/units/update-by-name"
UPDATE = {"UntName": "A-101", "UntStatus": 4, "UntPrice": 250_000, "UntDirections": ["N", "S"]}
FORM = "grant_type=client_credentials&client_id=1&client_secret=x"
FORM_TYPE = "application/x-www-form-urlencoded"
ECHO = json.dumps(UPDATE, separators=(",", ":"))


class FakeClock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@attrs.define
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        # The token endpoint's own answers state the charset.
        assert self.headers["Content-Type"] in (
            "application/json",
            "application/json; charset=UTF-8",
        )
        return json.loads(self.text)


async def answer(response: ClientResponse) -> Answer:
    return Answer(response.status, dict(response.headers), await response.text())


@attrs.define
class Client:
    """A client of the plainest kind."""

    emulator: PropQEmulator
    session: ClientSession
    token: str = ""

    async def send(self, method: str, path: str, **kwargs: Any) -> Answer:
        url = URL(self.emulator.url + path, encoded=True)
        kwargs.setdefault("allow_redirects", False)
        async with self.session.request(method, url, **kwargs) as response:
            return await answer(response)

    async def ask_for_token(self, **changes: Any) -> Answer:
        credentials = self.emulator.credentials
        form = {
            "grant_type": "client_credentials",
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
            **changes,
        }
        form = {name: value for name, value in form.items() if value is not None}
        return await self.send("POST", "/oauth/token", data=form)

    async def log_in(self) -> str:
        self.token = (await self.ask_for_token()).json["access_token"]
        return self.token

    async def call(
        self,
        body: Any = UPDATE,
        *,
        path: str = PATH,
        method: str = "POST",
        headers: dict[str, str | None] | None = None,
        **kwargs: Any,
    ) -> Answer:
        wanted = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/json",
            "Content-Type": "application/json",
            **(headers or {}),
        }
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {name: value for name, value in wanted.items() if value is not None}
        return await self.send(
            method,
            path,
            data=data,
            headers=sent,
            skip_auto_headers=["Content-Type", "Accept"],
            **kwargs,
        )

    async def admin(self, name: str, arguments: Any = None, **kwargs: Any) -> Answer:
        return await self.send("POST", f"/_emulator/{name}", json=arguments or {}, **kwargs)


@asynccontextmanager
async def served(emulator: PropQEmulator) -> AsyncIterator[Client]:
    async with emulator, ClientSession() as session:
        emulator.add_unit("4711", "A-101")
        client = Client(emulator, session)
        await client.log_in()
        yield client


HANG_SECONDS = 60
"""What nothing takes, however loaded the machine is: a thread that waits as long reports a hang."""


async def until(condition: Callable[[], bool]) -> None:
    """Wait for an emulator in this event loop. What never happens meets the timeout of the test."""
    while not condition():  # noqa: ASYNC110 - the emulator has no events to wait for
        await asyncio.sleep(0)


def port(emulator: PropQEmulator) -> int:
    number = URL(emulator.url).port
    assert number is not None
    return number


async def connect(
    emulator: PropQEmulator,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port(emulator))


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()
