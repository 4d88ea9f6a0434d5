"""The summary of a push, plain enough to be mailed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import attrs

from propq_async import APIStatusError, PropQError
from propq_async._messages import joined, os_reason, tr, trn
from propq_async.errors import ServerError
from propq_async.pricelist import Plan, PushOutcome, Standing

from .exit_codes import Exit, exit_of
from .phrases import and_more, counted, first, grouped
from .plan_text import REASONS, show_changes, show_setup, totals
from .screen import Screen

__all__ = ["Summary"]

_MINUTE: Final = 60
# So many are shown one by one.
_FEW_CHANGES: Final = 5


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
    # Why their file has a number.
    failures_kept: Path | None = None
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
        name = outcome.change.update.name
        self.fail(joined("", (outcome.change.row.place, ", ", name, ": ", why)))

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
            said.append(tr("Stopped: {why}.").format(why=self.explained(self.stopped_by)))
        elif self.status is Exit.INTERRUPTED:
            said.append(tr("Interrupted."))
        if self._left:
            is_one = 1 in (standing.applied, standing.total)
            applied = (
                tr("{count:,} of {rows} is applied")
                if is_one
                else tr("{count:,} of {rows} are applied")
            ).format(count=standing.applied, rows=counted(standing.total, "row"))
            left = trn(
                "{count:,} is still to be sent", "{count:,} are still to be sent", self._left
            )
            said.append(
                tr("{applied}, {left}: the same command goes on from here.").format(
                    applied=applied, left=left
                )
            )
        elif not standing.total:
            said.append(tr("Nothing to send."))
        elif not standing.failed:
            said.append(tr("Everything that was sent is applied."))
        if lost:
            said.append(
                trn(
                    "{count:,} of {rows} is not applied",
                    "{count:,} of {rows} are not applied",
                    lost,
                    rows=counted(self.plan.rows, "row"),
                )
                + self._advice
            )
        return joined(" ", said)

    @property
    def message(self) -> str:
        """Return the verdict and the command that it speaks of, in one line."""
        is_told = self.again and self._is_to_be_mended
        return joined(" ", (self.verdict, self.again)) if is_told else self.verdict

    @property
    def _advice(self) -> str:
        """Return what to do about the rows that failed."""
        if not self._is_to_be_mended:
            return tr(": the server is to blame, and the same command tries again.")
        if self.failures is None:
            return tr(": correct the list itself and push it once more.")
        if self.failures_error is not None:
            return tr(
                ": {failures} is not whole, so correct the list itself and push it once more."
            ).format(failures=self.failures)
        return tr(": correct {failures} and push that:").format(failures=self.failures)

    @property
    def _is_to_be_mended(self) -> bool:
        return bool(self.refused or self.plan.broken)

    def show(self, screen: Screen) -> None:
        """Show it."""
        account = self.plan.account
        screen.sentence(tr("PropQ push of {path}").format(path=self.plan.path), "bold")
        for sheet, reason in self.skipped_sheets.items():
            screen.sentence(
                tr("sheet {sheet} is not read: {reason}").format(sheet=sheet, reason=reason)
            )
        screen.section("", list(self._facts()))
        if len(self.plan.changes) <= _FEW_CHANGES:
            show_changes(screen, tr("Changes"), self.plan.changes, self.plan, _FEW_CHANGES)
        screen.section(tr("The list"), totals(self.plan), right=[1, 2])
        if self.plan.warnings:
            texts = first(map(str, self.plan.warnings), self.listed)
            screen.lines(
                tr("Confirmed for client {client_id}").format(client_id=account.client_id), texts
            )
        if self.reasons:
            more_reasons = [and_more(self.more_reasons)] if self.more_reasons else []
            screen.lines(tr("Not applied"), [*self.reasons, *more_reasons], "bold red")
            show_setup(screen, self.plan, self.failures)
        screen.sentence("")
        good = self.status is Exit.DONE
        screen.sentence(self.verdict, "green" if good else "bold red")
        if self.again and self._is_to_be_mended:
            screen.to_copy(self.again)

    def _facts(self) -> Iterator[tuple[str, str]]:
        standing, made = self.standing, self.plan
        seconds = (datetime.now().astimezone() - self.began).total_seconds()
        yield (
            tr("to"),
            tr("{base_url} as client {client_id}").format(
                base_url=made.account.base_url, client_id=made.account.client_id
            ),
        )
        yield (
            tr("began"),
            tr("{began:%Y-%m-%d %H:%M:%S %z}, took {duration}").format(
                began=self.began, duration=_duration(seconds)
            ),
        )
        yield tr("rows of the list"), grouped(made.rows)
        yield tr("unchanged"), grouped(made.unchanged)
        sent = joined(
            ", ",
            (
                joined(" ", (grouped(made.count(reason)), name))
                for reason, name in REASONS.items()
                if made.count(reason)
            ),
        )
        yield (
            tr("to be sent"),
            grouped(standing.total) + (joined("", (" (", sent, ")")) if sent else ""),
        )
        yield tr("applied"), grouped(standing.applied)
        unsure = (
            tr(", {unsure:,} of them may have been applied").format(unsure=standing.unsure)
            if standing.unsure
            else ""
        )
        yield tr("failed"), grouped(standing.failed) + unsure
        if standing.cut_off_unsure:
            unsure = tr(", {unsure:,} of them may have been applied").format(
                unsure=standing.cut_off_unsure
            )
            yield tr("cut off"), grouped(standing.cut_off) + unsure
        not_sent = standing.not_sent
        if not standing.cut_off_unsure:
            # What was cut off before it went out.
            not_sent += standing.cut_off
        if not_sent:
            yield tr("not sent"), grouped(not_sent)
        yield tr("broken"), grouped(len(made.broken))
        if made.repeated:
            yield (
                tr("repeated"),
                tr("{repeated:,}, the same as an earlier row").format(repeated=made.repeated),
            )
        if self.failures_error is not None:
            yield tr("failures"), self._incomplete(self.failures_error)
        elif self.failures is not None:
            kept = (
                ""
                if self.failures_kept is None
                else tr("; {kept} is kept, since it may have your corrections").format(
                    kept=self.failures_kept
                )
            )
            yield tr("failures"), joined("", (str(self.failures), kept))
        yield tr("ledger"), self.ledger

    def _incomplete(self, error: OSError) -> str:
        why = os_reason(error)
        if self.failures is None:
            return tr("could not be written: {why}").format(why=why)
        if not self.failures_missing:
            return tr("{failures}, which may not be whole: {why}").format(
                failures=self.failures, why=why
            )
        return tr("{failures} is not whole, {missing:,} missing: {why}").format(
            failures=self.failures, missing=self.failures_missing, why=why
        )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(seconds, _MINUTE)
    return (
        tr("{seconds:.1f} s").format(seconds=seconds)
        if not minutes
        else f"{minutes:.0f} min {rest:.0f} s"
    )
