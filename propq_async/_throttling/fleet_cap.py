"""`max_calls_per_second` as the bound of a whole fleet: the part of one event loop in it.

One task asks for permits when calls wait. They have to be used at once, since nobody else can use
them in the meantime.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Final

from propq_async.clock import Clock

from .fleet import LEFT_ALONE_SECONDS, Lease
from .window import Cap

logger = logging.getLogger("propq_async.throttle")

# For how long permits are asked for: at least so long, and twice as long as the last answer took.
LEAST_SECONDS: Final = 0.05

# How many may go now, of so many, at so many a second, if they go within so many seconds.
Allow = Callable[[int, float, float], Awaitable[Lease]]


class FleetCap:
    """Permits of one event loop, of which the whole fleet gets `per_second`.

    `allow` asks the limiter. `able` counts the calls that only the limiter holds back, and `pump`
    lets those go that may.
    """

    def __init__(
        self,
        allow: Allow,
        per_second: float,
        clock: Clock,
        *,
        able: Callable[[], int],
        pump: Callable[[], None],
    ) -> None:
        self._allow = allow
        self._per_second = per_second
        self._monotonic = clock.monotonic
        self._able = able
        self._pump = pump
        self._count = 0
        self._until = -math.inf
        self._within_seconds = LEAST_SECONDS
        self._members = 1
        # What this event loop keeps to while the limiter fails.
        self._share: Cap | None = None
        self._asks_again_at = -math.inf
        self._is_wanted = False
        self._asking: asyncio.Task[None] | None = None

    def take(self) -> float:
        """Let one call go out if it may go now. Returns the seconds until one may.

        That is infinity if only the answer of the limiter can tell.
        """
        now = self._monotonic()
        if self._share is not None:
            if now >= self._asks_again_at:
                self._ask()
            return self._share.take()
        if self._count and now < self._until:
            self._count -= 1
            return 0.0
        self._ask()
        return math.inf

    def detach(self) -> list[asyncio.Task[None]]:
        if self._asking is None or self._asking.done():
            return []
        self._asking.cancel()
        return [self._asking]

    def _ask(self) -> None:
        self._is_wanted = True
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._keep_asking())

    async def _keep_asking(self) -> None:
        while self._is_wanted and (want := self._able()) > 0:
            self._is_wanted = False
            asked_at = self._monotonic()
            try:
                lease = await self._allow(want, self._per_second, self._within_seconds)
            except Exception as error:  # noqa: BLE001 - a limiter of the user's may raise anything
                self._failed(error)
                self._pump()
                return
            took = self._monotonic() - asked_at
            self._within_seconds = max(LEAST_SECONDS, 2 * took)
            self._share, self._members = None, lease.members
            self._count, self._until = lease.count, asked_at + lease.valid_for
            # Whoever does not get one asks again.
            self._pump()
            if not lease.count:
                await asyncio.sleep(lease.starts_in)

    def _failed(self, error: Exception) -> None:
        self._asks_again_at = self._monotonic() + LEFT_ALONE_SECONDS
        if self._share is None:
            logger.warning(
                "the shared limiter failed (%s); this process keeps to its share of "
                "max_calls_per_second",
                type(error).__name__,
            )
            self._share = Cap(self._per_second / self._members, self._monotonic)
