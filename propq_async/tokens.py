"""The token manager: one token for everybody, one request for it at a time.

The manager holds a token or none, and per event loop at most one *flight*: a task that brings the
next token. A held token goes through three times of its life:

    fresh    until the soft deadline    served; nothing else happens
    ageing   until the hard deadline    served; a flight is started that nobody waits for
    expired  from then on               not served; callers wait for the flight

    none ──flight lands──▶ fresh ──time──▶ ageing ──time──▶ expired
      ▲                      ▲ └──────────────┴── refused ──▶ none
      └── start of the program └── flight lands ── from ageing, expired and none alike

Why it is right:

- There is no `await` between looking for a flight and starting one, so a loop has one at the most.
- Callers wait for the flight through a shield: cancelling them cancels nothing.
- A flight returns its outcome, good or bad, as a value: everybody who waits gets it, and if
  nobody waits, asyncio reports nothing as never retrieved.
- State changes in three places only: `_hold`, `invalidate`, and where a flight ends. Each is
  without `await`, so a half-done change is never seen.
- Both clocks count, and the earlier deadline wins: the wall clock knows of suspends, the monotonic
  one of a wall clock that is set.
"""

from __future__ import annotations

import asyncio
import logging
import random as _random
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

import attrs

from .aio import finish
from .config import (
    BASE_URL,
    TIMEOUT_SECONDS,
    TOKEN_PATH,
    Clock,
    RetryPolicy,
    check_at_least,
    check_base_url,
)
from .errors import TokenError, TokenUnavailableError
from .models import Credentials, Token, TokenKey
from .stores import SafeStore, TokenStore
from .transport import AskToken, ask_token_once
from .wire import MAX_LIFETIME, Lost, read_token

__all__ = ["TokenManager"]

logger = logging.getLogger(__name__)

Cause: TypeAlias = Literal["cold", "expired", "refused", "ahead of expiry", "forced"]

# How long before its end a token is no longer fresh, and no longer served: a fraction of its
# lifetime, and at most so many seconds.
SOFT_FRACTION: Final = 0.2
SOFT_SECONDS: Final = 24 * 3600.0
HARD_FRACTION: Final = 0.02
HARD_SECONDS: Final = 30.0

# How long a failure is the answer to everybody who asks: short for those who need a token, longer
# and longer (up to the second figure) for the refresh that nobody waits for.
FAILURE_SECONDS: Final = 1.0
MAX_AHEAD_FAILURE_SECONDS: Final = 60.0

REFUSED_REMEMBERED: Final = 16
# A server that refuses every token must not be asked for one by every call.
REFUSED_AT_ONCE: Final = 3
REFUSED_INTERVAL_SECONDS: Final = 30.0

LOCK_MARGIN_SECONDS: Final = 5.0

_RETRIED_STATUSES: Final = frozenset({408, 429})
_FIRST_SERVER_ERROR: Final = 500


@attrs.frozen
class _Held:
    """A token with its deadlines on both clocks, in seconds."""

    token: Token
    soft_wall: float
    soft_monotonic: float
    hard_wall: float
    hard_monotonic: float


@attrs.frozen
class _Failure:
    """The failure of a flight, and until when it is the answer."""

    error: TokenError
    until: float
    until_ahead: float
    streak: int


@attrs.define
class _Allowance:
    """So many at once, then one in so many seconds."""

    left: float
    since: float

    def refill(self, now: float) -> float:
        """Return how many there are now."""
        gained = max(0.0, now - self.since) / REFUSED_INTERVAL_SECONDS
        self.left = min(REFUSED_AT_ONCE, self.left + gained)
        self.since = now
        return self.left


