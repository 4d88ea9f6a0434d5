"""The current token, the refused ones and the last failure, shared by all threads.

Each change takes no time and no `await`, and what is compared before it is changed is under the
lock, too. So nobody sees a half-done change.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from propq_async._process_bound import ForkSafeLock
from propq_async.clock import Clock
from propq_async.credentials import Token
from propq_async.errors import PropQError, TokenError, TokenUnavailableError
from propq_async.retry import RetryPolicy

from .failures import Failure
from .lifetime import Moment, TimedToken
from .refusals import Refusals

Cause: TypeAlias = Literal["cold", "expired", "refused", "ahead of expiry", "forced"]


class TokenState:
    """What a token manager knows. In a store, if there is one, others may leave a token."""

    def __init__(self, clock: Clock, random: Callable[[], float], *, has_store: bool) -> None:
        self._wall = clock.wall
        self._monotonic = clock.monotonic
        self._random = random
        self._has_store = has_store
        self._lock = ForkSafeLock()
        self._why_none: Cause = "cold"
        self.current: TimedToken | None = None
        # The last one that was dropped because it was refused.
        self._dropped: TimedToken | None = None
        self.failure: Failure | None = None
        self.refusals = Refusals(clock.monotonic())

    def now(self) -> Moment:
        return Moment(self._wall(), self._monotonic())

    # --- what callers get ---------------------------------------------------------------------

    def offer(self) -> Token | Cause:
        """Return the token to serve, or why a caller has to wait for another one."""
        current = self.current
        if current is None:
            return self._why_none
        if current.is_expired(self.now()):
            return "expired"
        if self._has_store and current.token in self.refusals:
            return "refused"
        return current.token

    def serves(self, timed: TimedToken) -> bool:
        return not timed.is_expired(self.now()) and timed.token not in self.refusals

    def stays(self, token: Token) -> bool:
        """Return whether a waiter takes this token, although it may have been refused since."""
        current = self.current
        return token not in self.refusals or (current is not None and current.token is token)

    def answer(self, *, ahead: bool = False) -> PropQError | None:
        """Return the recent failure that is the answer instead of a request."""
        failure = self.failure
        if failure is not None and failure.is_answer(self._monotonic(), ahead=ahead):
            return failure.error
        return None

    def settled(self, cause: Cause, before: TimedToken | None) -> Token | PropQError | None:
        """Return what another event loop has brought since a flight was asked for.

        `before` is the token that was current then.
        """
        is_ahead = cause == "ahead of expiry"
        error = self.answer(ahead=is_ahead)
        if error is not None:
            return error
        current = self.current
        if current is None or not self.serves(current):
            return None
        if is_ahead:
            return current.token if current.is_fresh(self.now()) else None
        return None if cause == "forced" and current is before else current.token

    def retained(self) -> TimedToken | None:
        """Return the refused token if it stays, since too many were refused to ask for another."""
        with self._lock:
            current = self.current
            if current is None or current.is_expired(self.now()):
                return None
            return None if self.refusals.may_ask(self._monotonic()) else current

    def exhaust(self) -> TimedToken | None:
        """Take back the refused token, since the other processes may not ask for another either.

        `None` if there is none that still lives.
        """
        with self._lock:
            current = self.current or self._dropped
            if current is None or current.is_expired(self.now()):
                return None
            self.refusals.exhaust(self._monotonic())
            self.current = current.aged()
            return self.current

    # --- what changes it ----------------------------------------------------------------------

    def refuse(self, token: Token) -> None:
        """Drop the token if it is current, unless too many were refused lately."""
        with self._lock:
            self.refusals.add(token)
            current = self.current
            if current is None or current.token.access_token != token.access_token:
                return
            if self.refusals.may_ask(self._monotonic()):
                self.current, self._dropped = None, current
                self._why_none = "refused"
            elif self._has_store:
                self.current = current.aged()

    def accept(
        self, token: Token, asked_at: Moment, known_refusals: tuple[bytes, ...], cause: Cause
    ) -> TimedToken | TokenError:
        """Take a token from the endpoint, or return why it cannot be used."""
        if self.refusals.is_new(token, known_refusals):
            return TokenUnavailableError("the token was refused before it arrived")
        timed = TimedToken.of(token, asked_at, jitter=self._random())
        if timed.is_expired(self.now()):
            return expired_on_arrival()
        with self._lock:
            # A server that issues a refused token once more may have changed its mind. Never to
            # take it would lock us out for as long as the token lives.
            self.refusals.forget(token)
            if cause == "refused":
                self.refusals.asked()
            current = self.current
            # A younger one may have arrived meanwhile. The monotonic clock alone decides: a wall
            # clock that is set back would make every new token the older one.
            if (
                current is None
                or not self.serves(current)
                or timed.since_monotonic >= current.since_monotonic
            ):
                self.current = timed
        return timed

    def adopt(self, token: Token) -> TimedToken | None:
        """Take a token from the store, `None` if it is no better than the current one."""
        timed = TimedToken.of(token, self.now(), jitter=self._random())
        if not self.serves(timed):
            return None
        with self._lock:
            current = self.current
            # Our own token lives no longer in the store than here, whatever the wall clock says.
            if current is not None and (
                current.token.access_token == token.access_token
                or (self.serves(current) and not timed.is_younger_than(current))
            ):
                return None
            self.current = timed
        return timed

    def failed(self, error: PropQError, policy: RetryPolicy) -> Failure:
        self.failure = Failure.after(
            self.failure, error, policy, now=self._monotonic(), jitter=self._random()
        )
        return self.failure


def expired_on_arrival() -> TokenError:
    """Return the error of a token whose time was over before it could be used."""
    return TokenUnavailableError("the token had run out before it could be used")
