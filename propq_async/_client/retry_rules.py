"""What an answer means for a call: retry after so long, or fail. Pure: no clock and no asyncio.

A success needs no verdict: `call` returns its value. For everything else, what a status is a sign
of is in `_wire/statuses.py`:

    what came back                  meaning      counts as attempt   what follows
    LIMIT; UNAVAILABLE if it says   WAIT         no                  everybody waits
      how long
    ... while others get through    WAIT         if to blame         this call waits, or fails
    UNAVAILABLE while others get    OVERLOAD     not the first ten   back off, or fail; fewer go
      through                                                        out at once
    ... if it takes all others      OWN          yes                 back off, or fail
    TOKEN                           TOKEN        the second one      once more with another token
    ... a revoked token again       TOKEN        yes; a row: no      again with another token
    REFUSAL; a loss that would      FINAL        yes                 fail
      come again
    an idle connection was dead     DEAD         no                  at once on another connection
    HOPELESS; a loss that no retry  FUTILE       yes                 fail, the whole batch as well
      can help
    BREAKDOWN, unless everybody     OWN          yes                 back off, or fail
      gets it
    DETOUR, HOPELESS of one call    OWN          yes                 fail
    any other loss or status        OUTAGE       yes, for a row if   back off, or fail
                                                 it is to blame

A row of a batch is not to blame while nobody gets through: then it is the server that fails.
"""

from __future__ import annotations

from typing import Final

from propq_async._wire.messages import Call, Lost, Reply, lost_answer
from propq_async._wire.status_errors import status_error
from propq_async._wire.statuses import Kind, rule_of
from propq_async.credentials import Token
from propq_async.errors import APIConnectionError, APIError, APIStatusError, APITimeoutError

from .progress import Progress
from .retry_after import LEAST_BLAMED, seconds_to_wait
from .terms import Meaning, Others, Terms, Verdict

# Dead connections that one call may find in the pool before it takes them for an outage.
MAX_DEAD_CONNECTIONS: Final = 10
# The longest wait after a 503 without `Retry-After` that other calls do not get, and how many of
# them cost no attempt.
LAST_OVERLOAD_SECONDS: Final = 2.0
FREE_OVERLOADS: Final = 10
_PASSING: Final = (Kind.LIMIT, Kind.UNAVAILABLE, Kind.BREAKDOWN, Kind.OUTAGE)


def error_of(outcome: Reply | Lost, call: Call, token: Token, *, now: float) -> APIError:
    """Return the error that an outcome other than a 2xx is. `now` is the time of day."""
    if isinstance(outcome, Reply):
        answered = status_error(outcome, call, token, now=now)
        answered.advice = rule_of(outcome.status).advice or answered.advice
        return answered
    kind = APITimeoutError if outcome.timed_out else APIConnectionError
    error = call.error(kind, outcome.reason, may_have_been_applied=outcome.sent)
    error.advice = outcome.advice or error.advice
    return error


def judge(
    outcome: Reply | Lost, error: APIError, progress: Progress, terms: Terms, others: Others
) -> Verdict:
    """Return what an outcome other than a 2xx means for the call.

    `progress` is that of the attempts before this one.
    """
    kind = kind_of(outcome)
    if isinstance(outcome, Lost):
        settled = _judge_loss(outcome, progress, others)
    else:
        settled = _judge_status(kind, error, progress, terms, others)
    if settled is not None:
        return settled
    is_own = (kind is Kind.BREAKDOWN and not others.all_break_down) or (
        kind is Kind.UNAVAILABLE and others.got_through
    )
    counts = not terms.is_batch_row or is_own or _is_to_blame(outcome, progress, others)
    delay = _back_off(outcome, progress.attempts + counts, terms)
    return Verdict(
        Meaning.OWN if is_own else Meaning.OUTAGE,
        delay or 0.0,
        fails=delay is None,
        counts=counts,
    )


def _judge_loss(lost: Lost, progress: Progress, others: Others) -> Verdict | None:
    """Return the verdict on a loss, `None` if it is a failure that may pass."""
    if lost.final:
        return Verdict(Meaning.FINAL, fails=True, counts=True)
    if lost.stale and progress.dead_connections < MAX_DEAD_CONNECTIONS:
        return Verdict(Meaning.DEAD)
    if _is_futile(lost, progress, others):
        return Verdict(Meaning.FUTILE, fails=True, counts=True)
    return None


