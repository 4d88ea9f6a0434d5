"""One call: attempts, gate, token, and the replay after a 401.

    gate ─▶ token ─▶ transport ─▶ verdict ─┬─▶ value
      ▲                                    ├─▶ error
      └── back-off, new token, or none ◀───┘

What a verdict costs: a 401 is replayed once with another token, outside the attempts. A 429, and a
503 with `Retry-After`, close the gate and cost nothing. Everything else that is retried costs an
attempt; but not for a row of a batch while nobody gets through, since then it is the server that
fails, and not the row.
"""

from __future__ import annotations

import asyncio
import logging
import random as _random
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final

import attrs
from yarl import URL

from .config import Clock, RetryPolicy
from .errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    PropQError,
    TokenError,
    TokenUnavailableError,
    UnexpectedResponseError,
)
from .gate import Gate, Shut, Ticket
from .lanes import Attempt
from .models import Token
from .stats import Counters
from .tokens import TokenManager
from .transport import Pool
from .wire import Call, Lost, Reply, lost_answer, status_error

__all__ = ["Calls", "Options", "Progress", "Request"]

logger = logging.getLogger(__name__)

_RETRIED: Final = frozenset({500, 502, 503, 504})

# A server that refuses without saying for how long, or that says "no time at all".
FIRST_UNSTATED_SECONDS: Final = 1.0
LAST_UNSTATED_SECONDS: Final = 60.0
LEAST_WAIT_SECONDS: Final = 0.05
# A call that waited longer than this for its token has not kept to the pace of the gate.
LATE_SECONDS: Final = 0.001
# Dead connections that one call may find in the pool before it takes them for an outage.
MAX_STALE: Final = 10


@attrs.frozen
class Options:
    """What a session may set for its calls."""

    timeout_seconds: float
    retry: RetryPolicy


@attrs.frozen
class Request:
    """A call before it is made, but for its body.

    `repeatable`: whether it may be made again when its answer was lost. `read` turns the reply into
    the value, or into the error that it is.
    """

    call: Call
    url: URL = attrs.field(repr=False)
    repeatable: bool
    read: Callable[[Reply, Call, Token], Any]


@attrs.frozen
class Row:
    """What makes a call the row of a batch.

    It is held while nobody gets through, for `max_outage_seconds` at the most. `is_suspect` says
    whether a 500 is more likely the fault of this row than of the server, when no other call is
    there to tell.
    """

    max_outage_seconds: float
    is_suspect: Callable[[], bool]


class Progress(Attempt):
    """What is known of a call while it runs, and of its attempt that is under way.

    It survives the call's cancellation. `attempts` are those that count, `requests` those that were
    made. `is_final`: what ended the call makes every further one pointless, too.
    """

    attempts = 0
    requests = 0
    error: APIError | None = None
    in_doubt = False
    is_final = False

    @property
    def may_have_been_applied(self) -> bool:
        """Return whether an attempt that is over, or the one under way, may have taken effect."""
        return self.in_doubt or self.sent

    @property
    def counted(self) -> int:
        """Return the attempts to report: one that cost nothing is one, if there was no other."""
        return self.attempts or min(self.requests, 1)

    def settle(self, error: APIError) -> APIError:
        """Return the error with what is known of all attempts."""
        error.may_have_been_applied |= self.may_have_been_applied
        error.attempts = self.counted
        return error


class Calls:
    """Makes the calls of one event loop. Pool, tokens and gate are shared by all of them."""

    def __init__(
        self,
        *,
        pool: Pool,
        tokens: TokenManager,
        gate: Gate,
        clock: Clock,
        random: Callable[[], float] = _random.random,
        counters: Counters | None = None,
    ) -> None:
        self.pool = pool
        self.tokens = tokens
        self.gate = gate
        self.clock = clock
        self.random = random
        self.counters = counters or Counters()
        self.is_left = False

    def leave(self) -> list[asyncio.Task[Any]]:
        """Let no call begin or go on, and return the tasks that are cancelled with it."""
        self.is_left = True
        return [task for task in (self.tokens.detach(), self.gate.detach()) if task is not None]

    # Neither this nor `Pool.call` nor `Units._update` is a coroutine function: they return the
    # coroutine that does the work, since one that only awaits another has its price, too.
    def make(
        self,
        request: Request,
        body: bytes | None,
        options: Options,
        progress: Progress,
        row: Row | None = None,
    ) -> Coroutine[Any, Any, Any]:
        """Make the call, as often as it takes, and return its value.

        Raises:
            APIError: it failed.
            TokenError: there is no token to make it with.
        """
        self.counters.calls += 1
        run = _Run(self, request, body, options, progress, row)
        total = options.retry.total_timeout_seconds
        return run.run() if total is None else run.run_within(total)


