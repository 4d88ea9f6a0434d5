"""The order of the updates of one unit, in all event loops of a factory.

An update sets absolute values. So of updates that set different ones, the one that began last must
be the last one sent:

- No two of them are in flight at once.
- One whose attempt failed makes no further one once a newer one has begun.
- One that waits to be sent when a newer one goes out is never sent.

A unit nearly always has one update at a time, which makes and clears an entry in a dictionary and
pays for nothing else. Only a second one makes a `Crowd` of them. Updates that set the same values
do not get in each other's way.
"""

from __future__ import annotations

import asyncio
import threading
from time import monotonic
from typing import Protocol, TypeAlias

Unit: TypeAlias = tuple[str, str]
"""A development id, and what all names of one unit have in common."""


class Contender(Protocol):
    """An update, as far as the order is concerned.

    Attributes:
        body: the values that it sets, as they are sent.
        crowd: the updates of this unit, `None` while there has been no other one.
        in_flight: whether an attempt is under way.
        is_overtaken: whether a newer update has gone out first.
        waiter: what it awaits while another one is in flight, and has awaited when its turn comes.
    """

    body: bytes | None
    crowd: Crowd | None
    # Defaults of the class, since setting them in a constructor would cost every call.
    in_flight: bool = False
    is_overtaken: bool = False
    waiter: asyncio.Future[None] | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop that it runs in."""
        ...

    @property
    def attempt_seconds(self) -> float:
        """Return the longest that an attempt of it takes."""
        ...


class Crowd:
    """The updates of one unit that are not done, in the order in which they began.

    They may belong to several threads, so what concerns more than one of them needs the lock.
    """

    def __init__(self, lock: threading.RLock, first: Contender) -> None:
        self._lock = lock
        # When one last went out, ended an attempt, stepped back or left, as `time.monotonic` says.
        self._changed_at = monotonic()
        self.members: list[Contender] = [first]
        first.crowd = self

    def is_superseded(self, one: Contender) -> bool:
        """Return whether one that was sent must not be sent again."""
        with self._lock:
            newer = self.members[self.members.index(one) + 1 :]
            return one.is_overtaken or any(other.body != one.body for other in newer)

    def go(self, one: Contender) -> bool:
        """Let one go out, unless it has to wait or must not. Older ones that differ never will."""
        with self._lock:
            one.in_flight, one.waiter = False, None
            if one.is_overtaken or self._ahead_of(one) is not None:
                return False
            for older in self.members[: self.members.index(one)]:
                older.is_overtaken |= older.body != one.body
            self._changed_at = monotonic()
            one.in_flight = True
            return True

    async def turn(self, one: Contender) -> None:
        """Wait while another one is in flight, or waits for its turn before this one."""
        while True:
            with self._lock:
                other = self._ahead_of(one)
                if other is None:
                    return
                one.waiter = asyncio.get_running_loop().create_future()
                seconds = self._changed_at + other.attempt_seconds - monotonic()
            try:
                async with asyncio.timeout(seconds):
                    await one.waiter
            except TimeoutError:
                with self._lock:
                    if monotonic() >= self._changed_at + other.attempt_seconds:
                        # Its event loop stands still, or runs in the process that ours was forked
                        # from.
                        other.in_flight, other.waiter = False, None
                        self.wake()

    def step_back(self, one: Contender) -> None:
        """Let others go ahead of one whose turn has come, since it has to wait for something."""
        with self._lock:
            one.waiter = None
            self.wake()

    def wake(self) -> None:
        """Let those go on that wait for no other one any more, by the rule of `_ahead_of`.

        If all looked for themselves, a thousand updates of one unit would take a million looks.
        """
        with self._lock:
            self._changed_at = monotonic()
            waiting = [(one, one.waiter) for one in self.members if one.waiter is not None]
            if not waiting:
                return
            ahead = {one.body for one in self.members if one.in_flight and not one.loop.is_closed()}
            for one, waiter in waiting:
                if len(ahead) > 1:
                    return  # no other one has the values of both
                if one.loop.is_closed():
                    continue
                if ahead <= {one.body}:
                    try:
                        one.loop.call_soon_threadsafe(_wake, waiter)
                    except RuntimeError:
                        continue  # its event loop has been closed just now
                ahead.add(one.body)

    def _ahead_of(self, one: Contender) -> Contender | None:
        """Return another one that has to end its attempt first, `None` if there is none."""
        is_older = True
        for other in self.members:
            if other is one:
                is_older = False
            elif (
                (other.in_flight or (is_older and other.waiter is not None))
                and other.body != one.body
                and not other.loop.is_closed()
            ):
                return other
        return None


class UnitOrder:
    """The updates of all units that are not done.

    Attributes:
        units: each unit that has any, with one of them. An update enters with `setdefault`, and
            has to `join` if that returns another one. Without a crowd it leaves with `del`.
    """

    def __init__(self) -> None:
        self.units: dict[Unit, Contender] = {}
        # Reentrant, since the garbage collector may end an abandoned call at any moment.
        self._lock = threading.RLock()

    def join(self, unit: Unit, one: Contender) -> None:
        """Enter an update whose unit has another one, unless that has left by now."""
        with self._lock:
            other = self.units.setdefault(unit, one)
            if other is not one:
                crowd = one.crowd = other.crowd or Crowd(self._lock, other)
                crowd.members.append(one)

    def leave(self, unit: Unit, one: Contender, crowd: Crowd) -> None:
        """Take one that is done out of its crowd."""
        with self._lock:
            crowd.members.remove(one)
            if crowd.members:
                self.units[unit] = crowd.members[0]
                crowd.wake()
            else:
                del self.units[unit]


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
