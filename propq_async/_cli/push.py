"""`propq push`: send what changed in a price list."""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext, suppress
from typing import Final

import attrs

from propq_async import AsyncPropQ, PropQError
from propq_async._messages import joined, tr
from propq_async._waiting import finish
from propq_async.ledger import Account, Ledger
from propq_async.pricelist import (
    BrokenRow,
    Failures,
    Plan,
    PriceList,
    Push,
    Row,
    plan,
    push,
)
from propq_async.pricelist._planning import check_current
from propq_async.pricelist._saved_plan import Saved

from .account import find_credentials
from .client import connect, explained
from .exclusive_push import alone
from .exit_codes import CommandError, Exit
from .language import said
from .list_options import open_list
from .plan import plan_status, refuse_empty, tell_plan
from .plan_file import kept
from .push_confirmation import confirm
from .push_json import run_as_json
from .push_options import PushOptions
from .push_summary import Summary
from .report_file import check_report, tell_report, write_report
from .screen import Screen, ledger_warnings, report
from .shard_option import shard_to_push
from .signals import on_interrupt
from .streams import complain, errors_out

__all__ = ["PushCommand"]

LOOK_SECONDS: Final = 0.1


@attrs.frozen(kw_only=True)
class PushCommand(PushOptions):
    """The command with its options."""

    async def run(self) -> Exit:
        """Make the plan, have it confirmed, and push it."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker
        run = _Run(self, task)
        with on_interrupt(run.interrupt):
            if self.as_json and not self.dry_run:
                return await run_as_json(run.to_its_end, lambda: (run.made, run.summary))
            return await run.to_its_end()


@attrs.define
class _Run:
    """One run of the command, from its list to its summary."""

    command: PushCommand
    task: asyncio.Task[object]
    # Progress goes to stderr, so that stdout has the summary only.
    screen: Screen = attrs.field(factory=lambda: Screen(errors_out(), is_timed=True))
    propq: AsyncPropQ = attrs.field(init=False)
    outcomes: Push | None = None
    made: Plan | None = None
    summary: Summary | None = None
    interrupts: int = 0
    # Polls whether anything is still in flight.
    looking: asyncio.TimerHandle | None = None

    def interrupt(self) -> None:
        """Finish what is in flight; end at once if nothing is, or if asked twice."""
        self.interrupts += 1
        if self.outcomes is None or self.interrupts > 1:
            self.task.cancel()
            return
        self.outcomes.stop()
        self.screen.say(
            tr("finishing what is in flight; Ctrl-C once more cuts it off"), label="stop"
        )
        self._end_with_what_is_in_flight()

    def _end_with_what_is_in_flight(self) -> None:
        """Cancel rows that only wait to be sent, as soon as nothing is in flight."""
        if self.propq.stats().in_flight == 0:
            self.task.cancel()
        else:
            loop = asyncio.get_running_loop()
            self.looking = loop.call_later(LOOK_SECONDS, self._end_with_what_is_in_flight)

    async def to_its_end(self) -> Exit:
        """Run it, and say that nothing was sent if it is interrupted before."""
        try:
            with nullcontext() if self.command.quiet else ledger_warnings():
                return await self.run()
        except asyncio.CancelledError:
            raise CommandError(tr("interrupted: nothing was sent"), Exit.INTERRUPTED) from None

    async def run(self) -> Exit:
        command = self.command
        command.guards.check()
        check_report(command.report)
        saved = await asyncio.to_thread(kept, command.path)
        if saved is not None:
            command = self.command = command.for_plan(saved)
        shard = shard_to_push(command.shard, None if saved is None else saved.plan)
        prices = await asyncio.to_thread(open_list, command.path, command.reading, shard)
        propq = self.propq = connect(
            await find_credentials(prices.profile.account if prices.profile else None),
            no_proxy=command.no_proxy,
            max_connections=command.concurrency,
            max_calls_per_second=command.max_calls_per_second,
        )
        async with propq, Ledger(command.ledger) as ledger:
            if command.dry_run:
                made = await self._plan(saved, prices, propq, ledger)
                await write_report(made, command.report)
                tell_plan(made, prices, ledger.location, command.listed, as_json=command.as_json)
                return plan_status(made, command.guards)
            # Before the plan, so that no other push changes the ledger in between.
            account = Account(propq.base_url, propq.client_id)
            say = None if command.quiet else self.screen
            async with alone(ledger, account, shard, command.wait_seconds, say):
                made = await self._plan(saved, prices, propq, ledger)
                # Now, since the plan is what there is to report if nobody says yes.
                await write_report(made, command.report)
                confirm(command, made, prices, ledger.location, self.screen)
                return await self._push(made, prices, propq, ledger)

    async def _plan(
        self, saved: Saved | None, prices: PriceList, propq: AsyncPropQ, ledger: Ledger
    ) -> Plan:
        if saved is not None:
            await check_current(saved.plan, propq, ledger)
            self.made = saved.plan
            return saved.plan
        command = self.command
        made = await plan(
            prices,
            propq,
            ledger,
            trust_hours=command.trust_hours,
            everything=command.everything,
            **command.guards.limits,
        )
        refuse_empty(made, prices)
        self.made = made
        return made

    async def _push(self, made: Plan, prices: PriceList, propq: AsyncPropQ, ledger: Ledger) -> Exit:
        command = self.command
        outcomes = push(
            made,
            propq,
            ledger,
            accept="all",  # `confirm` has asked
            concurrency=command.concurrency,
            max_outage_seconds=command.max_outage_seconds,
        )
        summary = Summary(
            made,
            ledger.location,
            outcomes.standing,
            command.listed,
            prices.skipped_sheets,
            lambda error: explained(error, propq),
            outcomes=[] if command.as_json else None,
        )
        with Failures(prices) as failures:
            summary.fail_broken()
            for row in made.broken:
                await _keep(failures, row, row.what)
            if made.changes:
                self.outcomes = outcomes
                try:
                    await self._send(outcomes, propq, summary, failures)
                except asyncio.CancelledError:
                    summary.is_interrupted = True
                except PropQError as error:
                    summary.stopped_by = error
        summary.failures = failures.path
        summary.failures_kept = failures.kept
        summary.failures_error = failures.error
        summary.failures_missing = failures.missing
        if failures.path is not None and failures.error is None:
            summary.again = command.again(failures.path, prices)
        if self.interrupts:
            summary.is_interrupted = True
        elif made.missing or made.seen:
            try:
                await ledger.note_missing(made.account, made.missing, made.source)
                await ledger.note_seen(made.account, made.seen, made.source)
            except PropQError as error:
                # The next push asks again. The summary of what was sent is shown all the same.
                summary.stopped_by = summary.stopped_by or error
            except asyncio.CancelledError:
                summary.is_interrupted = True
        self.summary = summary
        self._tell(summary)
        await tell_report(outcomes, command.report)
        return summary.status

    def _tell(self, summary: Summary) -> None:
        if not self.command.as_json:
            report(summary.show)
        if self.command.quiet and summary.status is not Exit.DONE:
            # The summary may go to a file that nobody looks at.
            complain(joined(": ", (str(summary.plan.path), summary.message)))

    async def _send(
        self, outcomes: Push, propq: AsyncPropQ, summary: Summary, failures: Failures
    ) -> None:
        standing = outcomes.standing

        def waits() -> float:
            return propq.asked_to_wait_seconds

        with (
            # What is tried again is not wrong, but a token that each push fetches anew is.
            self.screen.client_log(
                logging.WARNING, "propq_async.token_store" if self.command.quiet else "propq_async"
            ),
            nullcontext(_unseen)
            if self.command.quiet
            else self.screen.progress(standing.total, waits) as advance,
        ):
            try:
                async with outcomes:
                    async for outcome in outcomes:
                        if outcome.is_failure:
                            summary.take(outcome)
                            row = outcome.change.row
                            await _keep(failures, row, str(outcome.error))
                        advance(standing.done, standing.failed)
            finally:
                if self.looking is not None:
                    self.looking.cancel()


def _unseen(_done: int, _failed: int) -> None:
    """Show no progress."""


async def _keep(failures: Failures, row: Row | BrokenRow, reason: str) -> None:
    # The summary reports what could not be written.
    with suppress(OSError):
        # Even if the push is cut off: the file must not be closed in the middle of a row.
        await finish(asyncio.to_thread(failures.add, row, said(reason)))
