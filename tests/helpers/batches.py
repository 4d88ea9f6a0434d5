"""Batches without a session: what makes the calls is up to the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from propq_async import (
    AuthenticationError,
    Clock,
    NotFoundError,
    TokenUnavailableError,
    UnitBatch,
    UnitUpdate,
)
from propq_async._client.progress import Progress
from propq_async._client.updates import Updates
from propq_async._wire.messages import Call
from tests.helpers.support import an_update

Make = Any


async def make_nothing(*_: object) -> dict[str, Any]:
    await asyncio.sleep(0)
    return {}


def a_batch(
    updates: Updates, make: Make = make_nothing, *, concurrency: int = 4, clock: Clock | None = None
) -> UnitBatch:
    return UnitBatch(
        updates,
        make=make,
        call=lambda update: Call("POST", f"http://h/{update.development_id}"),
        concurrency=concurrency,
        max_outage_seconds=10.0,
        clock=clock or Clock(),
        loop=asyncio.get_running_loop(),
        on_close=lambda _: None,
    )


def named(names: Iterable[object]) -> Iterator[UnitUpdate]:
    return (an_update(f"{name}") for name in names)


async def as_async(updates: Iterable[UnitUpdate]) -> AsyncIterator[UnitUpdate]:
    for update in updates:
        await asyncio.sleep(0)
        yield update


def not_found() -> NotFoundError:
    return NotFoundError("gone", status=404, method="POST", url="http://h/")


async def others_are_done() -> None:
    """Wait until nobody but this task is left."""
    for _ in range(3):
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, left


async def forever(_: UnitUpdate, progress: Progress) -> dict[str, Any]:
    progress.attempts = 1
    progress.in_doubt = True
    await asyncio.Event().wait()
    return {}


# What makes every further row pointless.
FATAL = [
    AuthenticationError("no", status=401, method="POST", url="http://h/"),
    TokenUnavailableError("down"),
]
