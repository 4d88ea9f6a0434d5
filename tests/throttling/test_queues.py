"""Whose turn it is."""

from __future__ import annotations

import asyncio
import math

from propq_async._throttling.permit import Permit, Rejected
from propq_async._throttling.queues import Queues, may_go
from tests.helpers.throttling import a_permit, an_error


class Waiting(Queues):
    """Queues that say who went out, by the names that the calls were given."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[Permit, str] = {}

    def add(self, *names: str) -> None:
        """Let calls wait. The names of rows begin with `row`."""
        for name in names:
            permit = a_permit(is_batch_row=name.startswith("row"))
            self.names[permit] = name
            self.of(permit).append((asyncio.get_running_loop().create_future(), permit))

    def go(self, many: int, *, untried_first: bool = False, delay: float = math.inf) -> list[str]:
        """Let so many go out, and return their names."""
        gone: list[str] = []

        def delay_of(permit: Permit) -> float:
            if len(gone) == many:
                return delay
            gone.append(self.names[permit])
            return 0.0

        assert self.let_go(delay_of, untried_first=untried_first) == delay
        return gone


async def test_the_queues_take_turns() -> None:
    waiting = Waiting()
    waiting.add("row 1", "row 2", "row 3", "single 1", "single 2")
    assert waiting.go(3, delay=5.0) == ["single 1", "row 1", "single 2"]
    assert waiting.waiting == 2
    assert waiting.go(9) == ["row 2", "row 3"]
    assert waiting.waiting == 0


async def test_a_place_goes_to_whoever_would_be_let_go() -> None:
    handing, letting_go = Waiting(), Waiting()
    for waiting in (handing, letting_go):
        waiting.add("row 1", "row 2", "row 3", "single 1", "single 2")
        waiting.rows[1][0].cancel()
    for _ in range(4):
        waiter = handing.take_next()
        assert waiter is not None
        assert letting_go.go(1) == [handing.names[waiter[1]]]
    assert handing.take_next() is None


async def test_one_queue_that_is_stuck_does_not_stop_the_other() -> None:
    waiting = Waiting()
    waiting.add("row 1", "single 1", "single 2")
    gone: list[str] = []

    def delay_of(permit: Permit) -> float:
        if permit.is_batch_row:
            return 7.0
        gone.append(waiting.names[permit])
        return 0.0

    assert waiting.let_go(delay_of, untried_first=False) == 7
    assert gone == ["single 1", "single 2"]


async def test_calls_that_were_refused_go_last_in_an_outage() -> None:
    waiting = Waiting()
    waiting.add("row 1", "row 2", "row 3", "row 4")
    for (answer, permit), put_off in zip(waiting.rows, (1, 2, 0, 0), strict=True):
        permit.put_off = put_off
        if permit is waiting.rows[2][1]:
            answer.cancel()
    assert waiting.go(9, untried_first=True) == ["row 4", "row 1", "row 2"]


async def test_rejected_calls_leave_and_the_rows_that_stay_are_known() -> None:
    waiting = Waiting()
    waiting.add("row 1", "row 2", "row 3", "single 1", "single 2")
    waiting.rows[2][0].cancel()
    rejected = Rejected(an_error(), 5.0)
    sent_away = waiting.rows[0], waiting.singles[1]
    stay = waiting.reject(
        lambda permit: rejected if permit in (sent_away[0][1], sent_away[1][1]) else None
    )
    assert [waiting.names[permit] for permit in stay] == ["row 2"]
    assert [answer.result() for answer, _ in sent_away] == [rejected] * 2
    assert waiting.waiting == 2


async def test_draining_returns_only_those_that_still_wait() -> None:
    waiting = Waiting()
    waiting.add("row 1", "single 1", "single 2")
    waiting.singles[0][0].cancel()
    assert len(waiting.drain()) == 2
    assert not waiting.rows
    assert not waiting.singles


async def test_only_a_call_without_rejection_or_error_may_go() -> None:
    answers = [asyncio.get_running_loop().create_future() for _ in range(5)]
    answers[0].set_result(None)
    answers[1].set_result(Rejected(an_error(), 5.0))
    answers[2].set_exception(OSError("x"))
    answers[3].cancel()
    assert [may_go(answer) for answer in answers] == [True, False, False, False, False]
