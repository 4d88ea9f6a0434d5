"""One pace for many machines."""

from __future__ import annotations

import asyncio
import hashlib
import math
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from propq_async._process_bound import Unpicklable
from propq_async._secret import SecretStr
from propq_async._throttling.fleet import Closing, Lease, Opened, Pace
from propq_async.clock import Clock

from ._connection import Client, Connector, check_prefix
from ._scripts import ALLOW, JOIN, LEASE, PROVEN, REFUSED, REPORT

# How long after a lost connection the events are asked for again.
_LISTENS_AGAIN_SECONDS: Final = 1.0


class RedisLimiter(Unpicklable):
    """Shares the pace that the server bears among all processes that reach this Redis.

    Args:
        url_or_client: as for `RedisTokenStore`.
        prefix: of all names in Redis.
        timeout_seconds: for one operation. After a failure Redis is left alone for ten seconds.
        scope: who shares one limit; `None` for those with the same base URL and client id.
        clock: where time comes from.

    Raises:
        ConfigurationError: a setting cannot work.
    """

    def __init__(
        self,
        url_or_client: str | Client,
        *,
        prefix: str = "propq",
        timeout_seconds: float = 1.0,
        scope: str | None = None,
        clock: Clock = Clock(),  # noqa: B008 - frozen
    ) -> None:
        if isinstance(url_or_client, str):
            url_or_client = SecretStr(url_or_client)  # it may hold a password
        self._prefix = check_prefix(prefix)
        self._redis = Connector(url_or_client, timeout_seconds, clock.monotonic)
        self._scope = scope
        # Two event loops are two members.
        self._ids: dict[asyncio.AbstractEventLoop, str] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(prefix={getattr(self, '_prefix', None)!r})"

    def of_account(self, base_url: str, client_id: int) -> RedisLimiter:
        """Return a limiter for one account, or this one if it has a scope of its own."""
        if self._scope is not None:
            return self
        limiter = object.__new__(type(self))
        limiter.__dict__.update(self.__dict__, _ids={})
        digest = hashlib.sha256(base_url.encode()).hexdigest()[:12]
        limiter._scope = f"{client_id}-{digest}"
        return limiter

    async def join(self) -> Pace | None:
        """Return what the fleet has learned, `None` if nobody was ever refused."""
        return _pace(await self._evaluate("join the fleet", JOIN))

    async def lease(self, want: int, known: Pace | None) -> Lease:
        """Reserve up to so many permits."""
        about = (0, 0, 0) if known is None else _plain(known)
        count, wait, valid, members, epoch, *pace = await self._evaluate(
            "lease permits", LEASE, want, *about
        )
        return Lease(
            count,
            wait / 1000,
            float("inf") if valid < 0 else valid / 1000,
            _pace(pace),
            members,
            epoch or None,
        )

    async def refused(self, seconds: float, stated: int | None) -> Closing:
        """Say that the server has refused a call."""
        whole = int(float(seconds).is_integer())
        epoch, wait, is_stated = await self._evaluate(
            "tell of a refusal", REFUSED, int(1000 * seconds), whole, stated or 0
        )
        return Closing(epoch, wait / 1000, is_stated == 1)

    async def report(self, epoch: int, sent_ago: Sequence[float]) -> None:
        """Say how long ago the calls were sent that the server has taken lately."""
        ages = " ".join(str(max(0, int(1000 * ago))) for ago in sent_ago)
        await self._evaluate("report what was sent", REPORT, epoch, ages)

    async def proven(self, epoch: int) -> None:
        """Say that the server takes calls again."""
        await self._evaluate("tell that calls are taken", PROVEN, epoch)

    async def allow(self, want: int, per_second: float, within_seconds: float) -> Lease:
        """Say how many calls may go out at once, of the fleet's `max_calls_per_second`.

        Args:
            want: how many wait.
            per_second: the bound of the fleet in any sliding second.
            within_seconds: how soon after the question they go out, or not at all.
        """
        # As for one process: a fraction below one is one call in so many seconds.
        limit, window = int(max(1, per_second)), 1000 / min(1, per_second)
        count, wait, members = await self._evaluate(
            "allow calls",
            ALLOW,
            *(want, limit, math.ceil(window), math.ceil(1000 * within_seconds)),
            names=("given", "callers"),
        )
        return Lease(count, wait / 1000, within_seconds, None, members)

    async def events(self) -> AsyncIterator[Closing | Opened]:
        """Yield what the others have said, for as long as this process takes part."""
        async with self._redis.kept():
            while True:
                async for message in self._redis.messages(self._name("events")):
                    yield _event(message)
                await asyncio.sleep(_LISTENS_AGAIN_SECONDS)

    def _name(self, what: str) -> str:
        return f"{self._prefix}:{{{self._scope or 'all'}}}:{what}"

    async def _evaluate(
        self,
        what: str,
        script: str,
        *arguments: str | int,
        names: Sequence[str] = ("pace", "members", "events"),
    ) -> Any:
        # With a letter that no number has: Lua would take 5e12 for one.
        member = self._ids.setdefault(asyncio.get_running_loop(), f"p{secrets.token_hex(8)}")
        keys = [self._name(name) for name in names]
        return await self._redis.run(
            what,
            lambda client: client.execute_command(
                "EVAL", script, len(keys), *keys, member, *arguments
            ),
        )


def _plain(pace: Pace) -> tuple[int, int, int]:
    return pace.limit, int(1000 * pace.seconds), int(pace.is_stated)


def _pace(found: Sequence[int]) -> Pace | None:
    limit, milliseconds, is_stated = found
    return Pace(limit, milliseconds / 1000, is_stated == 1) if limit and milliseconds else None


def _event(message: str) -> Closing | Opened:
    kind, epoch, *more = message.split()
    if kind == "opened":
        return Opened(int(epoch))
    wait, is_stated = more
    return Closing(int(epoch), int(wait) / 1000, is_stated == "1")
