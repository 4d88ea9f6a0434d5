"""The calls that wait, and whose turn it is."""

from __future__ import annotations

import math
from asyncio import Future
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

from .permit import Permit, Rejected

# `None`: the call may go out.
Answer: TypeAlias = Future[Rejected | None]

_Queue: TypeAlias = deque[tuple[Answer, Permit]]

# Nothing is ever put into it. An empty queue takes a tenth of a factory's memory, and most
# factories of a service with many accounts send no rows.
_NO_ROWS: Final[_Queue] = deque()


class Queues:
    """The calls that wait, each with the future that it awaits.

    Single calls and rows of batches have a queue each, and the queues take turns, so that no call
    waits for a whole batch. A call that was cancelled may still stand in its queue.
    """

    def __init__(self) -> None:
        self.singles: _Queue = deque()
        self.rows: _Queue = _NO_ROWS
        self._is_rows_turn = False

    @property
    def waiting(self) -> int:
        """Return how many calls wait. It may be asked from any thread."""
        queues = (tuple(self.singles), tuple(self.rows))
        return sum(not answer.done() for queue in queues for answer, _ in queue)

    def of(self, permit: Permit) -> _Queue:
        if not permit.is_batch_row:
            return self.singles
        if self.rows is _NO_ROWS:
            self.rows = deque()
        return self.rows

    def let_go(self, delay_of: Callable[[Permit], float], *, untried_first: bool) -> float:
        """Let go the calls whose turn it is, as long as one of them may go out.

        `delay_of` lets a call go out if it may, and returns the seconds until then.
        `untried_first`: calls that the server has refused go last. If they went first after each
        wait, and were refused again, no other call would ever go.

        Returns:
            The seconds until the next one may go; infinity if only an event can tell.
        """
        soonest = math.inf
        stuck = 0
        both = 2
        while stuck < both:
            queue = self.rows if self._is_rows_turn else self.singles
            self._is_rows_turn = not self._is_rows_turn
            _drop_answered(queue)
            if untried_first:
                _put_untried_first(queue)
            delay = delay_of(queue[0][1]) if queue else math.inf
            if delay > 0:
                soonest = min(soonest, delay)
                stuck += 1
                continue
            stuck = 0
            queue.popleft()[0].set_result(None)
        return soonest

    def take_next(self) -> tuple[Answer, Permit] | None:
        """Take out the call whose turn it is, `None` if none waits any more."""
        for _ in (self.singles, self.rows):
            queue = self.rows if self._is_rows_turn else self.singles
            self._is_rows_turn = not self._is_rows_turn
            while queue:
                waiter = queue.popleft()
                if not waiter[0].done():
                    return waiter
        return None

    def reject(self, rejection_of: Callable[[Permit], Rejected | None]) -> list[Permit]:
        """Send away the calls for which there is a rejection, and return the rows that stay."""
        stay = []
        for queue in (self.singles, self.rows):
            for answer, permit in queue:
                if answer.done():
                    continue
                rejected = rejection_of(permit)
                if rejected is not None:
                    answer.set_result(rejected)
                elif permit.is_batch_row:
                    stay.append(permit)
            _drop_answered(queue)
        return stay

    def drain(self) -> list[Answer]:
        """Empty the queues, and return the futures of those that still wait."""
        waiters = [*self.singles, *self.rows]
        self.singles.clear()
        self.rows.clear()
        return [answer for answer, _ in waiters if not answer.done()]


def may_go(answer: Answer) -> bool:
    """Return whether the call was told to go out."""
    if not answer.done() or answer.cancelled():
        return False
    return answer.exception() is None and answer.result() is None


def _drop_answered(queue: _Queue) -> None:
    while queue and queue[0][0].done():
        queue.popleft()


def _put_untried_first(queue: _Queue) -> None:
    for index, (answer, permit) in enumerate(queue):
        if not permit.put_off and not answer.done():
            if index:
                waiter = queue[index]
                del queue[index]
                queue.appendleft(waiter)
            return
