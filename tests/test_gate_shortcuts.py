"""The gate's short ways, beside a gate that never takes them: both do the same."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from hypothesis import example, given, settings
from hypothesis import strategies as st

from propq_async import Clock, RateLimitError, ServerError
from propq_async.gate import Gate, Ticket
from propq_async.wire import Reply

LIMIT, REMAINING = "X-RateLimit-Limit", "X-RateLimit-Remaining"


@attrs.frozen
class Event:
    """What happens: to which of those whom it may concern, and with what."""

    what: str
    whom: int = 0
    held: bool = False
    seconds: float = 1.0
    headers: Mapping[str, str] = attrs.field(factory=dict)


EVENTS = st.builds(
    Event,
    what=st.sampled_from(
        ["come"] * 4 + ["succeed"] * 4 + ["answer", "refuse", "fail", "leave", "cancel", "advance"]
    ),
    whom=st.integers(0, 3),
    held=st.booleans(),
    seconds=st.sampled_from([0.01, 0.3, 1.0, 3.0, 40.0]),
    headers=st.sampled_from(
        [{}, {}, {REMAINING: "2"}, {REMAINING: "0"}, {LIMIT: "5"}, {LIMIT: "5", REMAINING: "1"}]
    ),
)


class World:
    """A gate, and who is where."""

    def __init__(self, max_in_flight: int, cap: float | None, *, has_shortcuts: bool) -> None:
        self.has_shortcuts = has_shortcuts
        self.now = 1_000.0
        self.gate = Gate(
            max_in_flight=max_in_flight,
            max_calls_per_second=cap,
            clock=Clock(wall=lambda: 0.0, monotonic=lambda: self.now, sleep=self._sleep),
        )
        self.inside: dict[int, Ticket] = {}
        self.waiting: dict[int, asyncio.Task[None]] = {}

    @staticmethod
    async def _sleep(_: float) -> None:
        await asyncio.get_running_loop().create_future()

    async def see(self, number: int, event: Event) -> None:
        if event.what == "come":
            ticket = Ticket(held=event.held, patience_seconds=1e9, since=self.now)
            if self.gate.pass_at_once(ticket):
                self.inside[number] = ticket
            else:
                self.waiting[number] = asyncio.create_task(self._enter(number, ticket))
        elif event.what == "advance":
            self.now += event.seconds
            self.gate._pump()
        elif event.what == "cancel":
            if self.waiting:
                self.waiting.pop(sorted(self.waiting)[event.whom % len(self.waiting)]).cancel()
        elif self.inside:
            self._end(self.inside.pop(sorted(self.inside)[event.whom % len(self.inside)]), event)
        for _ in range(3):
            await asyncio.sleep(0)
        if not self.has_shortcuts:
            self.gate._is_calm = False

    async def _enter(self, number: int, ticket: Ticket) -> None:
        assert await self.gate.enter(ticket) is None
        self.inside[number] = ticket
        del self.waiting[number]

    def _end(self, ticket: Ticket, event: Event) -> None:
        gate = self.gate
        if event.what == "succeed":
            gate.succeeded(ticket, Reply(200, event.headers, b""))
        elif event.what == "answer":
            gate.succeeded(ticket)
        elif event.what == "fail":
            gate.failed(ServerError("x", status=500, method="POST", url="http://h/"))
        elif event.what == "refuse":
            error = RateLimitError("x", status=429, method="POST", url="http://h/")
            gate.refused(ticket, error, event.seconds, limited=event.held)
        gate.leave(ticket)

    def state(self) -> dict[str, Any]:
        """Return all that the gate knows, but for the objects that are its own."""
        own = {"_clock", "_monotonic", "_timer", "_is_calm", "_singles", "_rows", "_probe"}
        own |= {"_blocked_by", "_rows_turn"}
        known = {name: value for name, value in vars(self.gate).items() if name not in own}
        known["_held"] = list(known["_held"])
        for window in ("_cap", "_pace"):
            if known[window] is not None:
                known[window] = attrs.asdict(known[window], recurse=False)
        return known | {"inside": sorted(self.inside), "waiting": sorted(self.waiting)}

    async def end(self) -> None:
        tasks = [*self.waiting.values(), self.gate.detach()]
        for task in tasks:
            if task is not None:
                task.cancel()
        await asyncio.wait([task for task in tasks if task is not None] or [_nothing()])


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
        *(COME, COME, Event("refuse", 1, held=True), Event("advance", seconds=0.9)),
        *(COME, Event("advance", seconds=0.1), Event("cancel"), SUCCEED, COME, SUCCEED, COME),
    ],
)
@example(3, 2.0, [COME, SUCCEED, COME, COME, COME, COME])
@example(3, None, [COME, SUCCEED, COME, COME, Event("refuse", held=True), SUCCEED, COME])
@example(3, None, [COME, SUCCEED, *[COME, Event("fail")] * 3, COME, SUCCEED, *[COME] * 3])
@example(
    1,
    None,
    [
        *([COME, SUCCEED] * 6),
        *(COME, Event("refuse", held=True), Event("advance"), *[COME, SUCCEED] * 12),
    ],
)
@example(3, None, [COME, SUCCEED, COME, Event("succeed", headers={LIMIT: "5"}), COME])
@example(3, None, [COME, SUCCEED, COME, Event("succeed", headers={REMAINING: "1"}), COME, COME])
@settings(max_examples=400, deadline=None)
def test_who_takes_a_short_way_gets_where_the_long_one_leads(
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


def test_there_is_a_short_way() -> None:
    async def main() -> None:
        world = World(2, None, has_shortcuts=True)
        for number, event in enumerate([COME, SUCCEED]):
            await world.see(number, event)
        assert world.gate.pass_at_once(Ticket(held=False, patience_seconds=1.0, since=world.now))

    asyncio.run(main())
