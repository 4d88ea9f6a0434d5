"""What follows when an attempt of a call fails: it is told to the throttle, and waits, or fails.

`retry_rules` decides what an answer means. This module carries that out.
"""

from __future__ import annotations

import asyncio
import logging
import math
from contextlib import suppress
from typing import TYPE_CHECKING

from propq_async._throttling.permit import Permit
from propq_async._wire.messages import Lost, Reply
from propq_async._wire.status_errors import request_id
from propq_async._wire.statuses import Kind
from propq_async.credentials import Token
from propq_async.errors import (
    APIError,
    AuthenticationError,
    SupersededError,
)
from propq_async.hooks import CallObserver, EndedAttempt, WaitReason

from .call_spec import BatchRow, Options, Request
from .progress import Progress
from .resources import LoopResources
from .retry_rules import (
    error_of,
    judge,
    kind_of,
    may_pass,
)
from .terms import Meaning, Others, Terms, Verdict
from .unit_order import Contender, Crowd
from .wait_after_429 import after_own_refusal

logger = logging.getLogger("propq_async.calls")


class RetriedCall(Permit, Contender, Progress):
    """A call, and what follows from each of its attempts. It is its own permit at the throttle.

    `terms`: what makes it the row of a batch, `None` if it is none. `observer`: what watches it.
    """

    resources: LoopResources
    request: Request
    options: Options
    body: bytes | None = None
    terms: BatchRow | None = None
    observer: CallObserver | None = None
    # Of the class, since to set them all in a constructor would cost every call.
    is_batch_row = False
    crowd: Crowd | None = None
    refused: tuple[Token, APIError] | None = None
    _first_refused_at: float | None = None
    # How many calls had got through when a single one failed that is to be retried.
    failed_after: int | None = None
    # It is made by the thousand, and the attributes have defaults.
    if TYPE_CHECKING:

        def __init__(self) -> None: ...

    else:
        __init__ = object.__init__

    @property
    def patience_seconds(self) -> float:  # type: ignore[override]  # it is only read
        """Return the longest that it waits while nobody gets through."""
        terms = self.terms
        policy = self.options.retry
        return policy.max_retry_after_seconds if terms is None else terms.max_outage_seconds

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop that it runs in."""
        return self.resources.loop

    @property
    def attempt_seconds(self) -> float:
        """Return the longest that an attempt of it takes."""
        return self.options.timeout_seconds

    def check_is_newest(self) -> None:
        """Raise if this update must not be sent (again), since there is a newer one of its unit."""
        crowd, call = self.crowd, self.request.call
        if crowd is not None and (
            crowd.is_superseded(self) if self.attempts else self.is_overtaken
        ):
            taken = "a newer update of this unit has taken its place" + self.last_attempt
            raise self.settle(call.error(SupersededError, taken))

    def are_credentials_proven(self, refused: Token) -> bool:
        """Return whether it was the token that was revoked, and not the client.

        A call that is refused for longer than its patience is refused for another reason.
        """
        now = self.resources.clock.monotonic()
        if self._first_refused_at is None:
            self._first_refused_at = now
        is_patient = now - self._first_refused_at <= self.patience_seconds
        return is_patient and self.resources.tokens._are_credentials_proven(refused)  # noqa: SLF001 - for the client

    def waited(self, reason: WaitReason, since: float) -> None:
        """Note for how long the call has waited."""
        seconds = self.resources.clock.monotonic() - since
        if reason == "throttle":
            self.resources.counters.waited_seconds += seconds
        if self.observer is not None:
            self.observer.waited(reason, seconds)

    def count(self, error: BaseException) -> None:
        """Count a call that failed."""
        with suppress(Exception):  # a clock that fails must not hide what it would time
            seconds = self.resources.clock.monotonic() - self.since
            self.resources.counters.ended_in(error, seconds)

    def tell(self, outcome: Reply | Lost, error: APIError | None, token: Token) -> None:
        """Tell the log and the observer what came back."""
        call, unit = self.request.call, self.unit_named
        status, said = None, "lost"
        if isinstance(outcome, Reply):
            status, said = outcome.status, f"{outcome.status}"
        answer_id = request_id(outcome, token) if isinstance(outcome, Reply) else None
        logger.debug(
            "%s %s%s: %s%s",
            call.method,
            call.url,
            f" (unit {unit[1]!r})" if unit else "",
            said,
            f" [request {answer_id}]" if answer_id else "",
            extra={
                "propq_event": "answered" if status else "lost",
                "propq_method": call.method,
                "propq_url": call.url,
                "propq_development": unit and unit[0],
                "propq_unit": unit and unit[1],
                "propq_status": status,
                "propq_request_id": answer_id,
                "propq_attempt": self.requests,
            },
        )
        if self.observer is not None:
            self.observer.attempted(
                EndedAttempt(number=self.requests, status=status, request_id=answer_id, error=error)
            )

    def failed(
        self, outcome: Reply | Lost, error: APIError | None, token: Token, successes: int
    ) -> float:
        """Return the seconds to wait before the next attempt, or raise the error of the call.

        `error`: the error that the outcome is, if it is known. `successes`: the calls that had got
        through when this attempt began.
        """
        if error is None:
            error = error_of(outcome, self.request.call, token, now=self.resources.clock.wall())
        error.is_retryable = may_pass(outcome)
        error.unit = self.unit_named
        self.ended_in(error)
        self.tell(outcome, error, token)
        # If the session was left, that ended the attempt. It says nothing about the server.
        delay = (
            None if self.resources.is_left else self._carry_out(outcome, error, token, successes)
        )
        if delay is None:
            raise self.settle(error)
        self.check_is_newest()
        return delay

    def _carry_out(
        self, outcome: Reply | Lost, error: APIError, token: Token, successes: int
    ) -> float | None:
        """Tell throttle and tokens what came back. Return the seconds to wait, `None` to fail."""
        resources, row = self.resources, self.terms
        throttle = resources.throttle
        others = self._seen_of_others(outcome, error, token, successes)
        terms = self._judged_by()
        verdict = judge(outcome, error, self, terms, others)
        self.attempts += verdict.counts
        delay = None if verdict.fails else verdict.wait_seconds
        is_unavailable = kind_of(outcome) is Kind.UNAVAILABLE
        match verdict.meaning:
            case Meaning.WAIT:
                self.waits += 1
                reply = outcome if isinstance(outcome, Reply) else None
                delay = self._told_to_wait(error, reply, verdict, terms, others)
            case Meaning.TOKEN:
                throttle.succeeded(self)
                self.token_refused = True
                resources.tokens.invalidate(token)
                self.refused = token, error
            case Meaning.FINAL:
                # A final loss is an answer, too, though one that we do not read.
                throttle.succeeded(self)
            case Meaning.DEAD:
                self.dead_connections += 1
            case Meaning.FUTILE:
                # It would be the same for every other row.
                self.is_final = row is not None
            case Meaning.OVERLOAD:
                self.waits += 1
                throttle.overloaded(self, error)
            case Meaning.OWN:
                # It says nothing of the server, or what it says is already noted.
                pass
            case Meaning.OUTAGE if row is not None and verdict.counts and is_unavailable:
                # Nor does this: the server has taken others before it.
                pass
            case _:
                throttle.failed(error)
                self.futile += isinstance(outcome, Lost) and outcome.worth_attempts is not None
        if row is None and verdict.meaning in (Meaning.OWN, Meaning.OUTAGE):
            self.failed_after = throttle.successes
        return delay

    def _seen_of_others(
        self, outcome: Reply | Lost, error: APIError, token: Token, successes: int
    ) -> Others:
        """Return what other calls show of the server. Takes note of a 500, and of a row's 503."""
        row, throttle = self.terms, self.resources.throttle
        got_through = throttle.successes > successes
        if kind_of(outcome) is Kind.UNAVAILABLE:
            # Who got through since its last 503 counts, too: rows that get nothing else are most of
            # those under way after a while.
            got_through |= throttle.unavailable(self)
        return Others(
            got_through=got_through,
            ever_got_through=throttle.successes > 0,
            row_is_suspect=row is not None and row.is_suspect(),
            are_overloads_of_calls=throttle.overloads.are_of_calls,
            prove_credentials=isinstance(error, AuthenticationError)
            and self.are_credentials_proven(token),
            all_break_down=kind_of(outcome) is Kind.BREAKDOWN and throttle.broke_down(self, error),
        )

    def _told_to_wait(
        self, error: APIError, reply: Reply | None, verdict: Verdict, terms: Terms, others: Others
    ) -> float | None:
        """Close the throttle. Return as `_carry_out`, which is 0 if the throttle holds the call."""
        resources, seconds = self.resources, verdict.wait_seconds
        resources.counters.refused += 1
        blamed = self.blamed
        closed = resources.throttle.refused(
            self,
            error,
            seconds,
            limited=verdict.is_limit,
            is_suspect=others.ever_got_through and others.row_is_suspect,
            reply=reply,
        )
        if closed:
            attempts = terms.policy.attempts
            if not resources.throttle.is_given_up(self, attempts):
                return 0.0
            self.attempts = attempts
            return None
        self.attempts += self.blamed - blamed
        return after_own_refusal(seconds, self.blamed, self.patience_seconds, self, terms)

    def _judged_by(self) -> Terms:
        policy = self.options.retry
        left = math.inf
        if policy.total_timeout_seconds is not None:
            elapsed = self.resources.clock.monotonic() - self.since
            left = policy.total_timeout_seconds - elapsed
        return Terms(
            policy, self.request.repeatable, self.terms is not None, left, self.resources.random
        )
