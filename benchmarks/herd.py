"""What many calls at once do to the token endpoint. Every count is the server's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import attrs

from .peers import Peer
from .server import Plan, Step

__all__ = ["CASES", "Case", "run"]

LIMIT_SECONDS: Final = 45.0
# For those that would try for ever.
FAILING_SECONDS: Final = 20.0

# The fetch blocks the event loop: when others get a turn it is over, and nobody waits any more.
BLOCKS: Final = "blocks"


@attrs.frozen
class Case:
    """One row: what is done, and what should come of it."""

    title: str
    wanted: str
    play: Callable[[Trial], Awaitable[str]]


@attrs.frozen
class Trial:
    """One case for one peer."""

    peer_class: type[Peer]
    server: str

    @asynccontextmanager
    async def peer(self, *steps: Step) -> AsyncIterator[tuple[Peer, Plan]]:
        """Give a new client of an endpoint that plays these steps."""
        async with aiohttp.ClientSession() as session:
            plan = await Plan.make(self.server, session, steps)
            peer = self.peer_class(plan.url)
            try:
                yield peer, plan
            finally:
                await peer.aclose()

    @asynccontextmanager
    async def ageing(self, *steps: Step) -> AsyncIterator[tuple[Peer, Plan]]:
        """Give a client whose token is due for renewal, which these steps will answer."""
        first = Step(expires_in=self.peer_class.ageing_lifetime_seconds)
        async with self.peer(first, *steps) as (peer, plan):
            await peer.get()
            peer.age()
            yield peer, plan


async def run(case: Case, peer_class: type[Peer], server: str) -> str:
    """Return the cell of the table."""
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            return await case.play(Trial(peer_class, server))
    except TimeoutError:
        return "not done"
    except Exception as error:  # noqa: BLE001 - a call that breaks is a result as well
        return type(error).__name__


def _call(peer: Peer, count: int) -> list[asyncio.Task[Any]]:
    async def get() -> None:
        await peer.get()

    return [asyncio.create_task(get()) for _ in range(count)]


async def _failed(tasks: list[asyncio.Task[Any]]) -> int:
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    return sum(isinstance(outcome, BaseException) for outcome in outcomes)


async def _until_asked(plan: Plan) -> None:
    await plan.arrivals(at_least=1)
    await asyncio.sleep(0.2)  # let the others come, of those that make a request each


async def _cold(trial: Trial) -> str:
    async with trial.peer(Step(delay_seconds=0.1)) as (peer, plan):
        await asyncio.gather(*_call(peer, 1000))
        return str(await plan.requests())


async def _stale(trial: Trial) -> str:
    async with trial.ageing(Step(delay_seconds=1.0)) as (peer, plan):
        waits = []

        async def get() -> None:
            await peer.get()
            waits.append(time.perf_counter() - start)

        start = time.perf_counter()
        await asyncio.gather(*(get() for _ in range(4000)))
        await plan.arrivals(at_least=2)  # it was to be renewed, indeed
        return str(sum(wait > 0.5 for wait in waits))


async def _revoked(trial: Trial) -> str:
    async with trial.peer(Step()) as (peer, plan):
        revoked = await peer.bearer()
        failed = 0

        async def call() -> None:
            nonlocal failed
            bearer = await peer.bearer()
            # The answer to the call takes its time: meanwhile all others are under way.
            await asyncio.sleep(0.05)
            if bearer == revoked:
                peer.refuse(bearer)
                again = await peer.bearer()
                failed += again == revoked

        await asyncio.gather(*(call() for _ in range(1000)))
        return f"{await plan.requests() - 1} / {failed}"


async def _all_refused(trial: Trial) -> str:
    async with trial.peer(Step()) as (peer, plan):
        for _ in range(10):
            # What a call does whose token is refused, and then the one of its replay.
            for _ in range(2):
                peer.refuse(await peer.bearer())
        return str(await plan.requests() - 1)


async def _first_cancelled(trial: Trial) -> str:
    async with trial.peer(Step(delay_seconds=0.5)) as (peer, plan):
        first, *others = _call(peer, 100)
        await _until_asked(plan)
        if not first.cancel():
            return BLOCKS
        failed = await _failed(others)
        return f"{len(others) - failed} / {await plan.requests()}"


async def _all_cancelled(trial: Trial) -> str:
    async with trial.peer(Step(delay_seconds=0.5)) as (peer, plan):
        tasks = _call(peer, 50)
        await _until_asked(plan)
        cancelled = [task.cancel() for task in tasks]
        if not all(cancelled):
            return BLOCKS
        await asyncio.wait(tasks)
        await peer.get()
        return str(await plan.requests())


async def _one_failure(trial: Trial) -> str:
    async with trial.peer(Step(status=500), Step()) as (peer, plan):
        failed = await _failed(_call(peer, 100))
        return f"{failed} / {await plan.requests()}"


async def _always_failing(trial: Trial) -> str:
    async with trial.peer(Step(status=500)) as (peer, plan):
        start = time.perf_counter()
        _, pending = await asyncio.wait(_call(peer, 100), timeout=FAILING_SECONDS)
        seconds = time.perf_counter() - start
        requests = await plan.requests()
        return f"{requests} / over {seconds:.0f}" if pending else f"{requests} / {seconds:.1f}"


async def _down_but_good(trial: Trial) -> str:
    async with trial.ageing(Step(status=503)) as (peer, plan):
        start = time.perf_counter()
        failed = await _failed(_call(peer, 20))
        seconds = time.perf_counter() - start
        await plan.arrivals(at_least=2)  # it was to be renewed, indeed
        return f"{failed} / {seconds:.1f}"


async def _wrong_secret(trial: Trial) -> str:
    async with trial.peer(Step(status=401)) as (peer, plan):
        await _failed(_call(peer, 1))
        return str(await plan.requests())


async def _retry_after(trial: Trial) -> str:
    async with trial.peer(Step(status=429, retry_after="2"), Step()) as (peer, plan):
        if await _failed(_call(peer, 1)):
            return "error"
        refused, served = await plan.arrivals()
        return f"{served - refused:.1f}"


async def _short_lived(trial: Trial) -> str:
    async with trial.peer(Step(expires_in=10)) as (peer, plan):
        for _ in range(20):
            await peer.get()
        return str(await plan.requests())


CASES: Final = (
    Case("cold, 1,000 calls at once: token requests", "1", _cold),
    Case("token to be renewed, which takes 1 s, 4,000 calls: waited over 0.5 s", "0", _stale),
    Case("token revoked, 1,000 calls: further requests / calls failed", "1 / 0", _revoked),
    Case("every token refused, 10 calls in a row: further requests", "bounded", _all_refused),
    Case("first of 100 waiters cancelled: others served / requests", "99 / 1", _first_cancelled),
    Case("all 50 waiters cancelled, then one call: requests", "1", _all_cancelled),
    Case("one 500, 100 waiters: failed / requests", "0 / 2", _one_failure),
    Case("always 500, 100 waiters: requests / seconds", "one budget", _always_failing),
    Case("endpoint down, old token good, 20 calls: failed / seconds", "0 / 0.0", _down_but_good),
    Case("wrong secret (401), one call: requests", "1", _wrong_secret),
    Case("429 with Retry-After: 2, one call: seconds until the next request", "2.0", _retry_after),
    Case("lifetime of 10 s, 20 calls in a row: requests", "1", _short_lived),
)
