"""What hooks see of calls, and that their mistakes cost none."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from propq_async import NotFoundError, RetryPolicy
from propq_async.hooks import CallObserver, EndedAttempt, StartedCall, WaitReason
from tests.helpers.support import an_update, answer, playing, token_answer, until

OK = answer(200, {}, headers={"X-Request-Id": "r-7"})
ROUTE = "/v1/developments/{development_id}/units/update-by-name"


class Notes:
    """A hook that notes what it is told, of all calls."""

    def __init__(self) -> None:
        self.started: list[StartedCall] = []
        self.waits: list[tuple[str, float]] = []
        self.attempts: list[EndedAttempt] = []
        self.ends: list[str] = []

    def __call__(self, call: StartedCall) -> CallObserver | None:
        self.started.append(call)
        return self

    def waited(self, reason: WaitReason, seconds: float) -> None:
        self.waits.append((reason, seconds))

    def attempted(self, attempt: EndedAttempt) -> None:
        self.attempts.append(attempt)

    def ended(self, error: BaseException | None) -> None:
        self.ends.append(type(error).__name__)


async def test_a_hook_sees_a_call_from_its_beginning_to_its_end() -> None:
    notes = Notes()
    closed = answer(429, headers={"Retry-After": "7"})
    async with playing(answer(503), closed, None, OK, on_call=notes) as play:
        await play.session.units.update(an_update("Z-999"))
        url = play.propq.base_url
    (call,) = notes.started
    assert (call.method, call.route, call.unit) == ("POST", ROUTE, ("4711", "Z-999"))
    assert call.url == url + ROUTE.format(development_id="4711")
    assert not call.is_batch_row
    assert [one.number for one in notes.attempts] == [1, 2, 3, 4]
    assert [one.status for one in notes.attempts] == [503, 429, None, 200]
    assert [one.request_id for one in notes.attempts] == [None, None, None, "r-7"]
    errors = [type(one.error).__name__ for one in notes.attempts]
    assert errors == ["ServerError", "RateLimitError", "APIConnectionError", "NoneType"]
    waits = [reason for reason, seconds in notes.waits if seconds]
    assert waits == ["retry", "throttle", "retry"]
    assert sum(seconds for reason, seconds in notes.waits if reason == "throttle") > 6.9
    # It is fetched without a clock that moves.
    assert "token" in [reason for reason, _ in notes.waits]
    assert notes.ends == ["NoneType"]


async def test_a_hook_sees_why_a_call_failed() -> None:
    notes = Notes()
    async with playing(answer(404), on_call=notes) as play:
        with pytest.raises(NotFoundError) as caught:
            await play.session.request("GET", "/v1/things")
    assert (notes.started[0].route, notes.started[0].unit) == (None, None)
    assert notes.attempts[0].error is caught.value
    assert notes.ends == ["NotFoundError"]


async def test_a_hook_sees_rows_and_cancellations() -> None:
    notes = Notes()
    never = asyncio.Event()

    async def hang(*_: object) -> None:
        await never.wait()

    async with playing(OK, hang, on_call=notes) as play:
        batch = play.session.units.update_many([an_update("a"), an_update("b")])
        await anext(batch)
        await until(lambda: len(play.calls) == 2)
        await batch.aclose()
    assert [call.is_batch_row for call in notes.started] == [True, True]
    assert notes.ends == ["NoneType", "CancelledError"]


async def test_a_hook_sees_a_call_that_is_out_of_time_as_such() -> None:
    notes = Notes()
    never = asyncio.Event()

    async def hang(*_: object) -> None:
        await never.wait()

    retry = RetryPolicy(total_timeout_seconds=0.05)
    async with playing(hang, retry=retry, on_call=notes) as play:
        with pytest.raises(Exception, match="total_timeout_seconds"):
            await play.session.units.update(an_update())
        assert play.propq.stats().outcomes == {"APITimeoutError": 1}
    assert notes.ends == ["APITimeoutError"]


async def test_an_update_that_waits_for_another_one_of_its_unit_says_so() -> None:
    notes, go = Notes(), asyncio.Event()

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await go.wait()
        writer.write(OK)
        await writer.drain()

    async with playing(wait, OK, on_call=notes) as play:
        first = asyncio.create_task(play.session.units.update(an_update(price=1)))
        await until(lambda: len(play.calls) == 1)
        second = asyncio.create_task(play.session.units.update(an_update(price=2)))
        await until(lambda: len(notes.started) == 2)
        go.set()
        await asyncio.gather(first, second)
    assert "unit" in [reason for reason, _ in notes.waits]


async def test_a_refused_token_is_one_more_attempt() -> None:
    notes = Notes()
    tokens: Any = [token_answer("one"), token_answer("two")]
    async with playing(answer(401), OK, tokens=tokens, on_call=notes) as play:
        await play.session.units.update(an_update())
    assert [one.status for one in notes.attempts] == [401, 200]
    assert [reason for reason, _ in notes.waits] == ["throttle", "token", "token"]


async def test_a_call_that_nothing_watches_is_made_as_without_a_hook() -> None:
    async with playing(OK, on_call=lambda _: None) as play:
        assert await play.session.units.update(an_update()) == {}


class Broken:
    """A hook with a bug in one of its methods."""

    def __init__(self, bug: str) -> None:
        self.bug = bug
        self.told: list[str] = []

    def _tell(self, what: str) -> None:
        self.told.append(what)
        if what == self.bug:
            raise LookupError("a bug")

    def __call__(self, _: StartedCall) -> CallObserver | None:
        self._tell("on_call")
        return self

    def waited(self, *_: object) -> None:
        self._tell("waited")

    def attempted(self, _: EndedAttempt) -> None:
        self._tell("attempted")

    def ended(self, _: BaseException | None) -> None:
        self._tell("ended")


@pytest.mark.parametrize("bug", ["on_call", "waited", "attempted", "ended"])
async def test_a_bug_in_a_hook_costs_no_call(bug: str, caplog: pytest.LogCaptureFixture) -> None:
    broken = Broken(bug)
    async with playing(answer(503), OK, on_call=broken) as play:
        assert await play.session.units.update(an_update()) == {}
        assert play.propq.stats().outcomes == {"ok": 1}
    (error,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert error.exc_info is not None
    # After it, nothing more is told of this call.
    assert broken.told.index(bug) == len(broken.told) - 1
