"""What became of the changes of a push."""

from __future__ import annotations

from enum import StrEnum

import attrs

from propq_async.errors import PropQError
from propq_async.models import UnitOutcome

from ._changes import Change

__all__ = ["PushOutcome", "Result", "Standing"]


class Result(StrEnum):
    """What has become of a change."""

    NOT_SENT = "not sent"
    APPLIED = "applied"
    FAILED = "failed"
    CUT_OFF = "cut off"
    """Credentials, an outage or the end of the push ended the call."""


@attrs.frozen(eq=False)
class PushOutcome:
    """What became of a change.

    Args:
        change: the change, with its row.
        outcome: the outcome of the call.
        is_cut_off: whether credentials, an outage or the end of the push cut the call off. The row
            needs no mending, and the next push sends it again.
    """

    change: Change
    outcome: UnitOutcome
    is_cut_off: bool = False

    @property
    def ok(self) -> bool:
        """Return whether the server acknowledged the change."""
        return self.outcome.ok

    @property
    def result(self) -> Result:
        """Return what has become of the change."""
        if self.ok:
            return Result.APPLIED
        return Result.CUT_OFF if self.is_cut_off else Result.FAILED

    @property
    def is_unsure(self) -> bool:
        """Return whether it failed and may have been applied all the same."""
        return self.error is not None and self.error.may_have_been_applied

    @property
    def is_failure(self) -> bool:
        """Return whether the row failed, and was not just cut off."""
        return not self.outcome.ok and not self.is_cut_off

    @property
    def error(self) -> PropQError | None:
        """Return why it failed, `None` if it did not."""
        return self.outcome.error


@attrs.define
class Standing:
    """The counts of a push.

    Args:
        total: how many changes there are.
        applied: how many the server acknowledged.
        failed: how many ended in an error.
        unsure: how many of those may have been applied.
        cut_off: how many were under way when the push was closed, or when credentials or an outage
            ended it. They are no failures.
        cut_off_unsure: how many of those may have been applied.
    """

    total: int
    applied: int = 0
    failed: int = 0
    unsure: int = 0
    cut_off: int = 0
    cut_off_unsure: int = 0

    def count(self, outcome: PushOutcome) -> None:
        """Count one more outcome."""
        if outcome.ok:
            self.applied += 1
        elif outcome.is_cut_off:
            self.cut_off += 1
            self.cut_off_unsure += outcome.is_unsure
        else:
            self.failed += 1
            self.unsure += outcome.is_unsure

    @property
    def done(self) -> int:
        """Return how many have an outcome."""
        return self.applied + self.failed

    @property
    def not_sent(self) -> int:
        """Return how many have not been sent yet, or are under way."""
        return self.total - self.done - self.cut_off
