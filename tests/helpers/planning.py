"""An account with a ledger, for the tests that plan and push price lists."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from propq_async import (
    AsyncPropQ,
    Clock,
    pricelist,
)
from propq_async.ledger import Ledger
from propq_async.pricelist import (
    Plan,
    PushOutcome,
    Reason,
    WarningKind,
)
from propq_async.testing import PropQEmulator
from tests.helpers.lists import text_list


class House:
    """A server, a client and a ledger, and lists to push."""

    def __init__(self, emulator: PropQEmulator, propq: AsyncPropQ, ledger: Ledger) -> None:
        self.emulator = emulator
        self.propq = propq
        self.ledger = ledger
        self.directory = ledger.path.parent

    def write(self, *rows: Sequence[Any], name: str = "list") -> pricelist.PriceList:
        return pricelist.read(text_list(self.directory / f"{name}.csv", *rows))

    async def plan(self, *rows: Sequence[Any], name: str = "list", **options: Any) -> Plan:
        return await pricelist.plan(
            self.write(*rows, name=name), self.propq, self.ledger, **options
        )

    async def push(self, *rows: Sequence[Any], **options: Any) -> list[PushOutcome]:
        made = await self.plan(*rows, **options)
        async with pricelist.push(made, self.propq, self.ledger, accept="all") as outcomes:
            return [outcome async for outcome in outcomes]


@asynccontextmanager
async def a_house(path: Path, clock: Clock = Clock(), **options: Any) -> AsyncIterator[House]:  # noqa: B008
    async with PropQEmulator() as emulator:
        for number in range(101, 141):
            emulator.add_unit("4711", f"A-{number}")
        propq = AsyncPropQ(emulator.credentials, base_url=emulator.url, token_store=None, **options)
        async with propq, Ledger(path / "ledger.sqlite3", clock=clock) as ledger:
            yield House(emulator, propq, ledger)


async def taken(push: pricelist.Push) -> int:
    """Return how many outcomes there were."""
    async with push as outcomes:
        return len([outcome async for outcome in outcomes])


def reasons(made: Plan) -> dict[str, Reason]:
    return {change.update.name: change.reason for change in made.changes}


def kinds(made: Plan) -> list[WarningKind]:
    return [warning.kind for warning in made.warnings]
