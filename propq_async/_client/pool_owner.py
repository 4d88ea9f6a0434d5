"""Who owns the connection pools: one pool for each event loop, closed by the last one out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import attrs

from propq_async._auth.manager import TokenManager
from propq_async._http.pool import Pool
from propq_async._http.transport import PoolSettings
from propq_async._process_bound import another_loop
from propq_async._throttling.fleet import SharedLimiter
from propq_async._throttling.throttle import Throttle
from propq_async._waiting import finish
from propq_async._wire.messages import Lost, Reply
from propq_async.clock import Clock
from propq_async.credentials import Credentials

from .counters import CounterRegistry
from .resources import LoopResources
from .unit_order import UnitOrder


@attrs.define(eq=False, repr=False)
class _Loop:
    """What belongs to one event loop while somebody has a share in its pool."""

    resources: LoopResources
    shares: int = 0
    # How many of these shares are the factory's own, and not a session's.
    own_shares: int = 0
    # Ends when the pace of the fleet is known, if there is one.
    joined: asyncio.Task[None] | None = None


async def _close(pool: Pool, running: list[asyncio.Task[Any]]) -> None:
    if running:
        await asyncio.wait(running)
    await pool.close()


class PoolOwner:
    """Hands out shares in the pool of the running event loop.

    `async with` it for the factory's own share. `tokens` is set by the factory before first use,
    since the token manager makes its requests through `ask_token`.
    """

    tokens: TokenManager

    def __init__(
        self,
        connections: PoolSettings,
        throttle: Throttle,
        clock: Clock,
        random: Callable[[], float],
        limiter: SharedLimiter | None = None,
    ) -> None:
        self._limiter = limiter
        self._connections = connections
        self.throttle: Throttle = throttle
        self._clock = clock
        self._random = random
        self.loops: dict[asyncio.AbstractEventLoop, _Loop] = {}
        # Two threads, each with a loop, may acquire at once, and must not get the same throttle.
        self._lock = threading.Lock()
        self.counters: CounterRegistry = CounterRegistry()
        self._order = UnitOrder()

    def throttles(self) -> list[Throttle]:
        """Return the throttles of all event loops that are not closed. From any thread."""
        # A copy, since another thread may acquire or release meanwhile.
        loops = list(self.loops.items())
        return [here.resources.throttle for loop, here in loops if not loop.is_closed()]

    @property
    def opens_in_seconds(self) -> float:
        """Return the seconds until the moment that the server named, 0 if it named none."""
        waits = [here.resources.throttle.opens_in_seconds for here in list(self.loops.values())]
        return max(waits, default=0.0)

    async def __aenter__(self) -> None:
        await self.enter()
        self.loops[asyncio.get_running_loop()].own_shares += 1

    async def __aexit__(self, *_: object) -> None:
        here = self.loops.get(asyncio.get_running_loop())
        if here is not None and here.own_shares:
            here.own_shares -= 1
            await self.release(here.resources)
            return
        loops = list(self.loops.items())
        if any(other.own_shares and not loop.is_closed() for loop, other in loops):
            raise another_loop("factory's share", "leave it where it was entered")

    async def enter(self) -> LoopResources:
        """Take a share, and wait until the pace of the fleet is known."""
        resources = self.acquire()
        joined = self.loops[resources.loop].joined
        if joined is not None and not joined.done():
            try:
                await asyncio.wait((joined,))
            except asyncio.CancelledError:
                await self.release(resources)
                raise
        return resources

    def acquire(self) -> LoopResources:
        """Take a share in the pool of the running event loop."""
        loop = asyncio.get_running_loop()
        here = self.loops.get(loop)
        if here is None:
            with self._lock:
                here = self.loops[loop] = _Loop(self._open())
                if self._limiter is not None:
                    here.joined = here.resources.throttle.join(self._limiter)
        here.shares += 1
        return here.resources

    async def release(self, resources: LoopResources) -> None:
        """Give a share back. The last one out closes the pool."""
        loop = asyncio.get_running_loop()
        here = self.loops.get(loop)
        if here is None or here.resources is not resources:
            return
        here.shares -= 1
        if not here.shares:
            # Before anything is awaited, so that anyone who acquires meanwhile gets a new pool.
            with self._lock:
                del self.loops[loop]
            await finish(_close(resources.pool, resources.leave()))

    def _open(self) -> LoopResources:
        for closed in [other for other in self.loops if other.is_closed()]:
            del self.loops[closed]
        if self.loops or not self.throttle.is_idle:
            # Another thread's loop uses the throttle, or a loop was closed while calls waited.
            self.throttle = self.throttle.copy()
        return LoopResources(
            pool=Pool(self._connections),
            tokens=self.tokens,
            throttle=self.throttle,
            clock=self._clock,
            random=self._random,
            counters=self.counters.of_loop(asyncio.get_running_loop()),
            order=self._order,
        )

    async def ask_token(
        self, url: str, credentials: Credentials, timeout_seconds: float
    ) -> Reply | Lost:
        """Make a token request, over a connection of its own if nobody has a share."""
        here = self.loops.get(asyncio.get_running_loop())
        if here is not None:
            return await here.resources.pool.ask_token(url, credentials, timeout_seconds)
        async with Pool(self._connections) as pool:
            return await pool.ask_token(url, credentials, timeout_seconds)