class TokenManager:
    """Fetches, shares, renews and remembers the access token of one client.

    It may be made outside of an event loop, and used in several, one after another.

    Args:
        credentials: the client's.
        token_url: the token endpoint; https, unless its host is loopback.
        store: where tokens outlive the process and are shared with others; `None` for memory.
        timeout_seconds: for one token request.
        retry: attempts, delays and total time of one flight, for all who wait for it.
        clock: where time comes from.
        random: a source of [0, 1) for jitter.
        ask: how a token request is made; by default over a connection of its own.

    Raises:
        ConfigurationError: a setting cannot work.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        token_url: str = BASE_URL + TOKEN_PATH,
        store: TokenStore | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        clock: Clock = Clock(),  # noqa: B008 - frozen
        random: Callable[[], float] = _random.random,
        ask: AskToken = ask_token_once,
    ) -> None:
        check_at_least("timeout_seconds", timeout_seconds, 0, exclusive=True)
        self._credentials = credentials
        self._token_url = check_base_url(token_url, name="token_url")
        self._store: SafeStore | None = None
        if store is not None:
            key = TokenKey(self._token_url, credentials.client_id)
            self._store = SafeStore(store, key, timeout_seconds + LOCK_MARGIN_SECONDS)
        self._timeout_seconds = timeout_seconds
        self._retry = retry
        self._wall = clock.wall
        self._monotonic = clock.monotonic
        self._sleep = clock.sleep
        self._random = random
        self._ask = ask

        self._held: _Held | None = None
        self._why_none: Cause = "cold"
        self._flights: dict[asyncio.AbstractEventLoop, asyncio.Task[Token | TokenError]] = {}
        self._failure: _Failure | None = None
        self._refused: deque[str] = deque(maxlen=REFUSED_REMEMBERED)
        self._allowance = _Allowance(REFUSED_AT_ONCE, clock.monotonic())

    def __repr__(self) -> str:
        client_id = self._credentials.client_id
        return f"{type(self).__name__}(client_id={client_id}, token_url={self._token_url!r})"

    async def get_token(self) -> Token:
        """Return a token that can be used now.

        Raises:
            TokenRefusedError: the token endpoint refused the credentials.
            TokenUnavailableError: it gave no usable answer, in spite of retries.
        """
        held = self._held
        if (
            held is not None
            and self._wall() < held.soft_wall
            and self._monotonic() < held.soft_monotonic
        ):
            return held.token
        return await self._get_token()

    async def refresh(self) -> Token:
        """Return a token that is fetched now, or by the flight that is already under way.

        Raises:
            TokenError: as `get_token`.
        """
        return await self._join("forced")

    def invalidate(self, token: Token) -> None:
        """Take note that the server refused this token. No I/O.

        If it is still the current one it is dropped, and whoever asks next waits for another;
        unless too many were refused lately: then it stays, since a new one would fare no better.
        """
        if token.access_token not in self._refused:
            self._refused.append(token.access_token)
        held = self._held
        if held is None or held.token.access_token != token.access_token:
            return
        if self._allowance.refill(self._monotonic()) >= 1:
            self._held = None
            self._why_none = "refused"

    async def aclose(self) -> None:
        """Cancel the flight of this event loop, if there is one, and wait until it has ended.

        The manager remains usable.
        """
        flight = self.detach()
        if flight is not None:
            await finish(asyncio.wait((flight,)))

    def detach(self) -> asyncio.Task[Any] | None:
        """Cancel the flight of this event loop and return it; who comes now starts another."""
        flight = self._flights.pop(asyncio.get_running_loop(), None)
        if flight is not None:
            flight.cancel()
        return flight

    # --- callers ------------------------------------------------------------------------------

    async def _get_token(self) -> Token:
        while True:
            held = self._held
            if held is not None and self._lives(held):
                if self._may_refresh_ahead():
                    self._start("ahead of expiry")
                return held.token
            token = await self._join(self._why_none if held is None else "expired")
            # Refused by somebody between its landing and our turn? Then once more.
            if token.access_token not in self._refused:
                return token

    def _may_refresh_ahead(self) -> bool:
        if asyncio.get_running_loop() in self._flights:
            return False
        return self._failure is None or self._monotonic() >= self._failure.until_ahead

    async def _join(self, cause: Cause) -> Token:
        flight = self._flights.get(asyncio.get_running_loop())
        if flight is None:
            if self._failure is not None and self._monotonic() < self._failure.until:
                raise self._failure.error.fresh()
            flight = self._start(cause)
        try:
            outcome = await asyncio.shield(flight)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if flight.cancelled() and task is not None and not task.cancelling():
                closed = "the token manager was closed while a token was on its way"
                raise TokenUnavailableError(closed) from None
            raise
        if isinstance(outcome, TokenError):
            raise outcome.fresh()
        return outcome

    # --- the flight ---------------------------------------------------------------------------

    def _start(self, cause: Cause) -> asyncio.Task[Token | TokenError]:
        loop = asyncio.get_running_loop()
        for closed in [other for other in list(self._flights) if other.is_closed()]:
            del self._flights[closed]
        flight = loop.create_task(self._fly(cause), name="propq_async token flight")
        self._flights[loop] = flight
        flight.add_done_callback(lambda _: self._landed(loop, flight))
        return flight

    def _landed(
        self, loop: asyncio.AbstractEventLoop, flight: asyncio.Task[Token | TokenError]
    ) -> None:
        if self._flights.get(loop) is flight:
            del self._flights[loop]
        # A bug in a clock or in `ask`: whoever waits gets it, but perhaps nobody does.
        if not flight.cancelled() and (error := flight.exception()) is not None:
            logger.error("the token flight broke off: %s", type(error).__name__)

    async def _fly(self, cause: Cause) -> Token | TokenError:
        started = self._monotonic()
        attempts = 0
        while True:
            attempts += 1
            outcome = await self._attempt(cause)
            if isinstance(outcome, Token):
                self._failure = None
                return outcome
            delay = self._delay(outcome, attempts, self._monotonic() - started)
            if delay is None:
                return self._failed(outcome, cause, attempts)
            logger.debug("token request %d failed, next in %.2f s: %s", attempts, delay, outcome)
            await self._sleep(delay)

    async def _attempt(self, cause: Cause) -> Token | TokenError:
        """Look for a token that somebody else has fetched, or else fetch one."""
        if self._store is None:
            return await self._fetch(cause)
        token = await self._adopt(cause)
        if token is not None:
            return token
        async with self._store.lock():
            # Whoever held the lock before may have left what we need.
            token = await self._adopt(cause)
            if token is not None:
                return token
            outcome = await self._fetch(cause)
            if isinstance(outcome, Token):
                await self._store.save(outcome)
            return outcome

    async def _adopt(self, cause: Cause) -> Token | None:
        if self._store is None or cause == "forced":
            return None
        token = await self._store.load()
        if token is None or token.access_token in self._refused:
            return None
        held = self._hold_from(token, self._wall(), self._monotonic())
        if not self._lives(held):
            return None
        current = self._held
        if current is not None and self._lives(current) and not self._is_younger(token, current):
            return None
        self._hold(held)
        logger.info("took over a token from the store (%s)", cause, extra={"propq_cause": cause})
        return token

    async def _fetch(self, cause: Cause) -> Token | TokenError:
        if cause == "refused":
            self._allowance.left -= 1
        wall, monotonic = self._wall(), self._monotonic()
        reply = await self._ask(self._token_url, self._credentials, self._timeout_seconds)
        if isinstance(reply, Lost):
            return TokenUnavailableError(
                f"the token endpoint {self._token_url} gave no answer: {reply.reason}; check the "
                "network, the proxy and the base URL"
            )
        outcome = read_token(reply, asked_at=wall, credentials=self._credentials)
        if isinstance(outcome, TokenError):
            return outcome
        if outcome.access_token in self._refused:
            return TokenUnavailableError(
                "the token endpoint issued a token again that the server had refused",
                status=reply.status,
            )
        held = self._hold_from(outcome, wall, monotonic)
        if not self._lives(held):
            return TokenUnavailableError(
                "the token endpoint issued a token that had run out before it arrived",
                status=reply.status,
            )
        self._hold(held)
        duration = self._monotonic() - monotonic
        logger.info(
            "fetched a new token in %.2f s (%s); it expires at %s",
            duration,
            cause,
            outcome.expires_at.isoformat(timespec="seconds"),
            extra={"propq_cause": cause, "propq_duration_seconds": duration},
        )
        return outcome

    def _delay(self, error: TokenError, attempts: int, elapsed: float) -> float | None:
        """Return the seconds to wait before the next attempt, `None` if there is to be none."""
        policy = self._retry
        if attempts >= policy.attempts or not isinstance(error, TokenUnavailableError):
            return None
        status = error.status
        if not (status is None or status in _RETRIED_STATUSES or status >= _FIRST_SERVER_ERROR):
            return None
        asked = error.retry_after_seconds or 0.0
        if asked > policy.max_retry_after_seconds:
            return None
        delay = max(asked, policy.delay_seconds(attempts, self._random))
        total = policy.total_timeout_seconds
        return None if total is not None and elapsed + delay > total else delay

    def _failed(self, error: TokenError, cause: Cause, attempts: int) -> TokenError:
        asked = 0.0
        if isinstance(error, TokenUnavailableError):
            error.attempts = attempts
            asked = min(error.retry_after_seconds or 0.0, self._retry.max_retry_after_seconds)
        streak = 1 if self._failure is None else self._failure.streak + 1
        ahead = min(MAX_AHEAD_FAILURE_SECONDS, FAILURE_SECONDS * 2.0 ** min(streak, 10))
        now = self._monotonic()
        self._failure = _Failure(
            error,
            until=now + max(FAILURE_SECONDS, asked),
            until_ahead=now + max(ahead * (0.5 + self._random() / 2), asked),
            streak=streak,
        )
        # Once for a row of failures, not once for each.
        level = logging.WARNING if streak == 1 else logging.DEBUG
        logger.log(level, "no new token (%s): %s", cause, error, extra={"propq_cause": cause})
        return error

    # --- what is held -------------------------------------------------------------------------

    def _hold(self, held: _Held) -> None:
        """Make this the current token, unless a younger one arrived meanwhile."""
        current = self._held
        if current is None or not self._lives(current) or not self._is_younger(current.token, held):
            self._held = held

    def _hold_from(self, token: Token, wall: float, monotonic: float) -> _Held:
        """Return the token with its deadlines, given a moment on both clocks.

        A clock that was set back since the token was issued does not make it live longer than it
        was issued for.
        """
        lifetime = min(token.lifetime_seconds, MAX_LIFETIME.total_seconds())
        expires = token.expires_at.timestamp()
        remaining = min(lifetime, expires - wall)
        # Spread, so that processes that share a token do not all renew it at once.
        soft = min(lifetime * SOFT_FRACTION, SOFT_SECONDS) * (0.5 + self._random() / 2)
        hard = min(lifetime * HARD_FRACTION, HARD_SECONDS)
        return _Held(
            token,
            soft_wall=expires - soft,
            soft_monotonic=monotonic + remaining - soft,
            hard_wall=expires - hard,
            hard_monotonic=monotonic + remaining - hard,
        )

    def _lives(self, held: _Held) -> bool:
        return self._wall() < held.hard_wall and self._monotonic() < held.hard_monotonic

    @staticmethod
    def _is_younger(token: Token, than: _Held) -> bool:
        return token.issued_at > than.token.issued_at
