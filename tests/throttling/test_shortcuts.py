"""The throttle's shortcuts, beside a throttle that never takes them: both do the same."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from propq_async import Clock, RateLimitError, ServerError
from propq_async._throttling.outage import Outage
from propq_async._throttling.permit import Permit
from propq_async._throttling.throttle import Throttle
from propq_async._throttling.turn_waits import WARNING_WAIT_SECONDS
from propq_async._wire.messages import Reply
from tests.helpers.throttling import a_permit, an_error

LIMIT, REMAINING = "X-RateLimit-Limit", "X-RateLimit-Remaining"


@attrs.frozen
class Event:
    """What happens: to which of the calls that it may happen to, and with what.

    `flag`: a call that comes is a row, or a refusal is for a rate limit.
    """

    what: str
    whom: int = 0
    flag: bool = False
    seconds: float = 1.0
    headers: Mapping[str, str] = attrs.field(factory=dict)


# What two throttles that do the same need not have in common.
OWN = {"_clock", "_monotonic", "_timer", "_at_once", "_queues", "_shared", "_noted", "_waits"} | {
    "_closing",
    "_outage",
    "_breaker",
    "_pace",
    "seen",
    "_random",
    "_blame",
    "overloads",
    "probe",
    "error",
}


def _fields(part: object) -> dict[str, Any]:
    if isinstance(part, Outage):
        return attrs.asdict(part, recurse=False)
    return vars(part)


EVENTS = st.builds(
    Event,
    what=st.sampled_from(
        ["come"] * 4
        + ["succeed"] * 4
        + ["answer", "refuse", "overload", "fail", "leave", "cancel", "advance"]
    ),
    whom=st.integers(0, 3),
    flag=st.booleans(),
    seconds=st.sampled_from([0.01, 0.3, 1.0, 3.0, 40.0]),
    headers=st.sampled_from(
        [{}, {}, {REMAINING: "2"}, {REMAINING: "0"}, {LIMIT: "5"}, {LIMIT: "5", REMAINING: "1"}]
    ),
)


class World:
    """A throttle, and who is where."""

    def __init__(self, max_in_flight: int, cap: float | None, *, has_shortcuts: bool) -> None:
        self.has_shortcuts = has_shortcuts
        self.now = 1_000.0
        self.throttle = Throttle(
            max_in_flight=max_in_flight,
            max_calls_per_second=cap,
            clock=Clock(wall=lambda: 0.0, monotonic=lambda: self.now, sleep=self._sleep),
            random=lambda: 0.5,
        )
        self.inside: dict[int, Permit] = {}
        self.waiting: dict[int, asyncio.Task[None]] = {}

    @staticmethod
    async def _sleep(_: float) -> None:
        await asyncio.get_running_loop().create_future()

    async def see(self, number: int, event: Event) -> None:
        if event.what == "come":
            permit = a_permit(is_batch_row=event.flag, since=self.now)
            if self.throttle.try_acquire(permit):
                self.inside[number] = permit
            else:
                self.waiting[number] = asyncio.create_task(self._enter(number, permit))
        elif event.what == "advance":
            self.now += event.seconds
            self.throttle._pump()
        elif event.what == "cancel":
            if self.waiting:
                self.waiting.pop(sorted(self.waiting)[event.whom % len(self.waiting)]).cancel()
        elif self.inside:
            self._end(self.inside.pop(sorted(self.inside)[event.whom % len(self.inside)]), event)
        for _ in range(3):
            await asyncio.sleep(0)
        if not self.has_shortcuts:
            self.throttle._at_once = 0

    async def _enter(self, number: int, permit: Permit) -> None:
        assert await self.throttle.acquire(permit) is None
        self.inside[number] = permit
        del self.waiting[number]

    def _end(self, permit: Permit, event: Event) -> None:
        throttle = self.throttle
        if event.what == "succeed":
            throttle.succeeded(permit, Reply(200, event.headers, b""))
        elif event.what == "answer":
            throttle.succeeded(permit)
        elif event.what == "fail":
            throttle.failed(ServerError("x", status=500, method="POST", url="http://h/"))
        elif event.what == "overload":
            throttle.unavailable(permit)
            if event.flag:
                throttle.overloaded(permit, an_error(503))
        elif event.what == "refuse":
            error = RateLimitError("x", status=429, method="POST", url="http://h/")
            throttle.refused(permit, error, event.seconds, limited=event.flag)
        throttle.release(permit)

    def state(self) -> dict[str, Any]:
        """Return all that the throttle knows, but for the objects that are its own."""
        throttle = self.throttle
        parts = (
            throttle,
            throttle._pace,
            throttle._pace.seen,
            throttle._breaker,
            throttle._outage,
            throttle._blame,
            throttle.overloads,
            throttle._waits,
        )
        known = {
            f"{type(part).__name__}.{name}": _plain(value)
            for part in parts
            for name, value in _fields(part).items()
            if name not in OWN
        }
        if throttle._shared.cap is not None:
            known["cap"] = list(throttle._shared.cap._window.sent_at)
        if throttle._closing is not None:
            closing = attrs.asdict(throttle._closing, recurse=False)
            known["closing"] = closing | {"error": None}
        return known | {"inside": sorted(self.inside), "waiting": sorted(self.waiting)}

    async def end(self) -> None:
        tasks = [*self.waiting.values(), self.throttle.detach()]
        for task in tasks:
            if task is not None:
                task.cancel()
        await asyncio.wait([task for task in tasks if task is not None] or [_nothing()])


def _plain(value: Any) -> Any:
    """Return a value that can be compared."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return attrs.asdict(value) if attrs.has(type(value)) else value


