"""This client, and aiohttp by hand: one `update` each, whose cost is compared.

All send the same update with a token of the same length, and keep up to `CONNECTIONS` connections.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any, ClassVar, Final, Self

import aiohttp
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from propq_async import AsyncPropQ, Credentials, UnitStatus, UnitUpdate
from propq_async.hooks import OnCall
from propq_async.opentelemetry import trace_calls

from .ticks import ticking

__all__ = [
    "CONNECTIONS",
    "HEADERS",
    "TOKEN",
    "BelowUnsampled",
    "Client",
    "Gathered",
    "Naive",
    "Ours",
    "SampledOut",
    "Took",
    "Traced",
    "Tuned",
    "UpdateMany",
    "body",
]

CONNECTIONS: Final = 100
TOKEN: Final = "t" * 900
HEADERS: Final = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json"}


class Took:
    """How long calls took, in seconds: the last ones, since the memory of a batch is measured."""

    def __init__(self) -> None:
        self.calls = 0
        self.last: deque[float] = deque(maxlen=10_000)

    def note(self, seconds: float) -> None:
        """Note one more."""
        self.calls += 1
        self.last.append(seconds)


class Client(ABC):
    """One library, as a client of one server. `run` is the development that it updates."""

    name: ClassVar[str]
    package: ClassVar[str]

    def __init__(self, url: str, run: str, certificate: str | None) -> None:
        self.base_url = url
        self.run = run
        self.url = f"{url}/v1/developments/{run}/units/update-by-name"
        self.certificate = certificate
        self.context = ssl.create_default_context(cafile=certificate) if certificate else None
        self.stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stack.aclose()

    @abstractmethod
    async def open(self) -> None:
        """Make the client, and have the stack close it."""

    @abstractmethod
    async def update(self, name: str) -> Any:
        """Make one update, and return the name that the server sent back."""

    async def drive(self, names: Iterator[str], in_flight: int) -> Took:
        """Make all the updates, so many at a time, and return what they took."""
        took = Took()

        async def work() -> None:
            for name in names:
                began = time.perf_counter()
                said = await self.update(name)
                took.note(time.perf_counter() - began)
                check(name, said)

        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(work())
        return took

    async def keep_to(self, names: Iterator[str], per_second: float) -> Took:
        """Begin all the updates at a steady rate, and return how long after they were due they end.

        None waits for another one.
        """
        took = Took()
        begun = asyncio.get_running_loop().create_future()

        async def one(name: str, due: float) -> None:
            said = await self.update(name)
            took.note(time.monotonic() - due)
            check(name, said)

        async with asyncio.TaskGroup() as group:

            def begin(due: float) -> None:
                name = next(names, None)
                if name is not None:
                    group.create_task(one(name, due))
                elif not begun.done():
                    begun.set_result(None)

            with ticking(per_second, begin):
                await begun
        return took


def check(name: str, said: object) -> None:
    """Raise unless the server sent back this very name."""
    if said != name:
        raise RuntimeError(f"the answer to {name} was {said!r}")


def body(name: str) -> dict[str, Any]:
    """Return the body of an update, as one writes it by hand."""
    return {"UntName": name, "UntStatus": 4, "UntPrice": 250_000, "UntDirections": ["N", "S"]}


class Ours(Client):
    """This project: typed, checked, with token, throttle, retry, timeout and errors."""

    name = "propq-async"
    package = "propq-async"
    on_call: OnCall | None = None

    async def open(self) -> None:
        """Enter a factory and a session."""
        propq = AsyncPropQ(
            Credentials(1, "secret"),
            base_url=self.base_url,
            token_store=None,
            max_connections=CONNECTIONS,
            ssl_context=self.context,
            on_call=self.on_call,
        )
        self.propq = await self.stack.enter_async_context(propq)
        self.session = await self.stack.enter_async_context(propq.session())

    def made(self, name: str) -> UnitUpdate:
        """Return the update, which is validated here."""
        return UnitUpdate(self.run, name, UnitStatus.SOLD, 250_000, ["N", "S"])

    async def update(self, name: str) -> Any:
        """Make one update."""
        return (await self.session.units.update(self.made(name)))["UntName"]


class Traced(Ours):
    """The same with a span for each call, which nothing exports."""

    name = "propq-async with spans"

    @property
    def on_call(self) -> OnCall:
        """Return what makes the spans."""
        return trace_calls(TracerProvider())


class SampledOut(Ours):
    """The same where the sampler wants no span."""

    name = "propq-async with spans that are sampled out"

    @property
    def on_call(self) -> OnCall:
        """Return what would make the spans."""
        return trace_calls(TracerProvider(sampler=ALWAYS_OFF))


class BelowUnsampled(SampledOut):
    """The same in a request of a service whose own span is not sampled."""

    name = "propq-async below a span that is sampled out"

    async def open(self) -> None:
        """Enter the span as well."""
        tracer = TracerProvider(sampler=ALWAYS_OFF).get_tracer("service")
        self.stack.enter_context(tracer.start_as_current_span("request"))
        await super().open()


SPANS: Final = (BelowUnsampled, SampledOut, Traced)


class UpdateMany(Ours):
    """The same as a batch."""

    name = "update_many"

    async def drive(self, names: Iterator[str], in_flight: int) -> Took:
        """Make all the updates in one batch."""
        took = Took()
        updates = map(self.made, names)
        async with self.session.units.update_many(updates, concurrency=in_flight) as batch:
            async for outcome in batch:
                if outcome.response is None:
                    raise RuntimeError(f"an update failed: {outcome.error}")
                check(outcome.update.name, outcome.response["UntName"])
                took.note(outcome.elapsed_seconds)
        return took


class Naive(Client):
    """aiohttp, as its tutorial shows."""

    name = "naive aiohttp"
    package = "aiohttp"

    async def open(self) -> None:
        """Open a session."""
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=self.context or True)
        self.session = await self.stack.enter_async_context(
            aiohttp.ClientSession(connector=connector)
        )

    async def update(self, name: str) -> Any:
        """Make one update."""
        async with self.session.post(self.url, json=body(name), headers=HEADERS) as response:
            response.raise_for_status()
            return (await response.json())["UntName"]


class Gathered(Naive):
    """The same as a batch, as one finds it in tutorials: a task for each, behind a semaphore."""

    name = "gather behind a semaphore"

    async def drive(self, names: Iterator[str], in_flight: int) -> Took:
        """Make all the updates at once."""
        semaphore = asyncio.Semaphore(in_flight)
        took = Took()

        async def one(name: str) -> None:
            async with semaphore:
                began = time.perf_counter()
                check(name, await self.update(name))
                took.note(time.perf_counter() - began)

        await asyncio.gather(*map(one, names))
        return took


class Tuned(Naive):
    """aiohttp, with all that its public options save (no total timeout, for one)."""

    name = "tuned aiohttp"

    async def open(self) -> None:
        """Open a session."""
        self.session = await self.stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=self.context or True),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={**HEADERS, "Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
            )
        )
        self.where = aiohttp.client.URL(self.url)

    async def update(self, name: str) -> Any:
        """Make one update."""
        data = aiohttp.client.json.dumps(body(name)).encode()
        async with self.session.post(self.where, data=data) as response:
            return aiohttp.client.json.loads(await response.read())["UntName"]
