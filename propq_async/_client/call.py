"""One call: attempts, throttle, token, and the replay after a 401.

throttle ─▶ token ─▶ transport ─┬─▶ value
▲                               └─▶ verdict ─▶ error
└── back-off, or another token ◀───────┘
"""

from __future__ import annotations

from bisect import bisect_left
from http import HTTPStatus
from logging import DEBUG
from typing import Any, Final

from propq_async._wire.messages import FIRST_REDIRECT, FIRST_SUCCESS, Reply
from propq_async._wire.replies import meaning_of_success
from propq_async.credentials import Token
from propq_async.errors import (
    APIError,
    TokenError,
    TokenUnavailableError,
    UnexpectedResponseError,
)
from propq_async.stats import BOUNDS

from .lost_answers import is_hopeless
from .rejections import error_of_rejection
from .retries import RetriedCall, logger
from .unit_order import Crowd

# A call that waited longer than this for its token has not kept to the pace of the throttle.
LATE_SECONDS: Final = 0.001

_is_enabled_for: Final = logger.isEnabledFor


class Run(RetriedCall):
    """One call from its first attempt to its end."""

    # Whether something else counts how it fails.
    is_inner = False

    async def run(self) -> Any:  # noqa: C901, PLR0912, PLR0915 - as its docstring says
        """Make attempts until one ends the call.

        Every call pays for this function, so an attempt that waits for nothing runs in one piece.
        """
        resources, request = self.resources, self.request
        throttle, tokens, counters = resources.throttle, resources.tokens, resources.counters
        call = request.call
        unit, order = self.unit, resources.order
        if unit is not None and order.units.setdefault(unit, self) is not self:
            order.join(unit, self)
        try:
            while not resources.is_left:
                if self.crowd is not None:
                    await self.wait_for_others(self.crowd)
                if not (throttle.try_acquire(self) or await self._wait_for_turn()):
                    break
                try:
                    token = tokens._cached_token() or await self._wait_for_token()  # noqa: SLF001 - for the client, not for users
                    if token is None:
                        continue
                    if self.refused is not None and not await self._is_another(
                        token, *self.refused
                    ):
                        continue
                    self.in_flight = True
                    if self.crowd is not None and not self.crowd.go(self):
                        continue
                    successes = throttle.successes
                    if self.requests:
                        counters.retries += 1
                        self.stale = False
                    self.requests += 1
                    pool = resources.pool
                    outcome = await (pool.transport or pool).send(
                        call.method,
                        request.url,
                        token,
                        self.body,
                        self.options.timeout_seconds,
                        self,
                    )
                    if (
                        isinstance(outcome, Reply)
                        and FIRST_SUCCESS <= outcome.status < FIRST_REDIRECT
                    ):
                        read = request.read  # a variable, since to call an attribute takes longer
                        value = read(outcome, call, token)
                        if not isinstance(value, UnexpectedResponseError):
                            if self.observer is not None or _is_enabled_for(DEBUG):
                                self.tell(outcome, None, token)
                            took = throttle.succeeded(self, outcome) - self.since
                            self.attempts += 1
                            if token is not tokens._working:  # noqa: SLF001 - as above
                                tokens._worked(token)  # noqa: SLF001 - as above
                            counters.seconds += took
                            counters.buckets[bisect_left(BOUNDS, took)] += 1
                            return value
                        delay = self.failed(meaning_of_success(outcome), value, token, successes)
                    else:
                        delay = self.failed(outcome, None, token, successes)
                finally:
                    self.in_flight = False
                    if self.crowd is not None:
                        self.crowd.wake()
                    throttle.release(self)
                if delay:
                    await self._back_off(delay)
                if self.failed_after is not None and self.error is not None:
                    self._take_retry(self.failed_after, self.error)
            if self.error is not None:
                raise self.settle(self.error)  # noqa: TRY301 - counted below, as all are
            raise RuntimeError("the session was left before this call was made")  # noqa: TRY301 - the same
        except BaseException as error:
            if not self.is_inner:
                self.count(error)
            raise
        finally:
            if unit is not None:
                if self.crowd is None:
                    # No other thread joins in between: they take turns at calls and loops only.
                    del order.units[unit]
                else:
                    order.leave(unit, self, self.crowd)

    async def _back_off(self, seconds: float) -> None:
        began = self.resources.clock.monotonic()
        try:
            await self.resources.clock.sleep(seconds)
        finally:
            self.waited("retry", began)

    async def wait_for_others(self, crowd: Crowd) -> None:
        """Wait while another update of the unit is in flight."""
        self.check_is_newest()
        began = self.resources.clock.monotonic()
        try:
            await crowd.turn(self)
        finally:
            self.waited("unit", began)
        self.check_is_newest()

    async def _wait_for_turn(self) -> bool:
        """Wait at the throttle. Returns `False`, without a permit, if the session was left."""
        throttle = self.resources.throttle
        if self.terms is None:
            self.max_wait_seconds = self.options.retry.max_wait_seconds
        if self.crowd is not None:
            self.crowd.step_back(self)
        began = self.resources.clock.monotonic()
        try:
            rejected = await throttle.acquire(self)
        finally:
            self.waited("throttle", began)
        if rejected is not None:
            # If others get through, it is the row that fails.
            self.is_final = self.terms is not None and not throttle.is_to_blame(self)
            raise error_of_rejection(self, rejected)
        if self.resources.is_left:
            throttle.release(self)
            return False
        return True

    async def _is_another(self, token: Token, refused: Token, error: APIError) -> bool:
        """Return whether this is not the refused token again, since too many were refused lately.

        If it is, wait until another one may be asked for.

        Raises:
            APIError: another one would fare no better.
        """
        if token.access_token != refused.access_token:
            return True
        if not self.are_credentials_proven(token):
            raise self.settle(error)
        tokens = self.resources.tokens
        if self.crowd is not None:
            self.crowd.step_back(self)
        await self._back_off(tokens._seconds_until_another())  # noqa: SLF001 - for the client
        tokens.invalidate(token)
        return False

    async def _wait_for_token(self) -> Token | None:
        """Return the token, or `None` if the call has to go back to the throttle."""
        resources = self.resources
        if self.crowd is not None:
            self.crowd.step_back(self)
        is_pacing, asked_at = resources.throttle.is_pacing, resources.clock.monotonic()
        try:
            token = await resources.tokens.get_token()
        except TokenError as error:
            error.may_have_been_applied = self.may_have_been_applied
            error.unit = self.unit_named
            if self.terms is None or not isinstance(error, TokenUnavailableError):
                raise
            if error.worth_attempts is not None and is_hopeless(
                error.worth_attempts, ever_got_through=resources.throttle.successes > 0
            ):
                raise
            # An outage like any other: one row probes now and then, and the others are held.
            resources.throttle.failed(error)
            return None
        finally:
            self.waited("token", asked_at)
        if is_pacing and resources.clock.monotonic() - asked_at > LATE_SECONDS:
            # The permit was for a moment that has passed. Everybody who waited for the token has it
            # now, and all would go out at once: so each goes back to the throttle.
            return None
        return token

    def _take_retry(self, failed_after: int, error: APIError) -> None:
        """Raise the error of the last attempt if single calls make too many retries.

        `failed_after`: how many calls had got through by then.
        """
        resources, self.failed_after = self.resources, None
        successes = resources.throttle.successes
        is_unavailable = getattr(error, "status", None) == HTTPStatus.SERVICE_UNAVAILABLE
        if is_unavailable and successes > failed_after:
            # It is not down, but does not take so many at once.
            return
        part = self.options.retry.retry_budget
        if not resources.retry_budget.take(part, resources.clock.monotonic(), successes):
            error.advice = "try again later: too many calls fail to retry each (retry_budget)"
            raise self.settle(error)