def _nothing() -> asyncio.Future[None]:
    done = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done


COME, SUCCEED = Event("come"), Event("succeed")


@given(
    max_in_flight=st.sampled_from([1, 2, 2, 3]),
    cap=st.sampled_from([None, None, None, 2.0]),
    events=st.lists(EVENTS, min_size=5, max_size=60),
)
# It asks at the moment of reopening, and gives up.
@example(
    2,
    None,
    [
        *(COME, COME, Event("refuse", 1, flag=True), Event("advance", seconds=0.9)),
        *(COME, Event("advance", seconds=0.1), Event("cancel"), SUCCEED, COME, SUCCEED, COME),
    ],
)
@example(3, 2.0, [COME, SUCCEED, COME, COME, COME, COME])
@example(3, None, [COME, SUCCEED, COME, COME, Event("refuse", flag=True), SUCCEED, COME])
@example(3, None, [COME, SUCCEED, *[COME, Event("fail")] * 3, COME, SUCCEED, *[COME] * 3])
@example(
    1,
    None,
    [
        *([COME, SUCCEED] * 6),
        *(COME, Event("refuse", flag=True), Event("advance"), *[COME, SUCCEED] * 12),
    ],
)
@example(3, None, [COME, SUCCEED, COME, Event("succeed", headers={LIMIT: "5"}), COME])
@example(3, None, [COME, SUCCEED, COME, Event("succeed", headers={REMAINING: "1"}), COME, COME])
@settings(max_examples=200, deadline=None)
def test_a_shortcut_does_what_the_long_way_does(
    max_in_flight: int, cap: float | None, events: Sequence[Event]
) -> None:
    async def main() -> None:
        worlds = [World(max_in_flight, cap, has_shortcuts=has) for has in (True, False)]
        for number, event in enumerate(events):
            for world in worlds:
                await world.see(number, event)
            short, long = (world.state() for world in worlds)
            assert short == long
        for world in worlds:
            await world.end()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("headers", "shortcuts"),
    [
        ({}, 3),
        ({LIMIT: "60", REMAINING: "59"}, 3),
        ({LIMIT: "60", REMAINING: "2"}, 2),
        # One always goes, to learn of the next.
        ({LIMIT: "60", REMAINING: "0"}, 1),
    ],
)
def test_there_is_a_shortcut(headers: dict[str, str], shortcuts: int) -> None:
    """A limit that comes with every answer keeps no call back while it is far away."""

    async def main() -> None:
        world = World(3, None, has_shortcuts=True)
        for number, event in enumerate([COME, Event("succeed", headers=headers)]):
            await world.see(number, event)
        permits = [a_permit(patience=1.0, since=world.now) for _ in range(4)]
        assert sum(map(world.throttle.try_acquire, permits)) == shortcuts

    asyncio.run(main())


def test_a_place_that_is_free_goes_straight_to_the_next_call() -> None:
    """Nothing else is looked at meanwhile: with many calls waiting, each would pay for that."""

    async def main() -> None:
        world = World(1, None, has_shortcuts=True)
        for number, event in enumerate([COME, SUCCEED, COME, COME, COME]):
            await world.see(number, event)
        looks: list[None] = []
        world.throttle._pump = lambda: looks.append(None)  # type: ignore[method-assign]
        for number, event in enumerate([SUCCEED, SUCCEED], start=5):
            await world.see(number, event)
            assert len(world.inside) == 1
        assert looks == []
        await world.end()

    asyncio.run(main())


def test_a_place_that_is_free_in_the_end_is_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    """A call that has waited for long is a warning, and one that is cancelled goes nowhere."""

    async def main() -> None:
        world = World(1, None, has_shortcuts=True)
        for number, event in enumerate([COME, SUCCEED, COME, COME, COME]):
            await world.see(number, event)
        world.now += 2 * WARNING_WAIT_SECONDS
        await world.see(5, SUCCEED)
        assert "calls come faster than they may go out" in caplog.text
        assert list(world.inside) == [3]
        (waiting,) = world.waiting.values()
        waiting.cancel()
        world.throttle.release(world.inside.pop(3))
        assert world.throttle.in_flight == 0
        await world.end()

    asyncio.run(main())
