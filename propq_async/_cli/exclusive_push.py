"""Pushing alone: others are kept out, and those who are at work are waited for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from propq_async import LedgerBusyError
from propq_async._messages import tr
from propq_async.ledger import Account, Ledger

from .screen import Screen

__all__ = ["alone"]


@asynccontextmanager
async def alone(
    ledger: Ledger,
    account: Account,
    shard: tuple[int, int] | None,
    wait_seconds: float,
    screen: Screen | None,
) -> AsyncIterator[None]:
    """Hold a ledger for a push.

    Raises:
        LedgerBusyError: somebody else holds it, still after `wait_seconds`.
    """
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(ledger.exclusive(account, shard=shard))
        except LedgerBusyError as error:
            if not wait_seconds:
                raise
            if screen is not None:
                screen.say(
                    tr("{error}, for up to {wait_seconds:g} s").format(
                        error=error, wait_seconds=wait_seconds
                    ),
                    label="wait",
                )
            holding = ledger.exclusive(account, shard=shard, wait_seconds=wait_seconds)
            await stack.enter_async_context(holding)
        yield
