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

from propq_async._wire.messages import Call, Lost, Reply
from propq_async._wire.status_errors import status_error
from propq_async._wire.statuses import Kind, rule_of
from propq_async.credentials import Token
from propq_async.errors import APIConnectionError, APIError, APITimeoutError

from .lost_answers import judge_loss, may_be_repeated
from .progress import Progress
from .terms import Meaning, Others, Terms, Verdict
from .wait_after_429 import LEAST_BLAMED, judge_unavailable

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
        settled = judge_loss(outcome, progress, others)
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


def _judge_status(
    kind: Kind, error: APIError, progress: Progress, terms: Terms, others: Others
) -> Verdict | None:
    """Return the verdict on an error status, `None` if it is a failure that may pass."""
    is_own = others.got_through or (others.ever_got_through and others.row_is_suspect)
    match kind:
        case Kind.LIMIT | Kind.UNAVAILABLE:
            return judge_unavailable(kind, error, progress, terms, others)
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


def kind_of(outcome: Reply | Lost) -> Kind:
    """Return what an outcome other than a 2xx is a sign of."""
    return rule_of(outcome.status).kind if isinstance(outcome, Reply) else Kind.OUTAGE


def may_pass(outcome: Reply | Lost) -> bool:
    """Return whether the same call may succeed later, without anybody changing anything."""
    if isinstance(outcome, Lost):
        return not outcome.final and outcome.worth_attempts is None
    return kind_of(outcome) in _PASSING


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
    if attempts >= terms.policy.attempts or not may_be_repeated(outcome, terms):
        return None
    delay = terms.policy.delay_seconds(max(attempts, 1), terms.random)
    return delay if delay <= terms.seconds_left else None