def _judge_status(
    kind: Kind, error: APIError, progress: Progress, terms: Terms, others: Others
) -> Verdict | None:
    """Return the verdict on an error status, `None` if it is a failure that may pass."""
    is_own = others.got_through or (others.ever_got_through and others.row_is_suspect)
    match kind:
        case Kind.LIMIT | Kind.UNAVAILABLE:
            return _judge_unavailable(kind, error, progress, terms, others)
        case Kind.TOKEN:
            return _judge_refused_token(progress, terms, others)
        case Kind.REFUSAL:
            return Verdict(Meaning.FINAL, fails=True, counts=True)
        case Kind.HOPELESS:
            meaning = Meaning.OWN if is_own else Meaning.FUTILE
            return Verdict(meaning, fails=True, counts=True)
        case Kind.DETOUR if is_own or not terms.is_batch_row:
            return Verdict(Meaning.OWN, fails=True, counts=True)
        case _:
            return None


def _judge_refused_token(progress: Progress, terms: Terms, others: Others) -> Verdict:
    is_second = progress.token_refused
    if not (is_second and others.prove_credentials):
        return Verdict(Meaning.TOKEN, fails=is_second, counts=is_second)
    if terms.is_batch_row:
        return Verdict(Meaning.TOKEN)
    is_last = progress.attempts + 1 >= terms.policy.attempts
    return Verdict(Meaning.TOKEN, fails=is_last, counts=True)


def _judge_unavailable(
    kind: Kind, error: APIError, progress: Progress, terms: Terms, others: Others
) -> Verdict | None:
    """Return the verdict on a server that does not take the call now.

    `None`: it is down, or does not take this one call.
    """
    asked = error.retry_after_seconds if isinstance(error, APIStatusError) else None
    if kind is Kind.LIMIT or asked is not None:
        is_limit = kind is Kind.LIMIT
        return Verdict(Meaning.WAIT, seconds_to_wait(asked, progress.waits), is_limit=is_limit)
    if not others.got_through or others.are_overloads_of_calls:
        return None
    # It is not down, since it takes others: it does not take so many at once.
    counts = progress.waits >= FREE_OVERLOADS or terms.policy.attempts == 1
    wait = min(LAST_OVERLOAD_SECONDS, terms.policy.delay_seconds(progress.waits + 1, terms.random))
    is_over = progress.attempts + counts >= terms.policy.attempts or wait > terms.seconds_left
    return Verdict(Meaning.OVERLOAD, wait, fails=is_over, counts=counts)


def kind_of(outcome: Reply | Lost) -> Kind:
    """Return what an outcome other than a 2xx is a sign of."""
    return rule_of(outcome.status).kind if isinstance(outcome, Reply) else Kind.OUTAGE


def may_pass(outcome: Reply | Lost) -> bool:
    """Return whether the same call may succeed later, without anybody changing anything."""
    if isinstance(outcome, Lost):
        return not outcome.final and outcome.worth_attempts is None
    return kind_of(outcome) in _PASSING


def is_hopeless(worth_attempts: int, *, ever_got_through: bool) -> bool:
    """Return whether a failure that is worth so many attempts is no outage.

    A name that does not resolve although the server was reached before is one: the network is
    down.
    """
    return worth_attempts == 1 or not ever_got_through


def _is_futile(lost: Lost, progress: Progress, others: Others) -> bool:
    """Return whether no further attempt can help, here or in any other call."""
    worth = lost.worth_attempts
    return (
        worth is not None
        and progress.futile + 1 >= worth
        # There may be several servers behind one name.
        and not others.got_through
        and is_hopeless(worth, ever_got_through=others.ever_got_through)
    )


def _is_to_blame(outcome: Reply | Lost, progress: Progress, others: Others) -> bool:
    """Return whether a failure is the fault of the row, and not of the server.

    It is if another call got through meanwhile. If there is no other, the sign is a server that
    broke down over the row: it closed the connection instead of answering. Or it did not take the
    row several times when it took others, or takes all others.
    """
    if others.got_through:
        return True
    if isinstance(outcome, Lost):
        is_sign = outcome.sent and not outcome.timed_out
    else:
        is_repeated = others.are_overloads_of_calls or progress.waits >= LEAST_BLAMED
        is_sign = kind_of(outcome) is Kind.UNAVAILABLE and is_repeated
    return is_sign and others.row_is_suspect


def _back_off(outcome: Reply | Lost, attempts: int, terms: Terms) -> float | None:
    is_unrepeatable = lost_answer(outcome) and not terms.is_repeatable
    if attempts >= terms.policy.attempts or is_unrepeatable:
        return None
    delay = terms.policy.delay_seconds(max(attempts, 1), terms.random)
    return delay if delay <= terms.seconds_left else None
