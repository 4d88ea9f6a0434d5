"""The summary of a push, plain enough to be mailed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import attrs

from propq_async import APIStatusError, PropQError
from propq_async.errors import ServerError
from propq_async.pricelist import Plan, PushOutcome, Reason, Standing

from .exit_codes import Exit, exit_of
from .phrases import and_more, are, counted, first
from .plan_text import totals
from .screen import Screen

__all__ = ["Summary"]

_MINUTE: Final = 60


@attrs.define
class Summary:
    """What became of a push."""

    plan: Plan
    ledger: str
    standing: Standing
    # How many items of a kind are shown.
    listed: int
    skipped_sheets: Mapping[str, str]
    explained: Callable[[PropQError], str]
    began: datetime = attrs.field(factory=lambda: datetime.now().astimezone())
    reasons: list[str] = attrs.field(factory=list)
    more_reasons: int = 0
    failures: Path | None = None
    again: str = ""
    failures_error: OSError | None = None
    failures_missing: int = 0
    stopped_by: PropQError | None = None
    is_interrupted: bool = False
    refused: int = 0
    # All rows that failed, if somebody wants them.
    outcomes: list[PushOutcome] | None = None

    def take(self, outcome: PushOutcome) -> None:
        """Note a row that failed."""
        error = outcome.error
        assert error is not None  # noqa: S101 - for the type checker
        if self.outcomes is not None:
            self.outcomes.append(outcome)
        self.refused += isinstance(error, APIStatusError) and not isinstance(error, ServerError)
        why = self.explained(error)
        self.fail(f"{outcome.change.row.place}, {outcome.change.update.name}: {why}")

    def fail(self, reason: str) -> None:
        """Note why a row was not applied. Only the first `listed` reasons are kept."""
        if len(self.reasons) < self.listed:
            self.reasons.append(reason)
        else:
            self.more_reasons += 1

    def fail_broken(self) -> None:
        """Note why rows are broken, each kind of problem once."""
        for kind in self.plan.problems:
            self.fail(str(kind))

    @property
    def status(self) -> Exit:
        """Return the exit status."""
        if self.stopped_by is not None:
            return exit_of(self.stopped_by)
        if self.is_interrupted and self._left:
            return Exit.INTERRUPTED
        return Exit.ROWS_FAILED if self.standing.failed or self.plan.broken else Exit.DONE

    @property
    def _left(self) -> int:
        return self.standing.not_sent + self.standing.cut_off

    @property
    def verdict(self) -> str:
        """Return how it ended, in a sentence or two."""
        standing = self.standing
        lost = standing.failed + len(self.plan.broken)
        said = []
        if self.stopped_by is not None:
            said.append(f"Stopped: {self.explained(self.stopped_by)}.")
        elif self.status is Exit.INTERRUPTED:
            said.append("Interrupted.")
        if self._left:
            said.append(
                f"{standing.applied:,} of {counted(standing.total, 'row')} "
                f"{'is' if standing.total == 1 else are(standing.applied)} applied, "
                f"{self._left:,} {are(self._left)} still to be sent: the same command goes on "
                "from here."
            )
        elif not standing.total:
            said.append("Nothing to send.")
        elif not standing.failed:
            said.append("Everything that was sent is applied.")
        if lost:
            said.append(
                f"{lost:,} of {counted(self.plan.rows, 'row')} {are(lost)} not applied"
                + self._advice
            )
        return " ".join(said)

    @property
    def message(self) -> str:
        """Return the verdict and the command that it speaks of, in one line."""
        is_told = self.again and self._is_to_be_mended
        return f"{self.verdict} {self.again}" if is_told else self.verdict

    @property
    def _advice(self) -> str:
        """Return what to do about the rows that failed."""
        if not self._is_to_be_mended:
            return ": the server is to blame, and the same command tries again."
        if self.failures_error is not None:
            why = "" if self.failures is None else f"{self.failures} is not whole, so "
            return f": {why}mend the list itself and push it once more."
        if self.failures is None:
            return "."
        return f": mend {self.failures} and push that:"

    @property
    def _is_to_be_mended(self) -> bool:
        return bool(self.refused or self.plan.broken)

    def show(self, screen: Screen) -> None:
        """Show it."""
        account = self.plan.account
        screen.sentence(f"PropQ push of {self.plan.path}", "bold")
        for sheet, reason in self.skipped_sheets.items():
            screen.sentence(f"sheet {sheet} is not read: {reason}")
        screen.section("", list(self._facts()))
        screen.section("The list", totals(self.plan), right=[1, 2])
        if self.plan.warnings:
            texts = first(map(str, self.plan.warnings), self.listed)
            screen.lines(f"Confirmed for client {account.client_id}", texts)
        if self.reasons:
            more_reasons = [and_more(self.more_reasons)] if self.more_reasons else []
            screen.lines("Not applied", [*self.reasons, *more_reasons], "bold red")
        screen.sentence("")
        good = self.status is Exit.DONE
        screen.sentence(self.verdict, "green" if good else "bold red")
        if self.again and self._is_to_be_mended:
            screen.to_copy(self.again)

    def _facts(self) -> Iterator[tuple[str, str]]:
        standing, made = self.standing, self.plan
        seconds = (datetime.now().astimezone() - self.began).total_seconds()
        yield "to", f"{made.account.base_url} as client {made.account.client_id}"
        yield "began", f"{self.began:%Y-%m-%d %H:%M:%S %z}, took {_duration(seconds)}"
        yield "rows of the list", f"{made.rows:,}"
        yield "unchanged", f"{made.unchanged:,}"
        sent = ", ".join(
            f"{made.count(reason):,} {reason}" for reason in Reason if made.count(reason)
        )
        yield "to be sent", f"{standing.total:,}" + (f" ({sent})" if sent else "")
        yield "applied", f"{standing.applied:,}"
        unsure = f", {standing.unsure:,} of them may have been applied" if standing.unsure else ""
        yield "failed", f"{standing.failed:,}{unsure}"
        if standing.cut_off:
            unsure = f", {standing.cut_off_unsure:,} of them may have been applied"
            yield "cut off", f"{standing.cut_off:,}{unsure}"
        if standing.not_sent:
            yield "not sent", f"{standing.not_sent:,}"
        yield "broken", f"{len(made.broken):,}"
        if made.repeated:
            yield "repeated", f"{made.repeated:,}, the same as an earlier row"
        if self.failures_error is not None:
            yield "failures", self._incomplete(self.failures_error)
        elif self.failures is not None:
            yield "failures", str(self.failures)
        yield "ledger", self.ledger

    def _incomplete(self, error: OSError) -> str:
        why = error.strerror or str(error)
        if self.failures is None:
            return f"could not be written: {why}"
        if not self.failures_missing:
            return f"{self.failures}, which may not be whole: {why}"
        return f"{self.failures} is not whole, {self.failures_missing:,} missing: {why}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(seconds, _MINUTE)
    return f"{seconds:.1f} s" if not minutes else f"{minutes:.0f} min {rest:.0f} s"
