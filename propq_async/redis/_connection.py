"""One operation on Redis: bounded in time, and with an error that holds no secret."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, Protocol, TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from propq_async._secret import SecretStr
from propq_async._settings import check_at_least
from propq_async._waiting import finish
from propq_async.credentials import TokenKey
from propq_async.errors import ConfigurationError, PropQError

_T = TypeVar("_T")

# How long Redis is left alone after a failure: a fleet that waits for it at each step would be
# slower than one without it.
LEFT_ALONE_SECONDS: Final = 10.0

_ADVICE: Final = {
    "AuthenticationError": "check the user and the password in the URL",
    "NoPermissionError": "the user may not run a command that is needed",
    "OutOfMemoryError": "it has reached its maxmemory",
    "ReadOnlyError": "it is a replica: name the master",
    "SSLCertVerificationError": "check the authority: ?ssl_ca_certs=<path> in the URL",
}


class Client(Protocol):
    """What is needed of a client of `redis.asyncio`: `Redis` and `RedisCluster` have it."""

    async def execute_command(self, *args: Any) -> Any:
        """Run a command and return its answer."""
        ...

    def pubsub(self) -> Any:
        """Return what receives messages."""
        ...


class RedisUnavailableError(PropQError):
    """Redis did not do what it was asked to. The message holds neither its URL nor a token."""


class Connector:
    """Reaches Redis, for one operation at a time.

    With a URL each operation has a connection of its own: so any event loop may ask, and nothing
    has to be closed. Operations are rare. A client object is used as it is, and remains open.

    Args:
        url_or_client: where Redis is.
        timeout_seconds: for one operation, its connection included.
        monotonic: where time comes from.
    """

    def __init__(
        self,
        url_or_client: str | Client,
        timeout_seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if isinstance(url_or_client, str):
            url_or_client = SecretStr(url_or_client)  # this frame may be shown
        check_at_least("timeout_seconds", timeout_seconds, 0, exclusive=True, finite=True)
        self.timeout_seconds = timeout_seconds
        self._monotonic = monotonic
        self._left_alone_until = -math.inf
        self._url: SecretStr | None = None
        # The clients that event loops keep open.
        self._kept: dict[asyncio.AbstractEventLoop, Client] = {}
        if isinstance(url_or_client, SecretStr):
            self._url = url_or_client
            problem = self._problem()
            if problem is not None:
                raise ConfigurationError(problem)
        elif hasattr(url_or_client, "execute_command"):
            self._client: Client = url_or_client
        else:
            raise ConfigurationError(
                "url_or_client must be a URL or a client of redis.asyncio, not a "
                + type(url_or_client).__name__
            )

    async def run(self, what: str, work: Callable[[Client], Awaitable[_T]]) -> _T:
        """Do one operation.

        Args:
            what: in words, for the error.
            work: what to do with the client.

        Raises:
            RedisUnavailableError: it failed or took too long, or another one did a moment ago.
        """
        now = self._monotonic()
        if now < self._left_alone_until:
            seconds = math.ceil(self._left_alone_until - now)
            raise RedisUnavailableError(
                f"Redis was not asked to {what}: after a failure it is left alone, for "
                f"{seconds} more seconds"
            )
        try:
            # To its end: some versions of asyncio and of redis-py swallow a cancellation that
            # comes at the wrong moment.
            return await finish(self._operation(work), patience_seconds=self.timeout_seconds)
        except Exception as error:  # noqa: BLE001 - a client of the user's may raise anything
            kind = type(error).__name__
        self._left_alone_until = self._monotonic() + LEFT_ALONE_SECONDS
        # Without the text of the error and its frames, which might show a token.
        reason = f"no answer in {self.timeout_seconds:g} s" if kind == "TimeoutError" else kind
        advice = _ADVICE.get(kind)
        raise RedisUnavailableError(
            f"Redis did not {what} ({reason})" + (f": {advice}" if advice else "")
        )

    async def _operation(self, work: Callable[[Client], Awaitable[_T]]) -> _T:
        async with asyncio.timeout(self.timeout_seconds), self._connected() as client:
            return await work(client)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Client]:
        kept = self._kept.get(asyncio.get_running_loop())
        if kept is not None or self._url is None:
            yield kept or self._client
            return
        client = self._new_client()
        try:
            yield client
        finally:
            await client.aclose()

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Keep the connections of this event loop open, for operations that follow each other."""
        loop = asyncio.get_running_loop()
        async with self._connected() as client:
            self._kept[loop] = client
            try:
                yield
            finally:
                del self._kept[loop]

    async def messages(self, channel: str) -> AsyncIterator[str]:
        """Yield what is published, until the connection is lost, for whatever reason."""
        with suppress(Exception):
            async with self._connected() as client, client.pubsub() as subscription:
                async with asyncio.timeout(self.timeout_seconds):
                    await subscription.subscribe(channel)
                async for message in subscription.listen():
                    if message["type"] == "message":
                        data = message["data"]
                        yield data.decode() if isinstance(data, bytes) else data

    def _new_client(self) -> Redis:
        return Redis.from_url(
            str(self._url),
            # It is tried again when the next token is needed, and by whoever else needs one.
            retry=Retry(NoBackoff(), 0),
            # A server that is asked for a newer one needs the permission for HELLO.
            protocol=2,
            # Each operation is bounded as a whole, and messages are waited for.
            socket_timeout=None,
            # Also the longest that closing may take.
            socket_connect_timeout=self.timeout_seconds,
        )

    def _problem(self) -> str | None:
        try:
            # Without I/O. Only the connection knows which options there are.
            pool = self._new_client().connection_pool
            pool.connection_class(**pool.connection_kwargs)
        except (ValueError, TypeError):
            return (
                "the URL of Redis must look like rediss://user:password@host:6379/0, with the "
                "options of redis-py behind a question mark"
            )
        return None


def redis_key(prefix: str, key: TokenKey, what: str) -> str:
    """Return a name in Redis. All of one client are in one slot of a cluster: the part in {}."""
    digest = hashlib.sha256(key.token_url.encode()).hexdigest()[:12]
    return f"{prefix}:{{{key.client_id}-{digest}}}:{what}"


def check_prefix(prefix: Any) -> str:
    """Return the prefix of all names in Redis.

    Raises:
        ConfigurationError: it is none.
    """
    if not isinstance(prefix, str) or not prefix:
        raise ConfigurationError(f"prefix must be a string that is not empty, not {prefix!r}")
    return prefix