class _Run(Ticket):
    """One call from its first attempt to its end. It is its own ticket at the gate."""

    _refused: tuple[Token, APIError] | None = None
    _waits = 0
    _stale = 0

    def __init__(
        self,
        calls: Calls,
        request: Request,
        body: bytes | None,
        options: Options,
        progress: Progress,
        row: Row | None,
    ) -> None:
        self._calls = calls
        self._gate = calls.gate
        self._request = request
        self._body = body
        self._options = options
        self._progress = progress
        self._row = row
        self.since = calls.clock.monotonic()
        if row is None:
            self.held, self.patience_seconds = False, options.retry.max_retry_after_seconds
        else:
            self.held, self.patience_seconds = True, row.max_outage_seconds

    async def run_within(self, total_seconds: float) -> Any:
        try:
            async with asyncio.timeout(total_seconds):
                return await self.run()
        except TimeoutError:
            pass
        raise self._progress.settle(self._out_of_time(total_seconds))

    # In one piece, since a coroutine for each attempt would have its price.
    async def run(self) -> Any:  # noqa: C901, PLR0912
        calls, gate, request, progress = self._calls, self._gate, self._request, self._progress
        call = request.call
        while not calls.is_left:
            # Most need not wait, and a coroutine for each would have its price, too.
            if not gate.pass_at_once(self):
                shut = await gate.enter(self)
                if shut is not None:
                    progress.is_final = self._row is not None
                    raise self._shut_out(shut)
                if calls.is_left:
                    gate.leave(self)
                    break
            try:
                token = calls.tokens.at_hand() or await self._wait_for_token()
                if token is None:
                    continue
                if self._refused is not None:
                    self._check_is_another(token, *self._refused)
                others = gate.successes
                if progress.requests:
                    calls.counters.retries += 1
                    progress.stale = False
                progress.requests += 1
                outcome = await calls.pool.call(
                    call.method,
                    request.url,
                    self._body,
                    token,
                    self._options.timeout_seconds,
                    progress,
                )
                if logger.isEnabledFor(logging.DEBUG):
                    status = getattr(outcome, "status", "lost")
                    logger.debug("%s %s: %s", call.method, call.url, status)
                if isinstance(outcome, Reply) and outcome.is_success:
                    gate.succeeded(self, outcome)
                    progress.attempts += 1
                    value = request.read(outcome, call, token)
                    if isinstance(value, UnexpectedResponseError):
                        raise progress.settle(value)
                    return value
                verdict = self._verdict(outcome, token, others)
            finally:
                gate.leave(self)
            if isinstance(verdict, APIError):
                raise progress.settle(verdict)
            if verdict > 0:
                await calls.clock.sleep(verdict)
        if progress.error is not None:
            raise progress.settle(progress.error)
        raise RuntimeError("the session was left before this call was made")

    def _check_is_another(self, token: Token, refused: Token, error: APIError) -> None:
        """Raise if too many tokens were refused lately, so that there is no other to be had yet."""
        if token.access_token == refused.access_token:
            raise self._progress.settle(error)

    async def _wait_for_token(self) -> Token | None:
        """Return the token, `None` if the call has to ask the gate again."""
        asked_at = self._calls.clock.monotonic() if self._gate.is_pacing else None
        try:
            token = await self._calls.tokens.get_token()
        except TokenError as error:
            error.may_have_been_applied = self._progress.may_have_been_applied
            if self._row is None or not isinstance(error, TokenUnavailableError):
                raise
            # An outage like any other: one row asks again now and then, and the others are held.
            self._gate.failed(error)
            return None
        if asked_at is not None and self._calls.clock.monotonic() - asked_at > LATE_SECONDS:
            # The gate gave this pass for a moment that is over. All who waited for the token have
            # one, and would go out at once: so each asks the gate again.
            return None
        return token

    def _verdict(self, outcome: Reply | Lost, token: Token, others: int) -> APIError | float:
        """Tell gate and tokens what came back; return the final error, or the seconds to wait."""
        error = self._error(outcome, token)
        self._progress.error = error
        self._progress.in_doubt |= error.may_have_been_applied
        # From here on nothing is under way that a cancellation could leave in doubt.
        self._progress.sent = False
        if self._calls.is_left:
            # That is why the connection was lost, and says nothing of the server.
            return error
        status = error.status if isinstance(error, APIStatusError) else None
        wait = self._asked_to_wait(error)
        if wait is not None:
            self._calls.counters.refused += 1
            limited = status == HTTPStatus.TOO_MANY_REQUESTS
            self._gate.refused(self, error, wait, limited=limited)
            return 0.0
        if status is not None and status not in _RETRIED:
            self._gate.succeeded(self)
            if status == HTTPStatus.UNAUTHORIZED:
                self._calls.tokens.invalidate(token)
                if self._refused is None:
                    self._refused = token, error
                    return 0.0
            self._progress.attempts += 1
            return error
        if isinstance(outcome, Lost) and outcome.stale and self._stale < MAX_STALE:
            self._stale += 1
            return 0.0
        self._gate.failed(error)
        if self._is_to_blame(outcome, others):
            self._progress.attempts += 1
        return self._after_failure(outcome, error)

    def _error(self, outcome: Reply | Lost, token: Token) -> APIError:
        call = self._request.call
        if isinstance(outcome, Reply):
            return status_error(outcome, call, token, now=self._calls.clock.wall())
        kind = APITimeoutError if outcome.timed_out else APIConnectionError
        return kind(
            outcome.reason,
            method=call.method,
            url=call.url,
            may_have_been_applied=outcome.sent,
        )

    def _asked_to_wait(self, error: APIError) -> float | None:
        """Return how long the server wants nobody to call, `None` if it does not say so."""
        if not isinstance(error, APIStatusError):
            return None
        asked = error.retry_after_seconds
        if error.status != HTTPStatus.TOO_MANY_REQUESTS and (
            error.status != HTTPStatus.SERVICE_UNAVAILABLE or asked is None
        ):
            return None
        self._waits += 1
        growth = 2.0 ** min(self._waits - 1, 20)
        if asked is None:
            return min(LAST_UNSTATED_SECONDS, FIRST_UNSTATED_SECONDS * growth)
        return max(asked, min(FIRST_UNSTATED_SECONDS, LEAST_WAIT_SECONDS * growth))

    def _is_to_blame(self, outcome: Reply | Lost, others: int) -> bool:
        """Return whether a failure costs an attempt.

        For a row of a batch it does if somebody else got through meanwhile: then it is the row, and
        not the server, that fails. Where nobody else is there to tell, a server that broke down
        over it is the sign: a 500, or a connection that it closed instead of answering.
        """
        if self._row is None or self._gate.successes > others:
            return True
        if isinstance(outcome, Lost):
            broke_down = outcome.sent and not outcome.timed_out
        else:
            broke_down = outcome.status == HTTPStatus.INTERNAL_SERVER_ERROR
        return broke_down and self._row.is_suspect()

    def _after_failure(self, outcome: Reply | Lost, error: APIError) -> APIError | float:
        attempts = self._progress.attempts
        if attempts >= self._options.retry.attempts:
            return error
        if lost_answer(outcome) and not self._request.repeatable:
            return error
        delay = self._options.retry.delay_seconds(max(attempts, 1), self._calls.random)
        total = self._options.retry.total_timeout_seconds
        elapsed = self._calls.clock.monotonic() - self.since
        return error if total is not None and elapsed + delay > total else delay

    def _shut_out(self, shut: Shut) -> PropQError:
        """Return the error of a call that would have to wait longer at the gate than it may."""
        error = shut.error.fresh()
        if isinstance(error, TokenUnavailableError):
            error.may_have_been_applied = self._progress.may_have_been_applied
            return error
        error.method, error.url = self._request.call.method, self._request.call.url
        # What another call left in doubt is not in doubt for this one.
        error.may_have_been_applied = False
        told = self._progress.error is shut.error
        if isinstance(error, APIStatusError) and shut.seconds > 0 and not told:
            # It was another call that was told, some time ago.
            error.retry_after_seconds = shut.seconds
        return self._progress.settle(error)

    def _out_of_time(self, total_seconds: float) -> APITimeoutError:
        """Return the error of a call that has used up its `total_timeout_seconds`."""
        last = self._progress.error
        return APITimeoutError(
            f"not done within {total_seconds:g} s (total_timeout_seconds)"
            + (f"; the last attempt ended in: {last.said}" if last else ""),
            method=self._request.call.method,
            url=self._request.call.url,
        )
