"""What the processes of a fleet tell each other about the limit of their client. Values only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol

import attrs

# How long a limiter is left alone after a failure.
LEFT_ALONE_SECONDS: Final = 10.0


@attrs.frozen
class Pace:
    """At most `limit` calls of the whole fleet in any so many seconds.

    `is_stated`: the server itself says how many.
    """

    limit: int
    seconds: float
    is_stated: bool = False


@attrs.frozen
class Lease:
    """Permits for one process.

    Attributes:
        count: how many. Without a pace there is no limit.
        starts_in: the seconds until they may be used; if there are none, until it is worth asking
            again.
        valid_for: for so many seconds after that.
        pace: what the fleet keeps to, `None` as long as that is not known.
        members: how many processes share it.
        epoch: of the closing that is under way, if this one call is to show whether the server
            takes calls again.
    """

    count: int
    starts_in: float
    valid_for: float
    pace: Pace | None
    members: int
    epoch: int | None = None


@attrs.frozen
class Closing:
    """The server has refused somebody: nobody may use what was leased before.

    Attributes:
        epoch: which closing it is.
        seconds: how long the server has asked to wait.
        is_stated: whether the server has said how many calls it takes. If not, what each process
            has sent is needed to know.
    """

    epoch: int
    seconds: float
    is_stated: bool = False


@attrs.frozen
class Opened:
    """The server takes calls again after this closing."""

    epoch: int


class SharedLimiter(Protocol):
    """A place where the processes of a client share what they have learned of its limit.

    All times are differences in seconds, since the clocks of the machines may differ. Each method
    may raise: then a process keeps to its share of the pace until the next one works.

    A limiter may have `async def allow(want: int, per_second: float, within_seconds: float) ->
    Lease` as well, as `RedisLimiter` has: it says how many calls may go out at once, so that those
    of the fleet are below `max_calls_per_second`. Without it that bounds each process.
    """

    async def join(self) -> Pace | None:
        """Return what the fleet has learned, `None` if nobody was ever refused."""
        ...

    async def lease(self, want: int, known: Pace | None) -> Lease:
        """Reserve permits ahead.

        Args:
            want: how many at most.
            known: the pace that this process knows, in case the place has forgotten it.

        Returns:
            The permits, perhaps none yet.
        """
        ...

    async def refused(self, seconds: float, stated: int | None) -> Closing:
        """Say that the server has refused a call.

        Args:
            seconds: for how long it asks to wait.
            stated: how many calls it says that it takes (`X-RateLimit-Limit`), `None` if it does
                not say.

        Returns:
            The closing that everybody is told of.
        """
        ...

    async def report(self, epoch: int, sent_ago: Sequence[float]) -> None:
        """Say when the calls were sent that the server has taken lately.

        Args:
            epoch: the closing before which they were sent.
            sent_ago: for each of them, how many seconds ago.
        """
        ...

    async def proven(self, epoch: int) -> None:
        """Say that the server takes calls again."""
        ...

    def events(self) -> AsyncIterator[Closing | Opened]:
        """Yield what the others have said, for as long as this process takes part."""
        ...
