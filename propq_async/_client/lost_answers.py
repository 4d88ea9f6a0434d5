"""What happens to a call whose answer was lost, be it a row of a batch or a single call. Pure.

In this order:

    what was lost                         what follows
    an answer that can never be read      it fails
    a request on a dead idle connection   once more, at once, on another connection
    a connection that no retry can make   it fails, and so does its batch
    an answer, and the call must not be   it fails, and says that it may have been applied
      repeated (`retry_unacknowledged`)
    anything else                         it backs off and is repeated, until it has used up its
                                          attempts; a row uses up none if it is not to blame

The last line is shared with other failures that may pass, and stands in `retry_rules.py`. What a
price list makes of a row that may have been applied is in `ledger/_changes.py`.
"""

from __future__ import annotations

from typing import Final

from propq_async._wire.messages import Lost, Reply
from propq_async._wire.statuses import rule_of

from .progress import Progress
from .terms import Meaning, Others, Terms, Verdict

# Dead connections that one call may find in the pool before it takes them for an outage.
MAX_DEAD_CONNECTIONS: Final = 10


def judge_loss(lost: Lost, progress: Progress, others: Others) -> Verdict | None:
    """Return the verdict on a loss, `None` if it is a failure that may pass."""
    if lost.final:
        return Verdict(Meaning.FINAL, fails=True, counts=True)
    if lost.stale and progress.dead_connections < MAX_DEAD_CONNECTIONS:
        return Verdict(Meaning.DEAD)
    if _is_futile(lost, progress, others):
        return Verdict(Meaning.FUTILE, fails=True, counts=True)
    return None


def may_be_repeated(outcome: Reply | Lost, terms: Terms) -> bool:
    """Return whether the call may be made again, although the server may have received it."""
    if terms.is_repeatable:
        return True
    # A gateway may say that it lost the answer of the server behind it.
    is_lost = outcome.sent if isinstance(outcome, Lost) else rule_of(outcome.status).is_answer_lost
    return not is_lost


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
