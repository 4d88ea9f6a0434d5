"""`propq demo`: the main job in one command, against a server that misbehaves."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import attrs

from propq_async import (
    AsyncPropQ,
    Direction,
    JsonFileTokenStore,
    PropQError,
    UnitStatus,
    UnitUpdate,
)
from propq_async.ledger import Ledger
from propq_async.pricelist import PriceList, PriceListError, Standing, plan, push, read, write

from .child import Child, emulator_process
from .ending import CommandError, Exit, on_interrupt
from .output import Advance, Screen
from .rate import Rate
from .reading import check_file
from .wording import are, counted, was

__all__ = ["Demo", "make_units"]

LISTED_FAILURES: Final = 10
TOKEN_FILE: Final = "token.json"  # noqa: S105 - a name
MAX_OUTAGE_SECONDS: Final = 30.0

_SIDES: Final = (
    (Direction.S,),
    (Direction.S, Direction.E),
    (Direction.SW,),
    (Direction.N, Direction.W),
)


def make_units(count: int) -> Iterator[UnitUpdate]:
    """Make up so many units, in developments of 500: five buildings of ten floors."""
    states = tuple(UnitStatus)
    for number in range(count):
        development, place = divmod(number, 500)
        yield UnitUpdate(
            development_id=str(4711 + development),
            name=f"{'ABCDE'[place // 100]}-{place // 10 % 10 + 1}{place % 10 + 1:02}",
            status=states[number % len(states)],
            price=150_000 + number * 7919 % 700 * 500,
            directions=_SIDES[number // 3 % len(_SIDES)],
        )


@attrs.define
class _Tally:
    """What became of the rows."""

    rows: int
    broken: int = 0
    standing: Standing = attrs.field(factory=lambda: Standing(0))
    reasons: list[str] = attrs.field(factory=list)
    seconds: float = 0.0

    @property
    def applied(self) -> int:
        return self.standing.applied

    @property
    def failed(self) -> int:
        return self.broken + self.standing.failed

    @property
    def done(self) -> int:
        return self.applied + self.failed

    @property
    def read(self) -> int:
        return self.done + self.standing.cut_off

    def fail(self, reason: str) -> None:
        """Keep the reason of a row that failed, as long as there are few."""
        if len(self.reasons) < LISTED_FAILURES:
            self.reasons.append(reason)


@attrs.frozen(kw_only=True)
class Demo:
    """The command with its options."""

    units: int
    concurrency: int
    price_list: Path | None
    throttle: Rate | None

    async def run(self) -> Exit:
        """Run it from the price list to the summary."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker
        with on_interrupt(task.cancel):
            try:
                return await self._run(Screen())
            except asyncio.CancelledError:
                raise CommandError("interrupted", Exit.INTERRUPTED) from None

    async def _run(self, screen: Screen) -> Exit:
        # Kept: the user may want to look at it.
        directory = Path(tempfile.mkdtemp(prefix="propq-demo-"))
        path = self.price_list
        if path is None:
            path = directory / "prices.csv"
            write(path, make_units(self.units))
        else:
            check_file(path)
        try:
            prices = read(path)
            tally = _Tally(rows=sum(1 for _ in prices))
        except PriceListError as error:
            raise CommandError(str(error), Exit.USAGE) from error
        if not tally.rows:
            raise CommandError(f"{path} has no rows", Exit.USAGE)
        screen.say(f"price list of {counted(tally.rows, 'row')}: {path}")
        ledger = Ledger(directory / "ledger.sqlite3")
        async with emulator_process(path, directory / "emulator.log") as child:
            screen.say(f"emulator of the API: {child.url} (process {child.process.pid})")
            stopped = await self._push(prices, ledger, child, tally, screen)
            state = await child.state()
        facts = _facts(tally, state)
        facts |= {
            "token file": str(directory / TOKEN_FILE),
            "ledger": str(ledger.path),
            "price list": str(path),
        }
        screen.facts(facts)
        for reason in tally.reasons:
            screen.say(reason, label="failed")
        if tally.failed > len(tally.reasons):
            screen.say(f"and {tally.failed - len(tally.reasons):,} more", label="failed")
        if stopped is not None:
            raise stopped
        if tally.failed:
            raise CommandError(
                f"{tally.failed:,} of {counted(tally.rows, 'row')} {was(tally.failed)} not applied",
                Exit.ROWS_FAILED,
            )
        if state is None or state["applied"] < tally.rows:
            applied = "nothing" if state is None else f"{state['applied']:,}"
            raise CommandError(
                f"{counted(tally.rows, 'row')} {was(tally.rows)} acknowledged, but the server "
                f"says that it has applied {applied}",
                Exit.ROWS_FAILED,
            )
        screen.say("every row was applied", label="done")
        return Exit.DONE

    async def _push(
        self, prices: PriceList, ledger: Ledger, child: Child, tally: _Tally, screen: Screen
    ) -> CommandError | None:
        """Push the price list; return what stopped it, if anything did."""
        began = time.monotonic()
        try:
            with child.watched(), screen.progress(tally.rows) as advance, screen.client_log():
                await self._update_all(prices, ledger, child, tally, screen, advance)
        except asyncio.CancelledError:
            if child.process.returncode is None:
                return CommandError(f"interrupted: {_where(tally)}", Exit.INTERRUPTED)
            return CommandError(
                f"the emulator ended in the middle, with status {child.process.returncode}: "
                f"{_where(tally)}",
                Exit.STOPPED,
            )
        except (PropQError, aiohttp.ClientError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            return CommandError(f"stopped: {why}; {_where(tally)}", Exit.STOPPED)
        finally:
            tally.seconds = time.monotonic() - began
        return None

    async def _update_all(
        self,
        prices: PriceList,
        ledger: Ledger,
        child: Child,
        tally: _Tally,
        screen: Screen,
        advance: Advance,
    ) -> None:
        rate = self.throttle or Rate(max(1, min(300, tally.rows // 10)), 2.0)
        events: list[tuple[int, str, str, dict[str, Any]]] = [
            (tally.rows // 3, "all access tokens are revoked", "revoke_tokens", {}),
            (tally.rows // 2, f"from now on {rate}", "throttle", attrs.asdict(rate)),
        ]
        propq = AsyncPropQ(
            child.credentials,
            base_url=child.url,
            token_store=JsonFileTokenStore(ledger.path.with_name(TOKEN_FILE)),
            max_connections=self.concurrency,
        )
        async with propq, ledger:
            made = await plan(prices, propq, ledger)
            outcomes = push(
                made,
                propq,
                ledger,
                concurrency=self.concurrency,
                max_outage_seconds=MAX_OUTAGE_SECONDS,
            )
            tally.broken, tally.standing = len(made.broken), outcomes.standing
            # A row that repeats another is sent with that.
            tally.rows -= made.repeated
            for broken in made.broken:
                tally.fail(str(broken))
            async with outcomes:
                async for outcome in outcomes:
                    if outcome.error is not None:
                        update = outcome.change.update
                        tally.fail(f"{update.development_id} {update.name}: {outcome.error}")
                    advance(tally.done, tally.failed)
                    if events and tally.done >= events[0][0]:
                        _, what, name, arguments = events.pop(0)
                        screen.say(
                            f"{counted(tally.done, 'row')} {are(tally.done)} done: {what}",
                            label="server",
                        )
                        await child.steer(name, **arguments)
            advance(tally.done, tally.failed)


def _where(tally: _Tally) -> str:
    cut_off, not_sent = tally.standing.cut_off, tally.rows - tally.read
    return (
        f"{tally.applied:,} of {counted(tally.rows, 'row')} {are(tally.applied)} applied, "
        f"{tally.failed:,} failed, {cut_off:,} {was(cut_off)} in flight "
        f"({tally.standing.cut_off_unsure:,} of them may have been applied), "
        f"{not_sent:,} {was(not_sent)} not sent"
    )


def _facts(tally: _Tally, state: dict[str, int] | None) -> dict[str, str]:
    facts = {
        "rows done": f"{tally.read:,}",
        "applied": f"{tally.applied:,}",
        "failed": f"{tally.failed:,}",
    }
    if state is not None:
        refused = state["calls"] - state["applied"]
        rate = state["calls"] / tally.seconds
        facts |= {
            "token requests": f"{state['token_requests']:,}",
            "calls": f"{state['calls']:,} in {tally.seconds:.1f} s: {rate:,.0f} a second",
            "of these refused": f"{refused:,}",
        }
    return facts
