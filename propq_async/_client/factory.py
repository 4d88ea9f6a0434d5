"""The factory: owns pool, token manager and throttle, and shares them among its sessions."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable, Sequence
from typing import Final, Self, Unpack

import aiohttp
import attrs
from yarl import URL

from propq_async._auth.manager import TokenManager
from propq_async._auth.stores import TokenStore
from propq_async._http.transport import PoolSettings
from propq_async._process_bound import Unpicklable
from propq_async._secret import SecretStr
from propq_async._settings import base_url_from_env, check_base_url
from propq_async._throttling.fleet import SharedLimiter
from propq_async._throttling.throttle import MAX_CLOSED_SECONDS, Throttle
from propq_async.clock import Clock
from propq_async.config import (
    BASE_URL,
    DEFAULT_FILE,
    INHERIT,
    TIMEOUT_SECONDS,
    TOKEN_PATH,
    DefaultFile,
    Inherit,
)
from propq_async.credentials import Credentials
from propq_async.errors import ConfigurationError
from propq_async.hooks import OnCall
from propq_async.retry import RetryPolicy
from propq_async.stats import Durations, Stats

from .call_spec import Options
from .default_store import default_store, limiter_from_env, store_from_env
from .memory import UnitMemory
from .pool_owner import PoolOwner
from .session import PropQSession
from .settings import Settings, check_bounds, check_retry, check_timeout, refuse_path


class AsyncPropQ(Unpicklable):
    """A session factory for one client of the PropQ API.

    Making it does no I/O and needs no event loop, and it can be used in several loops one after
    another. A service enters it once, for its life; in a script `async with
    AsyncPropQ(...).session()` is enough. The pool lives while the factory or any of its sessions
    is entered.

    Example::

        propq = AsyncPropQ(Credentials(42, "secret"), timeout_seconds=10)
        async with propq, propq.session() as session:
            await session.units.update(UnitUpdate("4711", "A-101", UnitStatus.SOLD, 250_000, ["N"]))

    Args:
        credentials: what Resales Online gave you.
        base_url: https, unless its host is loopback.
        token_store: where tokens outlive the process: `DEFAULT_FILE` for a JSON file in the user's
            cache directory, a store of your own, or `None` for memory.
        retry: for calls and token requests; a session may have its own.
        timeout_seconds: for one attempt, from asking for a connection to the end of the answer.
        max_calls_per_second: an upper bound for any sliding second, in all event loops and threads
            together, and with a `shared_limiter` in all processes; `None` for none.
        max_closed_seconds: the longest that a server's `Retry-After` is believed: after that one
            call asks again, whatever moment the server named.
        shared_limiter: where processes of this client share the pace that the server bears, such as
            `propq_async.redis.RedisLimiter`; `None` if this is the only one.
        max_connections: how many connections, and so calls in flight, there are at most.
        ssl_context: for a private certificate authority, or client certificates. It is used as it
            is; with the default one connections resume the TLS sessions of earlier ones.
        proxy: the URL of an HTTP proxy, percent-encoded where user or password need it.
        trust_env: whether to take a proxy from the environment (`HTTPS_PROXY`, `HTTP_PROXY`,
            `ALL_PROXY`, `NO_PROXY`), as curl and requests do.
        trace_configs: passed to aiohttp, for instrumentation.
        ledger: a `propq_async.ledger.Ledger`, entered, that notes the updates of units as a push
            does. Each update waits for its mark to be on the disk. `None` for no notes.
        on_call: called for each call that begins, with what it is; it returns what watches the
            call, or `None` (see `propq_async.hooks`).
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
        max_closed_seconds: float = MAX_CLOSED_SECONDS,
        shared_limiter: SharedLimiter | None = None,
        max_connections: int = 100,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        trust_env: bool = False,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
        ledger: UnitMemory | None = None,
        on_call: OnCall | None = None,
        clock: Clock = Clock(),  # noqa: B008 - frozen
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if isinstance(proxy, str):
            proxy = SecretStr(proxy)  # it may hold a password, and this frame may be shown
        if not isinstance(credentials, Credentials):
            raise ConfigurationError(
                "credentials must be a Credentials object: Credentials(client_id, client_secret), "
                "or use AsyncPropQ.from_env()"
            )
        check_retry(retry)
        refuse_path("token_store", token_store, "store", "JsonFileTokenStore(path)")
        self._base_url = check_base_url(base_url)
        self._client_id = credentials.client_id
        check_timeout(timeout_seconds)
        check_bounds(max_connections, max_calls_per_second, max_closed_seconds)
        if proxy is not None:
            from propq_async._http.proxies import proxy_problem  # noqa: PLC0415 - few have one

            problem = proxy_problem(proxy)
            if problem is not None:
                raise ConfigurationError(f"proxy cannot be used: {problem}")
        refuse_path("ledger", ledger, "ledger", "propq_async.ledger.Ledger(path)")
        memory = None if ledger is None else ledger.of_account(self._base_url, self._client_id)
        self._options = Options(timeout_seconds, retry, memory, on_call)
        self._connections = PoolSettings(
            max_connections=max_connections,
            ssl_context=ssl_context,
            proxy=proxy,
            trust_env=trust_env,
            trace_configs=tuple(trace_configs),
        )
        throttle = Throttle(
            max_in_flight=max_connections,
            max_calls_per_second=max_calls_per_second,
            clock=clock,
            max_closed_seconds=max_closed_seconds,
            random=jitter,
        )
        of_account = getattr(shared_limiter, "of_account", None)
        if of_account is not None:
            shared_limiter = of_account(self._base_url, self._client_id)
        self._owner = PoolOwner(self._connections, throttle, clock, jitter, shared_limiter)
        token_url = self._base_url + TOKEN_PATH
        if isinstance(token_store, DefaultFile):
            token_store = default_store(token_url, credentials.client_id, timeout_seconds, clock)
        self.tokens: Final = TokenManager(
            credentials,
            token_url=token_url,
            store=token_store,
            timeout_seconds=timeout_seconds,
            retry=retry,
            clock=clock,
            random=jitter,
            ask=self._owner.ask_token,
        )
        self._owner.tokens = self.tokens

    @classmethod
    def from_env(
        cls, *, credentials: Credentials | None = None, **settings: Unpack[Settings]
    ) -> Self:
        """Make a factory from the environment, and `settings` as for the constructor.

        The credentials are those of `Credentials.from_env`; `PROPQ_BASE_URL` and either
        `PROPQ_TOKEN_FILE` (`memory:` for no file) or `PROPQ_REDIS_URL` may be set. Settings that
        are given take precedence.

        Args:
            credentials: in place of those in the environment, such as `Credentials.from_keyring()`.
            settings: what the constructor takes, by the same names and in the same units.

        Raises:
            ConfigurationError: a variable is missing, blank or malformed; the message names it.
        """
        if isinstance(proxy := settings.get("proxy"), str):
            settings["proxy"] = proxy = SecretStr(proxy)  # as in the constructor
        if credentials is None:
            credentials = Credentials.from_env()
        # A variable is read, and can be wrong, only if the setting is not given.
        if "base_url" not in settings and (base_url := base_url_from_env()) is not None:
            settings["base_url"] = base_url
        if "token_store" not in settings:
            timeout = settings.get("timeout_seconds", TIMEOUT_SECONDS)
            settings["token_store"] = store_from_env(timeout, settings.get("clock", Clock()))
        if "shared_limiter" not in settings:
            settings["shared_limiter"] = limiter_from_env(settings.get("clock", Clock()))
        return cls(credentials, **settings)

    @property
    def base_url(self) -> str:
        """Return the base URL of the API, without a trailing slash."""
        return self._base_url

    @property
    def proxy(self) -> str | None:
        """Return host and port of the proxy that calls go through, `None` if they go directly.

        Neither user nor password is in it.

        Raises:
            ConfigurationError: the environment names one that cannot be used.
        """
        from propq_async._http.proxies import proxy_for  # noqa: PLC0415 - few have one

        settings = self._connections
        proxy = settings.proxy or (proxy_for(URL(self._base_url)) if settings.trust_env else None)
        if proxy is None:
            return None
        parts = URL(proxy)
        return f"{parts.host}:{parts.port}"

    @property
    def client_id(self) -> int:
        """Return the id of the client that the calls are made for."""
        return self._client_id

    @property
    def asked_to_wait_seconds(self) -> float:
        """Return for how many more seconds the server wants no calls, 0 if it takes them."""
        return self._owner.opens_in_seconds

    def __repr__(self) -> str:
        # A traceback with locals also shows an object whose constructor has raised.
        base_url, tokens = (getattr(self, name, None) for name in ("_base_url", "tokens"))
        return f"{type(self).__name__}(base_url={base_url!r}, tokens={tokens!r})"

    def session(
        self,
        *,
        timeout_seconds: float | Inherit = INHERIT,
        retry: RetryPolicy | Inherit = INHERIT,
        ledger: Inherit | None = INHERIT,
    ) -> PropQSession:
        """Return a session, with options of its own where given. Cheap: make one for each job.

        Args:
            timeout_seconds: for one attempt, as for the factory; by default that of the factory.
            retry: when calls are repeated; by default as the factory has it.
            ledger: with `None` its updates are not noted in the ledger of the factory.

        Raises:
            ConfigurationError: a setting cannot work.
        """
        options = self._options
        if not isinstance(timeout_seconds, Inherit):
            check_timeout(timeout_seconds)
            options = attrs.evolve(options, timeout_seconds=timeout_seconds)
        if not isinstance(retry, Inherit):
            check_retry(retry)
            options = attrs.evolve(options, retry=retry)
        if ledger is None:
            options = attrs.evolve(options, memory=None)
        return PropQSession(self._owner, options, self._base_url)

    def stats(self) -> Stats:
        """Return what this factory has done so far, and what it is doing now.

        No I/O and no event loop is needed; it may be asked from any thread.
        """
        counted = self._owner.counters.total()
        throttles = self._owner.throttles()
        token = self.tokens.current
        opens_in = self._owner.opens_in_seconds
        probing = any(one.is_probing for one in throttles)
        return Stats(
            calls=counted.calls,
            retries=counted.retries,
            refused=counted.refused,
            refreshes=self.tokens.refreshes,
            in_flight=sum(one.in_flight for one in throttles),
            waiting=sum(one.waiting for one in throttles),
            outcomes=counted.outcomes(),
            durations=Durations(tuple(counted.buckets), counted.seconds),
            waited_seconds=counted.waited_seconds,
            throttle="closed" if opens_in else "probing" if probing else "open",
            opens_in_seconds=opens_in,
            token_issued_at=None if token is None else token.issued_at,
            token_expires_at=None if token is None else token.expires_at,
        )

    async def __aenter__(self) -> Self:
        await self._owner.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._owner.__aexit__()
