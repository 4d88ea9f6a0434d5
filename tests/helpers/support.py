"""What many tests need: clocks, a server that plays a script, updates."""

from __future__ import annotations

import asyncio
import json
import selectors
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

import attrs
import pytest

from propq_async import (
    APIError,
    AsyncPropQ,
    Clock,
    Credentials,
    PropQSession,
    UnitStatus,
    UnitUpdate,
)
from propq_async.testing import PropQEmulator

T = TypeVar("T")


class FakeClock:
    """Time that a test sets. `sleep` takes no time: it moves the clock and notes how long."""

    def __init__(self, wall: float = 1_800_000_000.0, monotonic: float = 1_000.0) -> None:
        self.wall_now = wall
        self.monotonic_now = monotonic
        self.sleeps: list[float] = []

    @property
    def clock(self) -> Clock:
        return Clock(
            wall=lambda: self.wall_now, monotonic=lambda: self.monotonic_now, sleep=self.sleep
        )

    def advance(self, seconds: float) -> None:
        self.wall_now += seconds
        self.monotonic_now += seconds

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)


class _JumpingSelector(selectors.DefaultSelector):
    """Does not wait: it moves the loop's time to where the wait would end."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("the virtual loop waits for something that no timer will bring")
        self.loop.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time runs as fast as its timers are. For simulations without sockets."""

    def __init__(self) -> None:
        self.now = 10_000.0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    @property
    def clock(self) -> Clock:
        return Clock(wall=lambda: self.now + 1_800_000_000.0, monotonic=self.time)


def run_virtual(main: Callable[[Clock], Coroutine[Any, Any, T]]) -> T:
    """Run `main` in virtual time. It gets the clock of the loop."""
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main(loop.clock))


@attrs.frozen
class Seen:
    """A request as a `ScriptedServer` saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Step = bytes | Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]] | None


def answer(
    status: int,
    body: Any = None,
    *,
    headers: dict[str, str] | None = None,
    content_type: str = "application/json",
) -> bytes:
    """Return a whole HTTP answer. A `body` that is neither bytes nor a string is sent as JSON."""
    content = body if isinstance(body, bytes) else b""
    if isinstance(body, str):
        content = body.encode()
    elif not isinstance(body, bytes) and body is not None:
        content = json.dumps(body).encode()
    lines = [
        f"HTTP/1.1 {status} Whatever",
        f"Content-Length: {len(content)}",
        f"Content-Type: {content_type}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def token_answer(value: str = "token-1", expires_in: Any = 3600) -> bytes:
    """Return the answer of a token endpoint."""
    return answer(200, {"token_type": "Bearer", "expires_in": expires_in, "access_token": value})


class ScriptedServer:
    """A real server on loopback that answers each request with the next step of a script.

    A step is a whole answer in bytes, `None` to close the connection without one, or a coroutine
    function of the connection's streams. `by_path` holds a script for each path; the last step of a
    script repeats. Requests are kept in `seen`.
    """

    def __init__(self, *script: Step, by_path: dict[str, list[Step]] | None = None) -> None:
        self._script = list(script)
        self._by_path = by_path or {}
        self.seen: list[Seen] = []
        self.connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._tasks: set[asyncio.Task[None]] = set()
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def paths(self, path: str) -> list[Seen]:
        """Return the requests of one path."""
        return [seen for seen in self.seen if seen.path == path]

    def _next(self, path: str) -> Step:
        script = self._by_path.get(path, self._script)
        return script.pop(0) if len(script) > 1 else script[0]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self._talk(reader, writer, self.connections)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _talk(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int
    ) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.rstrip("\r\n").split("\r\n")
            method, path, _ = first.split(" ", 2)
            headers = {
                name.strip().lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.seen.append(Seen(method, path, headers, body, connection))
            step = self._next(path)
            if step is None:
                return
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            else:
                await step(reader, writer)


class EmulatorInThread:
    """An emulator in a loop and a thread of its own, for clients that bring theirs."""

    def __enter__(self) -> PropQEmulator:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        self._ready.wait()
        return self._emulator

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with PropQEmulator() as self._emulator:
            self._emulator.add_unit("4711", "A-101")
            self._ready.set()
            await self._end.wait()


def an_update(name: str = "A-101", price: float = 250_000, **changes: Any) -> UnitUpdate:
    """Return a valid update."""
    values: dict[str, Any] = {
        "development_id": "4711",
        "name": name,
        "status": UnitStatus.SOLD,
        "price": price,
        "directions": ["N", "S"],
    }
    return UnitUpdate(**(values | changes))


class Playing:
    """A session before a server that plays a script."""

    def __init__(
        self, server: ScriptedServer, session: PropQSession, time: FakeClock, propq: AsyncPropQ
    ) -> None:
        self.propq = propq
        self.server = server
        self.session = session
        self.time = time

    @property
    def calls(self) -> list[Seen]:
        return [seen for seen in self.server.seen if seen.path != "/oauth/token"]

    @property
    def token_requests(self) -> int:
        return len(self.server.paths("/oauth/token"))


@asynccontextmanager
async def playing(
    *script: Step, tokens: list[Step] | None = None, **settings: Any
) -> AsyncIterator[Playing]:
    time = FakeClock()
    defaults: dict[str, Any] = {"clock": time.clock, "jitter": lambda: 0.5}
    by_path = {"/oauth/token": tokens or [token_answer()]}
    async with ScriptedServer(*script, by_path=by_path) as server:
        propq = AsyncPropQ(
            Credentials(1, "the-secret"),
            base_url=server.url,
            token_store=None,
            **(defaults | settings),
        )
        async with propq.session() as session:
            yield Playing(server, session, time, propq)


async def failing(session: PropQSession) -> Any:
    """Return the error of an update, after a look at what it drags along."""
    with pytest.raises(APIError) as caught:
        await session.units.update(an_update())
    error: BaseException | None = caught.value
    shown = "".join(traceback.format_exception(caught.value))
    assert "aiohttp" not in shown
    assert "token-1" not in shown
    while error is not None:
        assert not type(error).__module__.startswith("aiohttp")
        error = error.__cause__ or error.__context__
    return caught.value


async def until(condition: Callable[[], Any]) -> None:
    """Wait until the condition holds: for what sends no event."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def drain(batch: AsyncIterator[T], into: list[T]) -> None:
    """Take everything, and keep what was yielded if it raises in the end."""
    async for outcome in batch:
        into.append(outcome)  # noqa: PERF401 - a comprehension would keep nothing
