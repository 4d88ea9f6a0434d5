"""`propq demo`: the main job in one command, against a server that misbehaves."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import aiohttp
import attrs

from propq_async import (
    AsyncPropQ,
    JsonFileTokenStore,
    PropQError,
)
from propq_async.ledger import Ledger
from propq_async.pricelist import PriceList, PriceListError, plan, push, read, write

from .demo_folder import (
    EMULATOR_LOG,
    LEDGER_FILE,
    PRICE_LIST,
    TOKEN_FILE,
    demo_folder,
    in_use,
    remove_earlier,
)
from .demo_progress import DemoProgress
from .demo_units import make_units
from .emulator_process import Child, emulator_process
from .exit_codes import CommandError, Exit
from .list_options import list_file
from .phrases import are, counted
from .progress import Advance
from .rate_option import Rate
from .screen import Screen
from .signals import on_interrupt

__all__ = ["Demo", "clean"]

MAX_OUTAGE_SECONDS: Final = 30.0


async def clean() -> Exit:
    """Remove the folders of earlier demos, and say which were removed."""
    screen = Screen()
    results = list(remove_earlier())
    for folder, why in results:
        screen.say(f"removed {folder}" if why is None else f"left {folder}: {why}")
    if not results:
        screen.say("no earlier demo has left anything")
    return Exit.DONE


@attrs.frozen(kw_only=True)
class Demo:
    """The command with its options."""

    units: int
    concurrency: int
    price_list: Path | None
    throttle: Rate | None

    async def run(self) -> Exit:
        """Make or read a price list, push it and show the summary."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker
        with on_interrupt(task.cancel):
            try:
                with ExitStack() as folders:
                    # The user may want to look at it afterwards, so it is not removed.
                    directory = folders.enter_context(demo_folder())
                    if self.price_list is not None:
                        folders.enter_context(in_use(self.price_list.absolute().parent))
                    return await self._run(Screen(), directory)
            except asyncio.CancelledError:
                raise CommandError("interrupted", Exit.INTERRUPTED) from None

    async def _run(self, screen: Screen, directory: Path) -> Exit:
        path = self.price_list
        if path is None:
            path = directory / PRICE_LIST
            write(path, make_units(self.units))
        else:
            path = list_file(path)
        try:
            prices = read(path)
            progress = DemoProgress(rows=sum(1 for _ in prices))
        except PriceListError as error:
            raise CommandError(str(error), Exit.USAGE) from error
        if not progress.rows:
            raise CommandError(f"{path} has no rows", Exit.USAGE)
        screen.say(f"price list of {counted(progress.rows, 'row')}: {path}")
        ledger = Ledger(directory / LEDGER_FILE)
        async with emulator_process(path, directory / EMULATOR_LOG) as child:
            screen.say(f"emulator of the API: {child.url} (process {child.process.pid})")
            stopped = await self._push(prices, ledger, child, progress, screen)
            state = await child.state()
        facts = progress.facts(state)
        facts |= {
            "token file": str(directory / TOKEN_FILE),
            "ledger": str(ledger.path),
            "price list": str(path),
            "to remove them": "propq demo --clean",
        }
        screen.facts(facts)
        for reason in progress.shown:
            screen.say(reason, label="failed")
        if stopped is not None:
            raise stopped
        if problem := progress.problem(state):
            raise CommandError(problem, Exit.ROWS_FAILED)
        screen.say("every row was applied", label="done")
        return Exit.DONE

    async def _push(
        self,
        prices: PriceList,
        ledger: Ledger,
        child: Child,
        progress: DemoProgress,
        screen: Screen,
    ) -> CommandError | None:
        """Push the price list; return what stopped it, if anything did."""
        began = time.monotonic()
        try:
            with child.watched(), screen.progress(progress.rows) as advance, screen.client_log():
                await self._update_all(prices, ledger, child, progress, screen, advance)
        except asyncio.CancelledError:
            if child.process.returncode is None:
                return CommandError(f"interrupted: {progress.where()}", Exit.INTERRUPTED)
            return CommandError(
                f"the emulator ended in the middle, with status {child.process.returncode}: "
                f"{progress.where()}",
                Exit.STOPPED,
            )
        except (PropQError, aiohttp.ClientError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            return CommandError(f"stopped: {why}; {progress.where()}", Exit.STOPPED)
        finally:
            progress.seconds = time.monotonic() - began
        return None

    async def _update_all(
        self,
        prices: PriceList,
        ledger: Ledger,
        child: Child,
        progress: DemoProgress,
        screen: Screen,
        advance: Advance,
    ) -> None:
        rate = self.throttle or Rate(max(1, min(300, progress.rows // 10)), 2.0)
        events: list[tuple[int, str, str, dict[str, Any]]] = [
            (progress.rows // 3, "all access tokens are revoked", "revoke_tokens", {}),
            (progress.rows // 2, f"from now on {rate}", "throttle", attrs.asdict(rate)),
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
                accept="all",  # it is pushed to an emulator
                concurrency=self.concurrency,
                max_outage_seconds=MAX_OUTAGE_SECONDS,
            )
            progress.broken, progress.standing = len(made.broken), outcomes.standing
            # A row that repeats another is not sent by itself.
            progress.rows -= made.repeated
            for broken in made.broken:
                progress.fail(str(broken))
            async with outcomes:
                async for outcome in outcomes:
                    if outcome.error is not None:
                        update = outcome.change.update
                        progress.fail(f"{update.development_id} {update.name}: {outcome.error}")
                    advance(progress.done, progress.failed)
                    if events and progress.done >= events[0][0]:
                        _, what, name, arguments = events.pop(0)
                        screen.say(
                            f"{counted(progress.done, 'row')} {are(progress.done)} done: {what}",
                            label="server",
                        )
                        await child.steer(name, **arguments)
            advance(progress.done, progress.failed)
