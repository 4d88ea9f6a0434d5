"""`propq demo`: the main job in one command, against a server that misbehaves."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import attrs

from propq_async import (
    AsyncPropQ,
    Direction,
    JsonFileTokenStore,
    PropQError,
    UnitOutcome,
    UnitStatus,
    UnitUpdate,
)

from .child import Child, emulator_process
from .ending import CommandError, Exit, on_interrupt
from .output import Advance, Screen
from .rate import Rate
from .units_file import BrokenRow, read_units, write_units

__all__ = ["Demo", "make_units"]

LISTED_FAILURES: Final = 10
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
    applied: int = 0
    failed: int = 0
    reasons: list[str] = attrs.field(factory=list)
    in_flight: int = 0
    in_doubt: int = 0
    seconds: float = 0.0

    @property
    def done(self) -> int:
        return self.applied + self.failed

    @property
    def read(self) -> int:
        return self.done + self.in_flight

    def take(self, outcome: UnitOutcome) -> None:
        """Count the outcome of a row."""
        if outcome.ok:
            self.applied += 1
        else:
            update = outcome.update
            self.fail(f"{update.development_id} {update.name}: {outcome.error}")

    def fail(self, reason: str) -> None:
        """Count a row that failed."""
        self.failed += 1
        if len(self.reasons) < LISTED_FAILURES:
            self.reasons.append(reason)

    def cut_off(self, outcomes: Iterable[UnitOutcome]) -> None:
        """Count what a batch that was closed has left."""
        for outcome in outcomes:
            if outcome.error is None:
                self.take(outcome)
            else:
                self.in_flight += 1
                self.in_doubt += outcome.error.may_have_been_applied


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
            write_units(path, make_units(self.units))
        tally = _Tally(rows=sum(1 for _ in read_units(path)))
        if not tally.rows:
            raise CommandError(f"{path} has no rows", Exit.USAGE)
        screen.say(f"price list of {tally.rows:,} rows: {path}")
        token_file = directory / "token.json"
        async with emulator_process(path, directory / "emulator.log") as child:
            screen.say(f"emulator of the API: {child.url} (process {child.process.pid})")
            stopped = await self._push(path, token_file, child, tally, screen)
            state = await child.state()
        facts = _facts(tally, state) | {"token file": str(token_file), "price list": str(path)}
        screen.facts(facts)
        for reason in tally.reasons:
            screen.say(reason, label="failed")
        if tally.failed > len(tally.reasons):
            screen.say(f"and {tally.failed - len(tally.reasons):,} more", label="failed")
        if stopped is not None:
            raise stopped
        if tally.failed:
            raise CommandError(
                f"{tally.failed:,} of {tally.rows:,} rows were not applied", Exit.ROWS_FAILED
            )
        if state is None or state["applied"] < tally.rows:
            applied = "nothing" if state is None else f"{state['applied']:,}"
            raise CommandError(
                f"all {tally.rows:,} rows were acknowledged, but the server says that it has "
                f"applied {applied}",
                Exit.ROWS_FAILED,
            )
        screen.say("every row was applied", label="done")
        return Exit.DONE

    async def _push(
        self, path: Path, token_file: Path, child: Child, tally: _Tally, screen: Screen
    ) -> CommandError | None:
        """Push the price list; return what stopped it, if anything did."""
        began = time.monotonic()
        try:
            with child.watched(), screen.progress(tally.rows) as advance, screen.client_log():
                await self._update_all(path, token_file, child, tally, screen, advance)
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
        path: Path,
        token_file: Path,
        child: Child,
        tally: _Tally,
        screen: Screen,
        advance: Advance,
    ) -> None:
        def updates() -> Iterator[UnitUpdate]:
            for row in read_units(path):
                if isinstance(row, BrokenRow):
                    tally.fail(str(row))
                else:
                    yield row

        rate = self.throttle or Rate(max(1, min(300, tally.rows // 10)), 2.0)
        events: list[tuple[int, str, str, dict[str, Any]]] = [
            (tally.rows // 3, "all access tokens are revoked", "revoke_tokens", {}),
            (tally.rows // 2, f"from now on {rate}", "throttle", attrs.asdict(rate)),
        ]
        propq = AsyncPropQ(
            child.credentials,
            base_url=child.url,
            token_store=JsonFileTokenStore(token_file),
            max_connections=self.concurrency,
        )
        async with propq.session() as session:
            batch = session.units.update_many(
                updates(), concurrency=self.concurrency, max_outage_seconds=MAX_OUTAGE_SECONDS
            )
            try:
                async for outcome in batch:
                    tally.take(outcome)
                    advance(tally.done, tally.failed)
                    if events and tally.done >= events[0][0]:
                        _, what, name, arguments = events.pop(0)
                        screen.say(f"{tally.done:,} rows are done: {what}", label="server")
                        await child.steer(name, **arguments)
            finally:
                await batch.aclose()
                tally.cut_off(batch.unfinished)
            advance(tally.done, tally.failed)


def _where(tally: _Tally) -> str:
    return (
        f"{tally.applied:,} of {tally.rows:,} rows are applied, {tally.failed:,} failed, "
        f"{tally.in_flight:,} were in flight ({tally.in_doubt:,} of them may have been applied), "
        f"{tally.rows - tally.read:,} were not read"
    )


def _facts(tally: _Tally, state: dict[str, int] | None) -> dict[str, str]:
    facts = {
        "rows read": f"{tally.read:,}",
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
