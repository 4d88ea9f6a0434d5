"""The factory: owns pool, token manager and gate, and shares them among its sessions."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import ssl
import threading
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypedDict, Unpack

import attrs
from platformdirs import user_cache_path

from .aio import finish
from .calls import Calls, Options
from .config import (
    BASE_URL,
    DEFAULT_FILE,
    INHERIT,
    TIMEOUT_SECONDS,
    TOKEN_PATH,
    Clock,
    DefaultFile,
    Inherit,
    RetryPolicy,
    base_url_from_env,
    check_at_least,
    check_base_url,
    token_file_from_env,
)
from .errors import ConfigurationError
from .gate import Gate
from .lanes import Connections
from .models import Credentials
from .session import PropQSession
from .stats import Stats, Tally
from .stores import JsonFileTokenStore, TokenStore
from .tokens import LOCK_MARGIN_SECONDS, TokenManager
from .transport import Pool
from .wire import Lost, Reply

if TYPE_CHECKING:
    import aiohttp

__all__ = ["AsyncPropQ", "default_token_file"]

logger = logging.getLogger(__name__)


def default_token_file(token_url: str, client_id: int) -> Path:
    """Return the default place of the token file: one for each token URL and client id."""
    place = hashlib.sha256(token_url.encode()).hexdigest()[:12]
    directory = user_cache_path("propq-async", appauthor=False)
    return directory / f"token-{client_id}-{place}.json"


def _file_store(
    path: str | PathLike[str], timeout_seconds: float, clock: Clock
) -> JsonFileTokenStore:
    lock_timeout_seconds = timeout_seconds + LOCK_MARGIN_SECONDS
    return JsonFileTokenStore(path, lock_timeout_seconds=lock_timeout_seconds, clock=clock)


def _default_store(
    token_url: str, client_id: int, timeout_seconds: float, clock: Clock
) -> TokenStore | None:
    try:
        return _file_store(default_token_file(token_url, client_id), timeout_seconds, clock)
    except (ConfigurationError, RuntimeError):
        # A container may run as a user that nobody knows.
        logger.warning(
            "this user has no home directory to keep the token file in; the token stays in memory, "
            "unless PROPQ_TOKEN_FILE or token_store names a place"
        )
        return None


@attrs.define(eq=False)
class _Loop:
    """What belongs to one event loop, while somebody is in."""

    calls: Calls
    inside: int = 0


async def _close(pool: Pool, running: list[asyncio.Task[Any]]) -> None:
    if running:
        await asyncio.wait(running)
    await pool.close()


def _check_retry(retry: object) -> None:
    if not isinstance(retry, RetryPolicy):
        raise ConfigurationError(f"retry must be a RetryPolicy, not {retry!r}")


class Settings(TypedDict, total=False):
    """The settings of `AsyncPropQ`, but for the credentials."""

    base_url: str
    token_store: TokenStore | DefaultFile | None
    retry: RetryPolicy
    timeout_seconds: float
    max_calls_per_second: float | None
    max_connections: int
    ssl_context: ssl.SSLContext | None
    proxy: str | None
    trust_env: bool
    trace_configs: Sequence[aiohttp.TraceConfig]
    clock: Clock
    jitter: Callable[[], float]


class AsyncPropQ:
    """A session factory for one client of the PropQ API.

    Making it does no I/O and needs no event loop, and it can be used in several, one after another.
    A service enters it once, for its life; in a script `async with AsyncPropQ(...).session()` is
    enough. The pool lives while the factory or any of its sessions is entered.

    Args:
        credentials: what Resales Online gave you.
        base_url: https, unless its host is loopback.
        token_store: where tokens outlive the process: `DEFAULT_FILE` for a JSON file in the user's
            cache directory, a store of your own, or `None` for memory.
        retry: for calls and token requests; a session may have its own.
        timeout_seconds: for one attempt, from asking for a connection to the end of the answer.
        max_calls_per_second: an upper bound for any sliding second; `None` for none.
        max_connections: how many connections, and with them calls in flight, at the most.
        ssl_context: for a private certificate authority, or client certificates. It is used as it
            is; with the default one connections resume the TLS sessions of earlier ones.
        proxy: the URL of an HTTP proxy.
        trust_env: whether to take a proxy from the environment.
        trace_configs: passed to aiohttp, for instrumentation.
        clock: where time comes from.
        jitter: a source of [0, 1) for random delays.

    Attributes:
        tokens: the `TokenManager` that all sessions share.

    Raises:
        ConfigurationError: a setting cannot work; the message names it.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        base_url: str = BASE_URL,
        token_store: TokenStore | DefaultFile | None = DEFAULT_FILE,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        timeout_seconds: float = TIMEOUT_SECONDS,
        max_calls_per_second: float | None = None,
        max_connections: int = 100,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
        clock: Clock = Clock(),  # noqa: B008 - frozen
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if not isinstance(credentials, Credentials):
            raise ConfigurationError(
                "credentials must be a Credentials object: Credentials(client_id, client_secret), "
                "or use AsyncPropQ.from_env()"
            )
        _check_retry(retry)
        if isinstance(token_store, str | PathLike):
            raise ConfigurationError(
                "token_store must be a store, not a path: JsonFileTokenStore(path)"
            )
        self._base_url = check_base_url(base_url)
        self._client_id = credentials.client_id
        check_at_least("timeout_seconds", timeout_seconds, 0, exclusive=True, finite=True)
        check_at_least("max_connections", max_connections, 1)
        if not isinstance(max_connections, int):
            raise ConfigurationError(f"max_connections must be an integer, not {max_connections!r}")
        if max_calls_per_second is not None:
            check_at_least(
                "max_calls_per_second", max_calls_per_second, 0, exclusive=True, finite=True
            )
        self._options = Options(timeout_seconds, retry)
        self._clock = clock
        self._jitter = jitter
        self._connections = Connections(
            max_connections=max_connections,
            ssl_context=ssl_context,
            proxy=proxy,
            trust_env=trust_env,
            trace_configs=tuple(trace_configs),
        )
        self._gate = Gate(
            max_in_flight=max_connections, max_calls_per_second=max_calls_per_second, clock=clock
        )
        token_url = self._base_url + TOKEN_PATH
        if isinstance(token_store, DefaultFile):
            token_store = _default_store(token_url, credentials.client_id, timeout_seconds, clock)
        self.tokens: Final = TokenManager(
            credentials,
            token_url=token_url,
            store=token_store,
            timeout_seconds=timeout_seconds,
            retry=retry,
            clock=clock,
            random=jitter,
            ask=self._ask_token,
        )
        self._loops: dict[asyncio.AbstractEventLoop, _Loop] = {}
        # Two threads, each with a loop, may come in at once, and must not get the same gate.
        self._entrance = threading.Lock()
        self._tally = Tally()

    @classmethod
    def from_env(cls, **settings: Unpack[Settings]) -> Self:
        """Make a factory from the environment, and `settings` as for the constructor.

        `PROPQ_CLIENT_ID` and `PROPQ_CLIENT_SECRET` must be set; `PROPQ_BASE_URL` and
        `PROPQ_TOKEN_FILE` may be. A setting that is given goes before the environment.

        Raises:
            ConfigurationError: a variable is missing, blank or malformed; the message names it.
        """
        credentials = Credentials.from_env()
        base_url = base_url_from_env()
        if base_url is not None:
            settings.setdefault("base_url", base_url)
        token_file = token_file_from_env()
        if token_file is not None:
            timeout = settings.get("timeout_seconds", TIMEOUT_SECONDS)
            check_at_least("timeout_seconds", timeout, 0, exclusive=True, finite=True)
            store = _file_store(token_file, timeout, settings.get("clock", Clock()))
            settings.setdefault("token_store", store)
        return cls(credentials, **settings)

    @property
    def base_url(self) -> str:
        """Return the base URL of the API, without a trailing slash."""
        return self._base_url

    @property
    def client_id(self) -> int:
        """Return the id of the client that the calls are made for."""
        return self._client_id

    @property
    def asked_to_wait_seconds(self) -> float:
        """Return how much longer the server wants nobody to call, in seconds; 0 if it does not."""
        # A copy, since a progress bar asks from its own thread.
        waits = [here.calls.gate.opens_in_seconds for here in list(self._loops.values())]
        return max(waits, default=0.0)

    def __repr__(self) -> str:
        # A traceback with locals shows an object whose constructor has refused, too.
        base_url, tokens = (getattr(self, name, None) for name in ("_base_url", "tokens"))
        return f"{type(self).__name__}(base_url={base_url!r}, tokens={tokens!r})"

    def session(
        self,
        *,
        timeout_seconds: float | Inherit = INHERIT,
        retry: RetryPolicy | Inherit = INHERIT,
    ) -> PropQSession:
        """Return a session, with options of its own where given. Cheap: make one for each job.

        Raises:
            ConfigurationError: a setting cannot work.
        """
        options = self._options
        if not isinstance(timeout_seconds, Inherit):
            check_at_least("timeout_seconds", timeout_seconds, 0, exclusive=True, finite=True)
            options = attrs.evolve(options, timeout_seconds=timeout_seconds)
        if not isinstance(retry, Inherit):
            _check_retry(retry)
            options = attrs.evolve(options, retry=retry)
        return PropQSession(self, options, self._base_url)

    def stats(self) -> Stats:
        """Return what this factory has done so far, and what it is doing now.

        No I/O and no event loop is needed; it may be asked from any thread.
        """
        total = self._tally.total()
        # A copy, since another thread may enter or leave meanwhile.
        entered = [here for loop, here in list(self._loops.items()) if not loop.is_closed()]
        return Stats(
            calls=total.calls,
            retries=total.retries,
            refused=total.refused,
            refreshes=self.tokens.refreshes,
            in_flight=sum(here.calls.gate.in_flight for here in entered),
            waiting=sum(here.calls.gate.waiting for here in entered),
        )

    async def __aenter__(self) -> Self:
        self.come_in()
        return self

    async def __aexit__(self, *_: object) -> None:
        here = self._loops.get(asyncio.get_running_loop())
        if here is not None:
            await self.go_out(here.calls)

    def come_in(self) -> Calls:
        """Take a share in the pool of the running event loop; what `async with` does."""
        loop = asyncio.get_running_loop()
        here = self._loops.get(loop)
        if here is None:
            with self._entrance:
                here = self._loops[loop] = _Loop(self._calls())
        here.inside += 1
        return here.calls

    def _calls(self) -> Calls:
        for closed in [other for other in self._loops if other.is_closed()]:
            del self._loops[closed]
        if self._loops or not self._gate.is_idle:
            # Another loop is at it, in another thread, or was closed in the middle.
            self._gate = self._gate.copy()
        return Calls(
            pool=Pool(self._connections),
            tokens=self.tokens,
            gate=self._gate,
            clock=self._clock,
            random=self._jitter,
            counters=self._tally.of_loop(asyncio.get_running_loop()),
        )

    async def go_out(self, calls: Calls) -> None:
        """Give a share back; what leaving `async with` does. The last one out closes the pool."""
        loop = asyncio.get_running_loop()
        here = self._loops.get(loop)
        if here is None or here.calls is not calls:
            return
        here.inside -= 1
        if not here.inside:
            # First of all, so that whoever comes in meanwhile gets a pool of their own.
            with self._entrance:
                del self._loops[loop]
            await finish(_close(calls.pool, calls.leave()))

    async def _ask_token(
        self, url: str, credentials: Credentials, timeout_seconds: float
    ) -> Reply | Lost:
        here = self._loops.get(asyncio.get_running_loop())
        if here is not None:
            return await here.calls.pool.ask_token(url, credentials, timeout_seconds)
        async with Pool(self._connections) as pool:
            return await pool.ask_token(url, credentials, timeout_seconds)
