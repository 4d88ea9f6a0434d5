"""What all calls in one event loop share."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import attrs

from propq_async._auth.manager import TokenManager
from propq_async._http.pool import Pool
from propq_async._throttling.throttle import Throttle
from propq_async.clock import Clock

from .counters import Counters
from .retry_budget import RetryBudget
from .unit_order import UnitOrder


@attrs.define(kw_only=True, eq=False, repr=False)
class LoopResources:
    """Pool, tokens, throttle and counters, as one event loop uses them."""

    pool: Pool
    tokens: TokenManager
    throttle: Throttle
    clock: Clock
    random: Callable[[], float] = random.random
    counters: Counters = attrs.field(factory=Counters)
    order: UnitOrder = attrs.field(factory=UnitOrder)
    retry_budget: RetryBudget = attrs.field(factory=RetryBudget)
    loop: asyncio.AbstractEventLoop = attrs.field(factory=asyncio.get_running_loop, init=False)
    is_left: bool = attrs.field(default=False, init=False)

    def leave(self) -> list[asyncio.Task[Any]]:
        """End every call, and return the tasks that are cancelled with them."""
        self.is_left = True
        flight = self.tokens._detach()  # noqa: SLF001 - for the client, not for users
        fleet = self.throttle.leave()
        return [*fleet, *(task for task in (flight, self.throttle.detach()) if task is not None)]


@attrs.define(eq=False, repr=False)
class SessionState:
    """What a session and its `units` share: whether it is entered, and what it uses then."""

    resources: LoopResources | None = None

    def entered(self) -> LoopResources:
        """Return what it uses while it is entered.

        Raises:
            RuntimeError: it is not.
        """
        if self.resources is None:
            raise RuntimeError(
                "this session is not entered: use it inside "
                "`async with propq.session() as session:`"
            )
        return self.resources
