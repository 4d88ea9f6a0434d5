"""A token that many machines share."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from propq_async._auth.refused_secret import KEPT_SECONDS
from propq_async._auth.stores import LOCK_TIMEOUT_SECONDS, polled
from propq_async._process_bound import Unpicklable
from propq_async._secret import SecretBytes, SecretStr
from propq_async._settings import check_at_least
from propq_async._wire.refusal_file import SecretRefusal, dump_refusal, parse_refusal
from propq_async._wire.token_file import dump_token, parse_token
from propq_async.clock import Clock
from propq_async.credentials import Token, TokenKey

from ._connection import Client, Connector, RedisUnavailableError, check_prefix, redis_key

# Each process that waits for the lock asks so often.
_POLL_SECONDS: Final = 0.1

# The lock is renewed so many times in its life.
_RENEWALS: Final = 3

_RENEW: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_RELEASE: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""
_COUNT: Final = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return count
"""


class RedisTokenStore(Unpicklable):
    """Keeps tokens in Redis, for all processes that reach it.

    How long a token still lives is measured on the clock of Redis, so those of the machines may
    differ. If Redis does not answer as it should, a method raises `RedisUnavailableError`, and each
    process goes on with a token of its own.

    Args:
        url_or_client: `rediss://user:password@host:6379/0`, or a client of `redis.asyncio`
            (`Redis` or `RedisCluster`), which must be used in its event loop and closed by you.
        prefix: of all names in Redis.
        timeout_seconds: for one operation. After a failure Redis is left alone for ten seconds.
        lock_seconds: how long the lock outlives a holder that died. A living one renews it.
        lock_timeout_seconds: how long `lock` waits before it yields `False`.
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
        lock_seconds: float = 5.0,
        lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS,
        clock: Clock = Clock(),  # noqa: B008 - frozen
    ) -> None:
        if isinstance(url_or_client, str):
            url_or_client = SecretStr(url_or_client)  # it may hold a password
        check_at_least("lock_seconds", lock_seconds, 0, exclusive=True, finite=True)
        self._prefix = check_prefix(prefix)
        self._redis = Connector(url_or_client, timeout_seconds, clock.monotonic)
        self._lock_seconds = lock_seconds
        self._lock_timeout_seconds = lock_timeout_seconds
        self._wall = clock.wall

    def __repr__(self) -> str:
        return f"{type(self).__name__}(prefix={getattr(self, '_prefix', None)!r})"

    async def load(self, key: TokenKey) -> Token | None:
        """Return the stored token, `None` if there is none."""
        now = self._wall()
        milliseconds, content = await self._look("load the token", key, "token")
        if milliseconds < 0 or content is None:
            return None
        found = parse_token(content, key)
        if not isinstance(found, Token):
            raise RedisUnavailableError(f"what Redis has is not the token: {found}")
        # On the clock of this machine, whatever that of the one that fetched it says.
        expires_at = datetime.fromtimestamp(now + milliseconds / 1000, UTC)
        issued_at = expires_at - timedelta(seconds=found.lifetime_seconds)
        return attrs.evolve(found, expires_at=expires_at, issued_at=issued_at)

    async def save(self, key: TokenKey, token: Token) -> None:
        """Store the token until it expires."""
        name, content = redis_key(self._prefix, key, "token"), dump_token(key, token)
        milliseconds = _milliseconds(token.expires_at.timestamp() - self._wall())

        async def put(client: Client) -> None:
            await client.execute_command("SET", name, content, "PX", milliseconds)
            await client.execute_command("DEL", redis_key(self._prefix, key, "refusal"))

        await self._redis.run("save the token", put)

    async def clear(self, key: TokenKey) -> None:
        """Forget the token."""
        names = [redis_key(self._prefix, key, what) for what in ("token", "refusal")]
        await self._redis.run(
            "forget the token", lambda client: client.execute_command("DEL", *names)
        )

    async def load_refusal(self, key: TokenKey) -> SecretRefusal | None:
        """Return what another process was told of a secret, `None` if that cannot be read."""
        milliseconds, content = await self._look("load what was refused", key, "refusal")
        if milliseconds < 0 or content is None:
            return None
        refusal = parse_refusal(content, key, self._wall())
        if refusal is None:
            return None
        # On the clock of Redis, whatever that of the one that told it says.
        return attrs.evolve(refusal, age_seconds=max(0.0, KEPT_SECONDS - milliseconds / 1000))

    async def save_refusal(self, key: TokenKey, refusal: SecretRefusal) -> None:
        """Tell other processes that a secret was refused, until nobody needs to know any more."""
        name = redis_key(self._prefix, key, "refusal")
        content, milliseconds = (
            dump_refusal(key, refusal, self._wall()),
            _milliseconds(KEPT_SECONDS),
        )
        await self._redis.run(
            "tell what was refused",
            lambda client: client.execute_command("SET", name, content, "PX", milliseconds),
        )

    @asynccontextmanager
    async def lock(self, key: TokenKey) -> AsyncIterator[bool]:
        """Exclude everyone else who shares this Redis, as long as it can be reached.

        Who loses the lock goes on: that costs one token request more, and nothing else.
        """
        name, owner = redis_key(self._prefix, key, "lock"), secrets.token_hex(16)
        milliseconds = _milliseconds(self._lock_seconds)

        async def attempt() -> bool:
            taken = await self._redis.run(
                "lock",
                lambda client: client.execute_command("SET", name, owner, "NX", "PX", milliseconds),
            )
            return bool(taken)

        renewal: asyncio.Task[None] | None = None
        try:
            locked = await polled(attempt, self._lock_timeout_seconds, _POLL_SECONDS)
            if locked:
                renewal = asyncio.create_task(self._renew(name, owner, milliseconds))
            yield locked
        finally:
            if renewal is not None:
                renewal.cancel()
                await asyncio.wait((renewal,))
            # Also where it is not known whether it was taken. Otherwise it ends by itself.
            with suppress(RedisUnavailableError):
                await self._evaluate("unlock", _RELEASE, name, owner)

    async def replacements(self, key: TokenKey, within_seconds: float) -> int:
        """Return how many refused tokens were replaced lately, by whatever process."""
        name = self._counter(key, within_seconds)
        count = await self._redis.run("count", lambda client: client.execute_command("GET", name))
        return int(count or 0)

    async def replaced(self, key: TokenKey, within_seconds: float) -> None:
        """Count a refused token that was replaced. The count begins anew after so many seconds."""
        name = self._counter(key, within_seconds)
        await self._evaluate("count", _COUNT, name, _milliseconds(within_seconds))

    def _counter(self, key: TokenKey, within_seconds: float) -> str:
        return redis_key(self._prefix, key, f"refused-{within_seconds:g}")

    async def _look(self, what: str, key: TokenKey, kind: str) -> tuple[int, SecretBytes | None]:
        """Return how many milliseconds something still lives, and what it is."""
        name = redis_key(self._prefix, key, kind)

        async def look(client: Client) -> tuple[int, bytes | str | None]:
            # The life first: if it is replaced in between, the new one only seems older.
            return (
                await client.execute_command("PTTL", name),
                await client.execute_command("GET", name),
            )

        milliseconds, found = await self._redis.run(what, look)
        if found is None:
            return milliseconds, None
        return milliseconds, SecretBytes(found.encode() if isinstance(found, str) else found)

    async def _renew(self, name: str, owner: str, milliseconds: int) -> None:
        with suppress(RedisUnavailableError):
            while True:
                await asyncio.sleep(self._lock_seconds / _RENEWALS)
                if not await self._evaluate("renew the lock", _RENEW, name, owner, milliseconds):
                    return

    async def _evaluate(self, what: str, script: str, name: str, *arguments: str | int) -> int:
        count: int = await self._redis.run(
            what, lambda client: client.execute_command("EVAL", script, 1, name, *arguments)
        )
        return count


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))
