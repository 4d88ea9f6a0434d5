"""How a call is made: plainly, or with a total timeout, a memory and an observer around it."""

from __future__ import annotations

import asyncio
from asyncio import get_running_loop
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, cast

from propq_async._process_bound import another_loop
from propq_async.errors import LedgerError
from propq_async.models import UnitUpdate

from .call import Run
from .call_spec import Options, Request
from .memory import AccountMemory
from .rejections import out_of_time
from .resources import LoopResources
from .retries import logger
from .safe_observer import observer_of
from .unit_order import Unit


async def _run_wrapped(run: Run) -> Any:
    """Run a call that has a total timeout, a memory or an observer."""
    options, observer = run.options, run.observer
    run.is_inner = True
    try:
        if run.update is None or options.memory is None:
            coroutine = run.run()
        else:
            coroutine = _run_remembered(run, options.memory, run.update)
        total = options.retry.total_timeout_seconds
        value = await (coroutine if total is None else _run_within(run, total, coroutine))
    except BaseException as error:
        run.count(error)
        if observer is not None:
            observer.ended(error)
        raise
    if observer is not None:
        observer.ended(None)
    return value


async def _run_within(run: Run, total_seconds: float, coroutine: Coroutine[Any, Any, Any]) -> Any:
    timeout = asyncio.timeout(total_seconds)
    try:
        async with timeout:
            return await coroutine
    except TimeoutError:
        # A clock, a trace hook or a token store may raise one, too.
        if not timeout.expired():
            raise
    raise run.settle(out_of_time(run, total_seconds))


async def _run_remembered(run: Run, memory: AccountMemory, update: UnitUpdate) -> Any:
    """Run a call with a mark before its first attempt, and a note of the acknowledgement."""
    order = run.resources.order
    # Entered here and not in `run`: the next one of the unit waits for the note as well.
    unit, run.unit = cast("Unit", run.unit), None
    if order.units.setdefault(unit, run) is not run:
        order.join(unit, run)
    mark = None
    try:
        if run.crowd is not None:
            await run.wait_for_others(run.crowd)
        run.in_flight = True
        mark = memory.mark(update)
        await mark.written()
        run.in_flight = False
        if run.crowd is not None:
            run.crowd.wake()
        value = await run.run()
        run.in_flight = True
        try:
            await mark.acknowledge()
        except LedgerError as error:
            # What is in doubt is sent again. The update itself is applied.
            logger.warning("%s stays in doubt: %s", update.name, error)
    except BaseException:
        if mark is not None and not run.may_have_been_applied:
            with suppress(RuntimeError):  # the ledger is closed
                mark.take_back()
        raise
    finally:
        run.in_flight = False
        if run.crowd is None:
            del order.units[unit]
        else:
            order.leave(unit, run, run.crowd)
    return value


# `make`, `Pool.call` and `Units._update` return a coroutine instead of being coroutine functions:
# each coroutine that only awaits another would cost every call some time.
def make(
    run: Run, resources: LoopResources, request: Request, body: bytes | None, options: Options
) -> Coroutine[Any, Any, Any]:
    """Make a call, as often as it takes, and return its value.

    Raises:
        APIError: the call failed.
        TokenError: there is no token to make the call with.
        RuntimeError: the resources belong to another event loop.
    """
    if get_running_loop() is not resources.loop:
        raise another_loop("session", "enter one here, `async with propq.session() as session:`")
    resources.counters.calls += 1
    run.resources = resources
    run.request = request
    run.body = body
    run.options = options
    # As an attribute and not as a method, which is found faster. So it is below and elsewhere.
    monotonic = resources.clock.monotonic
    run.since = monotonic()
    if run.terms is None:
        resources.retry_budget.calls.append(run.since)
    # What every call uses: here it is found faster than in the class. And attributes that calls
    # get only after many more were made would cost each of them a dictionary of its own.
    run.crowd = run.refused = run.observer = run.wakeup = None
    run.requests = run.attempts = run.put_off = 0
    run.in_flight = run.sent = run.stale = False
    run.sent_at = run.since
    if options.on_call is not None:
        run.observer = observer_of(run, options.on_call)
    return run.run() if options.is_plain and run.observer is None else _run_wrapped(run)
