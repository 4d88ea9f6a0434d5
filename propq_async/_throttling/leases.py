"""The part of one event loop in the pace of its fleet.

Nothing is asked before the server has refused somebody. From then on calls go out with permits that
are leased ahead by one task, so that the throttle itself never waits for an answer. If the limiter
fails, calls keep to an even share of the pace until it works again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final

from propq_async.clock import Clock

from .fleet import LEFT_ALONE_SECONDS, Closing, Lease, Pace, SharedLimiter
from .window import Window

logger = logging.getLogger("propq_async.throttle")

# What was sent longer ago than this says nothing of the window in which the server refused.
REPORTED_SECONDS: Final = 60.0

# A report waits for the answers that are still under way: half of the wait, but not longer.
REPORT_AFTER_SECONDS: Final = 10.0


class Leases:
    """Permits of one event loop.

    `waiting` counts the calls that wait for a permit, and `pump` lets those go that may.
    `taken_since` tells when the calls were sent that the server has taken since a moment.
    `is_engaged` says whether calls need a permit.
    """

    def __init__(
        self,
        limiter: SharedLimiter,
        clock: Clock,
        *,
        waiting: Callable[[], int],
        pump: Callable[[], None],
        taken_since: Callable[[float], list[float]],
    ) -> None:
        self._limiter = limiter
        self._monotonic = clock.monotonic
        self._waiting = waiting
        self._pump = pump
        self._taken_since = taken_since
        self.is_engaged: bool = False
        self._pace: Pace | None = None
        self._members = 1
        # The permits at hand, and until when they may be used.
        self._permits = 0
        self._permits_end_at = -math.inf
        # The closing that is over when a call that was sent after this moment succeeds.
        self._probe: tuple[int, float] | None = None
        # What was sent before is refused because of a closing that is known.
        self._closed_at = -math.inf
        self._share: Window | None = None
        # When the calls went out that may count in the server's window.
        self._sent_at: deque[float] = deque()
        self._asks_again_at = -math.inf
        self._is_troubled = False
        self._news = asyncio.Event()
        self._replenishing: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.joined: asyncio.Task[None] = self._start(self._join())

    def detach(self) -> list[asyncio.Task[None]]:
        self.is_engaged = False
        for task in self._tasks:
            task.cancel()
        return list(self._tasks)

    # --- one call -----------------------------------------------------------------------------

    def offers(self, now: float) -> bool:
        """Return whether a permit is there, so that a call may go although the throttle closed."""
        return self.is_engaged and self._share is None and self.delay(now) <= 0

    def delay(self, now: float) -> float:
        """Return the seconds until there may be a permit, and see to it that there will be one."""
        share = self._share
        if share is not None:
            if now >= self._asks_again_at:
                self._replenish()
            return share.delay(now)
        if self._permits_left(now):
            return 0.0
        self._replenish()
        return math.inf

    def sent(self, now: float) -> None:
        if self.is_engaged:
            self._sent_at.append(now)
            self._permits = max(0, self._permits - 1)

    def _permits_left(self, now: float) -> int:
        return self._permits if now < self._permits_end_at else 0

    def succeeded(self, sent_at: float) -> None:
        if self._probe is not None and sent_at >= self._probe[1]:
            epoch, self._probe = self._probe[0], None
            self._start(self._tell(partial(self._limiter.proven, epoch)))

    def refused(self, sent_at: float, now: float, seconds: float, stated: int | None) -> None:
        """Take note that the server refused a call because of its limit."""
        self.is_engaged = True
        if sent_at <= self._closed_at:
            return
        self._close(now)
        self._start(self._say_refused(seconds, stated))

    # --- what the others say ------------------------------------------------------------------

    async def _join(self) -> None:
        try:
            pace = await self._limiter.join()
        except Exception as error:  # noqa: BLE001 - a limiter of the user's may raise anything
            self._failed(error)
        else:
            if pace is not None:
                self._pace, self.is_engaged = pace, True
        self._start(self._listen())

    async def _listen(self) -> None:
        async for event in self._limiter.events():
            if isinstance(event, Closing):
                self.is_engaged = True
                self._close(self._monotonic())
                self._start(self._report(event))
            self._news.set()
            self._pump()

    def _close(self, now: float) -> None:
        self._closed_at, self._permits, self._probe = now, 0, None

    async def _say_refused(self, seconds: float, stated: int | None) -> None:
        await self._tell(partial(self._limiter.refused, seconds, stated))
        self._news.set()

    async def _report(self, closing: Closing) -> None:
        if closing.is_stated:
            return
        await asyncio.sleep(min(REPORT_AFTER_SECONDS, closing.seconds / 2))
        now = self._monotonic()
        sent_ago = [now - at for at in self._taken_since(now - REPORTED_SECONDS)]
        await self._tell(partial(self._limiter.report, closing.epoch, sent_ago))

    async def _tell(self, work: Callable[[], Awaitable[Any]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - the same
            self._failed(error)

    # --- permits ------------------------------------------------------------------------------

    def _replenish(self) -> None:
        if self._replenishing is None or self._replenishing.done():
            self._replenishing = self._start(self._lease())

    async def _lease(self) -> None:
        while self.is_engaged:
            asked_at = self._monotonic()
            want = self._waiting() - self._permits_left(asked_at)
            if want <= 0:
                return
            self._news.clear()
            try:
                lease = await self._limiter.lease(want, self._pace)
            except Exception as error:  # noqa: BLE001 - the same
                self._failed(error)
                self._pump()
                return
            self._take_over(lease, asked_at)
            self._pump()
            if not lease.count:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(lease.starts_in):
                        await self._news.wait()

    def _take_over(self, lease: Lease, asked_at: float) -> None:
        self._share, self._is_troubled = None, False
        self._members = lease.members
        if lease.pace is not None:
            self._pace = lease.pace
            while self._sent_at and asked_at - self._sent_at[0] >= lease.pace.seconds:
                self._sent_at.popleft()
        if lease.valid_for == math.inf:
            self.is_engaged = False
            return
        if asked_at < self._closed_at or not lease.count:
            return
        self._permits = self._permits_left(asked_at) + lease.count
        self._permits_end_at = asked_at + lease.valid_for
        if lease.epoch is not None:
            self._probe = lease.epoch, asked_at

    def _failed(self, error: Exception) -> None:
        logger.log(
            logging.DEBUG if self._is_troubled else logging.WARNING,
            "the shared limiter failed (%s); this process keeps to its share",
            type(error).__name__,
        )
        self._is_troubled = True
        self._asks_again_at = self._monotonic() + LEFT_ALONE_SECONDS
        if self._pace is None:
            # As without a limiter.
            self.is_engaged = False
        elif self._share is None:
            limit = max(1, self._pace.limit // self._members)
            self._share = Window(limit, self._pace.seconds, self._sent_at)
            # What went out with a permit counts. What has not gone yet is part of the share.
            self._permits = 0

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
