"""The token manager: one token for everybody, one request for it at a time.

The manager holds a token or none, and per event loop at most one *flight*: a task that brings the
next token. A held token goes through three times of its life:

    fresh    until the soft deadline    served; nothing else happens
    ageing   until the hard deadline    served; a flight is started that nobody waits for
    expired  from then on               not served; callers wait for the flight

    none ──flight lands──▶ fresh ──time──▶ ageing ──time──▶ expired
      ▲                      ▲ └──────────────┴── refused ──▶ none, or kept
      └── start of the program └── flight lands ── from all others alike

    kept     refused, but too many were refused lately for one more request; whoever asks waits for
             a flight that looks into the store, and gets this one again if there is no other

Why it is right:

- There is no `await` between looking for a flight and starting one, so a loop has one at the most.
- Callers wait for the flight through a shield: cancelling them cancels nothing.
- A flight returns its outcome, good or bad, as a value: everybody who waits gets it, and if
  nobody waits, asyncio reports nothing as never retrieved.
- State changes in three places only: where a token arrives (`_fetch`, `_adopt`), `invalidate`, and
  where a flight ends. Each is without `await`, so a half-done change is never seen.
- Both clocks count, and the earlier deadline wins: the wall clock knows of suspends, the monotonic
  one of a wall clock that is set. Which of two tokens of ours is the younger is a matter of the
  monotonic clock alone: a wall clock that is set back must not make every new token the older one.

Whoever observes can count: the records that end a flight have `propq_event` ("fetched", "adopted"
from the store, "failed"), `propq_cause` (why it was started), `propq_duration_seconds`, and
`propq_attempts` as attributes.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random as _random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
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
Event: TypeAlias = Literal["fetched", "adopted", "kept"]

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
    """A token with its deadlines on both clocks, and its beginning on the monotonic one."""

    token: Token
    since_monotonic: float
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
        retry: attempts and delays of one flight, for all who wait for it; after the total time no
            further attempt is begun.
        clock: where time comes from.
        random: a source of [0, 1) for jitter.
        ask: how a token request is made; by default over a connection of its own.

    Attributes:
        refreshes: how many tokens it has fetched from the token endpoint so far.

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
        check_at_least("timeout_seconds", timeout_seconds, 0, exclusive=True, finite=True)
        self._credentials = credentials
        self._token_url = check_base_url(token_url, name="token_url")
        self._store: SafeStore | None = None
        if store is not None:
            key = TokenKey(self._token_url, credentials.client_id)
            self._store = SafeStore(
                store,
                key,
                lock_seconds=timeout_seconds + LOCK_MARGIN_SECONDS,
                monotonic=clock.monotonic,
            )
        self._timeout_seconds = timeout_seconds
        self._retry = retry
        self._wall = clock.wall
        self._monotonic = clock.monotonic
        self._sleep = clock.sleep
        self._random = random
        self._ask = ask

        self.refreshes = 0
        self._held: _Held | None = None
        self._why_none: Cause = "cold"
        self._flights: dict[asyncio.AbstractEventLoop, asyncio.Task[Token | TokenError]] = {}
        self._failure: _Failure | None = None
        # Fingerprints, so that no frame and no dump of this object shows a token.
        self._refused: deque[bytes] = deque(maxlen=REFUSED_REMEMBERED)
        self._allowance = _Allowance(REFUSED_AT_ONCE, clock.monotonic())

    def __repr__(self) -> str:
        # A traceback with locals shows an object whose constructor has refused, too.
        token_url = getattr(self, "_token_url", None)
        client_id = self._credentials.client_id if token_url else None
        return f"{type(self).__name__}(client_id={client_id}, token_url={token_url!r})"

    def at_hand(self) -> Token | None:
        """Return a token that can be used now, `None` if that takes more than two clock reads."""
        held = self._held
        if (
            held is not None
            and self._wall() < held.soft_wall
            and self._monotonic() < held.soft_monotonic
        ):
            return held.token
        return None

    async def get_token(self) -> Token:
        """Return a token that can be used now.

        Raises:
            TokenRefusedError: the token endpoint refused the credentials.
            TokenUnavailableError: it gave no usable answer, in spite of retries.
        """
        return self.at_hand() or await self._get_token()

    async def refresh(self) -> Token:
        """Return a token that is fetched now, or by the flight that is already under way.

        Raises:
            TokenError: as `get_token`.
        """
        while True:
            token = await self._join("forced")
            # The flight under way may have been one that kept what was refused.
            if not self._is_refused(token):
                return token

    def invalidate(self, token: Token) -> None:
        """Take note that the server refused this token. No I/O.

        If it is still the current one it is dropped, and whoever asks next waits for another;
        unless too many were refused lately: then it stays, since a new one would fare no better,
        until somebody else has left another one in the store.
        """
        if not self._is_refused(token):
            self._refused.append(_fingerprint(token))
        held = self._held
        if held is None or held.token.access_token != token.access_token:
            return
        if self._allowance.refill(self._monotonic()) >= 1:
            self._held = None
            self._why_none = "refused"
        elif self._store is not None:
            self._held = attrs.evolve(held, soft_wall=-math.inf, soft_monotonic=-math.inf)

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
            if held is None:
                cause = self._why_none
            elif not self._lives(held):
                cause = "expired"
            elif self._store is not None and self._is_refused(held.token):
                cause = "refused"
            else:
                if self._may_refresh_ahead():
                    self._start("ahead of expiry")
                return held.token
            token = await self._join(cause)
            # Refused by somebody between its landing and our turn? Then once more, unless it stays.
            held = self._held
            if not self._is_refused(token) or (held is not None and held.token is token):
                return token

    def _may_refresh_ahead(self) -> bool:
        if self._under_way() is not None:
            return False
        failure = self._failure
        return failure is None or self._monotonic() >= failure.until_ahead

    def _under_way(self) -> asyncio.Task[Token | TokenError] | None:
        """Return the flight of this event loop, if it has not ended.

        One that has just ended is still there for a turn of the loop. To wait for it would take no
        time, so that whoever does not like its outcome would ask again without an end.
        """
        flight = self._flights.get(asyncio.get_running_loop())
        return None if flight is None or flight.done() else flight

    async def _join(self, cause: Cause) -> Token:
        flight = self._under_way()
        if flight is None:
            failure = self._failure
            if failure is not None and self._monotonic() < failure.until:
                raise failure.error.fresh()
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
            self._flights.pop(closed, None)  # perhaps another thread was faster
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
            event, outcome = await self._attempt(cause)
            elapsed = self._monotonic() - started
            if isinstance(outcome, _Held):
                # Once more, since the store may have taken its time.
                if self._lives(outcome):
                    if event != "kept":
                        self._arrived(event, outcome.token, cause, attempts, elapsed)
                    return outcome.token
                outcome = _ran_out()
            delay = self._delay(outcome, attempts, elapsed)
            if delay is None:
                return self._failed(outcome, cause, attempts, elapsed)
            # Once for a row of failures, not once for each.
            first = attempts == 1 and self._failure is None
            level = logging.WARNING if first else logging.DEBUG
            logger.log(
                level, "token request %d failed, next in %.2f s: %s", attempts, delay, outcome
            )
            await self._sleep(delay)

    async def _attempt(self, cause: Cause) -> tuple[Event, _Held | TokenError]:
        """Look for a token that somebody else has fetched, or else fetch one."""
        if self._store is None:
            return "fetched", await self._fetch(cause)
        held = await self._adopt(cause)
        if held is not None:
            return "adopted", held
        held = self._held
        if (
            cause == "refused"
            and held is not None
            and self._lives(held)
            and self._allowance.refill(self._monotonic()) < 1
        ):
            return "kept", held
        async with self._store.lock():
            # Whoever held the lock before may have left what we need.
            held = await self._adopt(cause)
            if held is not None:
                return "adopted", held
            outcome = await self._fetch(cause)
            if isinstance(outcome, _Held):
                await self._store.save(outcome.token)
            return "fetched", outcome

    async def _adopt(self, cause: Cause) -> _Held | None:
        if self._store is None or cause == "forced":
            return None
        token = await self._store.load()
        if token is None or self._is_refused(token):
            return None
        held = self._hold_from(token, self._wall(), self._monotonic())
        current = self._held
        if not self._lives(held):
            return None
        # Our own token has in the store no longer life than here, whatever the wall clock says.
        if current is not None and (
            current.token.access_token == token.access_token
            or (self._serves(current) and not _is_younger(held, current))
        ):
            return None
        self._hold(held)
        return held

    async def _fetch(self, cause: Cause) -> _Held | TokenError:
        wall, monotonic = self._wall(), self._monotonic()
        refused_before = tuple(self._refused)
        reply = await self._ask(self._token_url, self._credentials, self._timeout_seconds)
        if isinstance(reply, Lost):
            return TokenUnavailableError(
                f"the token endpoint {self._token_url} gave no answer: {reply.reason}; check the "
                "network, the proxy and the base URL"
            )
        outcome = read_token(reply, asked_at=wall, credentials=self._credentials)
        if isinstance(outcome, TokenError):
            return outcome
        is_refused = self._is_refused(outcome)
        if is_refused and _fingerprint(outcome) not in refused_before:
            return TokenUnavailableError("the token was refused before it arrived")
        held = self._hold_from(outcome, wall, monotonic)
        if not self._lives(held):
            return _ran_out()
        if is_refused:
            # A server that issues it once more has perhaps changed its mind; if not, we are told
            # so again. Never to take it would lock us out for as long as it lives.
            with suppress(ValueError):  # perhaps another thread was faster
                self._refused.remove(_fingerprint(outcome))
        if cause == "refused":
            self._allowance.left -= 1
        self._hold(held)
        return held

    def _arrived(
        self, event: Event, token: Token, cause: Cause, attempts: int, duration: float
    ) -> None:
        self._failure = None
        if event == "fetched":
            self.refreshes += 1
        logger.info(
            "%s a token in %.2f s (%s); it expires at %s",
            "took over from the store" if event == "adopted" else "fetched",
            duration,
            cause,
            token.expires_at.isoformat(timespec="seconds"),
            extra=_extra(event, cause, attempts, duration),
        )

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

    def _failed(
        self, error: TokenError, cause: Cause, attempts: int, duration: float
    ) -> TokenError:
        asked = 0.0
        if isinstance(error, TokenUnavailableError):
            error.attempts = attempts
            asked = min(error.retry_after_seconds or 0.0, self._retry.max_retry_after_seconds)
        last = self._failure
        streak = 1 if last is None else last.streak + 1
        ahead = min(MAX_AHEAD_FAILURE_SECONDS, FAILURE_SECONDS * 2.0 ** min(streak, 10))
        now = self._monotonic()
        self._failure = _Failure(
            error,
            until=now + max(FAILURE_SECONDS, asked),
            until_ahead=now + max(ahead * (0.5 + self._random() / 2), asked),
            streak=streak,
        )
        level = logging.WARNING if streak == 1 else logging.DEBUG
        extra = _extra("failed", cause, attempts, duration)
        logger.log(level, "no new token (%s): %s", cause, error, extra=extra)
        return error

    # --- what is held -------------------------------------------------------------------------

    def _hold(self, held: _Held) -> None:
        """Make this the current token, unless a younger one arrived meanwhile."""
        current = self._held
        if (
            current is None
            or not self._serves(current)
            or held.since_monotonic >= current.since_monotonic
        ):
            self._held = held

    def _hold_from(self, token: Token, wall: float, monotonic: float) -> _Held:
        """Return the token with its deadlines, given a moment on both clocks.

        A clock that was set back since the token was issued does not make it live longer than it
        was issued for.
        """
        lifetime = min(token.lifetime_seconds, MAX_LIFETIME.total_seconds())
        expires = token.expires_at.timestamp()
        age = min(max(0.0, wall - token.issued_at.timestamp()), lifetime)
        remaining = min(lifetime, expires - wall)
        # Spread, so that processes that share a token do not all renew it at once.
        soft = min(lifetime * SOFT_FRACTION, SOFT_SECONDS) * (0.5 + self._random() / 2)
        hard = min(lifetime * HARD_FRACTION, HARD_SECONDS)
        return _Held(
            token,
            since_monotonic=monotonic - age,
            soft_wall=expires - soft,
            soft_monotonic=monotonic + remaining - soft,
            hard_wall=expires - hard,
            hard_monotonic=monotonic + remaining - hard,
        )

    def _is_refused(self, token: Token) -> bool:
        return _fingerprint(token) in self._refused

    def _serves(self, held: _Held) -> bool:
        return self._lives(held) and not self._is_refused(held.token)

    def _lives(self, held: _Held) -> bool:
        return self._wall() < held.hard_wall and self._monotonic() < held.hard_monotonic


def _is_younger(stored: _Held, current: _Held) -> bool:
    """Return whether a token from the store is younger than the current one.

    The wall clock tells for sure that it is another one; the monotonic one, that it will be held.
    """
    return (
        stored.token.issued_at > current.token.issued_at
        and stored.since_monotonic >= current.since_monotonic
    )


def _fingerprint(token: Token) -> bytes:
    return sha256(token.access_token.encode()).digest()


def _ran_out() -> TokenError:
    return TokenUnavailableError("the token had run out before it could be used")


def _extra(
    event: Event | Literal["failed"], cause: Cause, attempts: int, duration: float
) -> dict[str, str | int | float]:
    return {
        "propq_event": event,
        "propq_cause": cause,
        "propq_attempts": attempts,
        "propq_duration_seconds": duration,
    }
