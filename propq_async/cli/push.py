"""`propq push`: send what changed in a price list."""

from __future__ import annotations

import asyncio
import logging
import select
import shlex
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs

from propq_async import AsyncPropQ, PropQError
from propq_async.ledger import Ledger
from propq_async.pricelist import BrokenRow, Failures, Plan, PriceList, Push, Row, plan, push

from .ending import CommandError, Exit, on_interrupt
from .lists import CONCURRENCY, MAX_OUTAGE_SECONDS
from .output import Screen
from .plan import ALERT, plan_status, refuse_empty, show_plan
from .reading import Reading, again, open_list
from .summary import Summary

__all__ = ["PushCommand"]

LOOK_SECONDS: Final = 0.1


@attrs.frozen(kw_only=True)
class PushCommand:
    """The command with its options."""

    path: Path
    reading: Reading
    ledger: Path | None
    trust_hours: float
    everything: bool
    dry_run: bool
    yes: bool
    concurrency: int
    max_outage_seconds: float
    max_calls_per_second: float | None
    listed: int

    def again(self, failures: Path, prices: PriceList) -> str:
        """Return the command line that pushes what failed, once it is mended."""
        # Confirmed by itself: what was agreed to were other rows.
        words = ["propq", "push", f"./{failures}" if str(failures)[0] == "-" else str(failures)]
        for option, value in (*again(self.reading, prices.delimiter), *self._own_options()):
            words += [option, value] if value[:1] != "-" else [f"{option}={value}"]
        return shlex.join(words)

    def _own_options(self) -> Iterator[tuple[str, str]]:
        if self.ledger is not None:
            yield "--ledger", str(self.ledger)
        if self.concurrency != CONCURRENCY:
            yield "--concurrency", str(self.concurrency)
        if self.max_calls_per_second is not None:
            yield "--max-calls-per-second", f"{self.max_calls_per_second:.15g}"
        if self.max_outage_seconds != MAX_OUTAGE_SECONDS:
            yield "--max-outage-seconds", f"{self.max_outage_seconds:.15g}"

    async def run(self) -> Exit:
        """Make the plan, have it confirmed, and push it."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker
        run = _Run(self, task)
        with on_interrupt(run.interrupt):
            try:
                return await run.run()
            except asyncio.CancelledError:
                raise CommandError("interrupted: nothing was sent", Exit.INTERRUPTED) from None


@attrs.define
class _Run:
    """One push from its list to its summary."""

    command: PushCommand
    task: asyncio.Task[object]
    # What takes time is told on stderr, so that stdout has the summary and nothing else.
    screen: Screen = attrs.field(factory=lambda: Screen(sys.stderr))
    propq: AsyncPropQ = attrs.field(init=False)
    outcomes: Push | None = None
    interrupts: int = 0
    # Looks whether anything is in flight yet.
    looking: asyncio.TimerHandle | None = None

    def interrupt(self) -> None:
        """Finish what is in flight; end at once if nothing is, or if asked twice."""
        self.interrupts += 1
        if self.outcomes is None or self.interrupts > 1:
            self.task.cancel()
            return
        self.outcomes.stop()
        self.screen.say("finishing what is in flight; Ctrl-C once more cuts it off", label="stop")
        self._end_with_what_is_in_flight()

    def _end_with_what_is_in_flight(self) -> None:
        """Let go those who wait for a server that asks to wait, or does not answer."""
        if self.propq.stats().in_flight == 0:
            self.task.cancel()
        else:
            loop = asyncio.get_running_loop()
            self.looking = loop.call_later(LOOK_SECONDS, self._end_with_what_is_in_flight)

    async def run(self) -> Exit:
        command = self.command
        prices = await asyncio.to_thread(open_list, command.path, command.reading)
        propq = self.propq = AsyncPropQ.from_env(
            max_connections=command.concurrency, max_calls_per_second=command.max_calls_per_second
        )
        async with propq, Ledger(command.ledger) as ledger:
            if command.dry_run:
                made = await self._plan(prices, propq, ledger)
                show_plan(Screen(), made, prices, ledger.path, command.listed)
                return plan_status(made)
            # From the plan on, so that nobody comes between it and the push.
            async with ledger.exclusive():
                made = await self._plan(prices, propq, ledger)
                self._confirm(made)
                return await self._push(made, prices, propq, ledger)

    async def _plan(self, prices: PriceList, propq: AsyncPropQ, ledger: Ledger) -> Plan:
        command = self.command
        made = await plan(
            prices,
            propq,
            ledger,
            trust_hours=command.trust_hours,
            everything=command.everything,
        )
        refuse_empty(made)
        return made

    def _confirm(self, made: Plan) -> None:
        """Go on only if what is suspicious is meant."""
        if not made.warnings or self.command.yes:
            return
        asks = sys.stdin.isatty() and sys.stderr.isatty()
        texts = [str(one) for one in made.warnings[: self.command.listed]]
        more = len(made.warnings) - len(texts)
        # Where nobody is there to be asked, it is what becomes of the push, and may be mailed.
        screen = self.screen if asks else Screen()
        screen.lines("Likely a mistake", texts + [f"and {more:,} more"] * bool(more), ALERT)
        screen.sentence("")
        if not asks:
            raise CommandError(
                "nothing was sent, since the above needs a yes: if it is meant, push with --yes",
                Exit.UNCONFIRMED,
            )
        # With nothing to send, too: a yes is what lets the ledger forget what vanished.
        if not _ask(f"Push all the same ({len(made.changes):,} to be sent)? [y/N] "):
            raise CommandError("nothing was sent", Exit.UNCONFIRMED)

    async def _push(self, made: Plan, prices: PriceList, propq: AsyncPropQ, ledger: Ledger) -> Exit:
        command = self.command
        outcomes = push(
            made,
            propq,
            ledger,
            concurrency=command.concurrency,
            max_outage_seconds=command.max_outage_seconds,
        )
        summary = Summary(
            made, ledger.path, outcomes.standing, command.listed, prices.skipped_sheets
        )
        with Failures(prices) as failures:
            for row in made.broken:
                summary.fail(str(row))
                await _keep(failures, summary, row, row.what)
            if made.changes:
                self.outcomes = outcomes
                try:
                    await self._send(outcomes, propq, summary, failures)
                except asyncio.CancelledError:
                    summary.is_interrupted = True
                except PropQError as error:
                    summary.stopped_by = error
            if failures.path is not None:
                summary.failures = failures.path
                summary.again = command.again(failures.path, prices)
        if self.interrupts:
            summary.is_interrupted = True
        elif made.missing:
            try:
                await ledger.note_missing(made.account, made.missing)
            except PropQError as error:
                # It is asked for again by the next push. What was sent is told all the same.
                summary.stopped_by = summary.stopped_by or error
            except asyncio.CancelledError:
                summary.is_interrupted = True
        summary.show(Screen())
        return summary.status

    async def _send(
        self, outcomes: Push, propq: AsyncPropQ, summary: Summary, failures: Failures
    ) -> None:
        standing = outcomes.standing

        def waits() -> float:
            return propq.asked_to_wait_seconds

        with (
            self.screen.client_log(logging.WARNING),
            self.screen.progress(standing.total, waits) as advance,
        ):
            try:
                async with outcomes:
                    async for outcome in outcomes:
                        if outcome.is_failure:
                            summary.take(outcome)
                            row = outcome.change.row
                            await _keep(failures, summary, row, str(outcome.error))
                        advance(standing.done, standing.failed)
            finally:
                if self.looking is not None:
                    self.looking.cancel()


async def _keep(failures: Failures, summary: Summary, row: Row | BrokenRow, reason: str) -> None:
    try:
        await asyncio.to_thread(failures.add, row, reason)
    except OSError as error:
        summary.failures_error = error


def _ask(question: str) -> bool:
    """Ask on the terminal. The event loop waits; nothing else is under way."""
    woken, wakes = socket.socketpair()
    # Ctrl-C and SIGTERM must end the question at once, and not be kept for the event loop.
    numbers = signal.SIGINT, signal.SIGTERM
    with woken, wakes:
        wakes.settimeout(0)  # as set_wakeup_fd wants it
        # Before anybody can see the question, and so answer it.
        woke_before = signal.set_wakeup_fd(wakes.fileno())
        before = [signal.signal(number, signal.default_int_handler) for number in numbers]
        try:
            sys.stderr.write(question)
            sys.stderr.flush()
            _wait_for_input(woken)
            answer = sys.stdin.readline()
            if not answer.endswith("\n"):
                sys.stderr.write("\n")
        except KeyboardInterrupt:
            sys.stderr.write("\n")
            raise CommandError("interrupted: nothing was sent", Exit.INTERRUPTED) from None
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)
            signal.set_wakeup_fd(woke_before)
    return answer.strip().casefold() in ("y", "yes", "s", "si", "sí")


def _wait_for_input(woken: socket.socket) -> None:
    """Wait for a line or a signal: a read would not end by one that came just before it."""
    ready: list[object] = []
    # On Windows only sockets can be waited for.
    with suppress(OSError):
        ready, _, _ = select.select([sys.stdin, woken], [], [])
    # Whatever became of the exception: another thread may have taken the signal.
    if woken in ready:
        raise KeyboardInterrupt
