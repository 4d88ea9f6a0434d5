"""What users write. Both type checkers must accept it, and know the types that are asserted."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from collections.abc import AsyncIterable
from decimal import Decimal
from typing import Any, assert_never, assert_type

from propq_async import (
    Applied,
    AsyncPropQ,
    Failed,
    NotFoundError,
    PropQError,
    RetryPolicy,
    UnitOutcome,
    UnitStatus,
    UnitUpdate,
)


def by_error(outcome: UnitOutcome) -> str:
    if outcome.error is not None:
        assert_type(outcome, Failed)
        return f"{outcome.error.message} {outcome.error.may_have_been_applied}"
    assert_type(outcome, Applied)
    return str(outcome.response["status"])


def by_flag(outcome: UnitOutcome) -> PropQError | None:
    # Pyright needs the comparison. Mypy also takes `if outcome.ok`.
    if outcome.ok is True:
        assert_type(outcome, Applied)
        assert_type(outcome.response, dict[str, Any])
        return None
    assert_type(outcome, Failed)
    return outcome.error


def by_class(outcome: UnitOutcome) -> int:
    if isinstance(outcome, Failed):
        assert_type(outcome.error, PropQError)
    return outcome.attempts


def by_pattern(outcome: UnitOutcome) -> str:
    match outcome:
        case Applied(update=update, response=response):
            assert_type(response, dict[str, Any])
            return update.name
        case Failed(error=NotFoundError() as error):
            return f"{error.status}"
        case Failed(error=error):
            return error.message
        case _:
            assert_never(outcome)


def whatever_became_of_it(outcome: UnitOutcome) -> tuple[int, UnitUpdate, float]:
    return outcome.index, outcome.update, outcome.elapsed_seconds


async def push(propq: AsyncPropQ, updates: AsyncIterable[UnitUpdate]) -> list[UnitUpdate]:
    retry = RetryPolicy(attempts=2)
    async with propq.session(retry=retry) as session, session.units.update_many(updates) as batch:
        failed = [outcome async for outcome in batch if outcome.error is not None]
    return [outcome.update for outcome in failed]


def plain_values(update: UnitUpdate) -> UnitUpdate:
    values = update.to_dict()
    assert_type(values, dict[str, Any])
    return UnitUpdate.from_dict(values)


AN_UPDATE = UnitUpdate("4711", "A-101", UnitStatus.SOLD, Decimal("250000.50"), ["N", "S"])
OUTCOMES: list[UnitOutcome] = [
    Applied(0, AN_UPDATE, ok=True, response={}, error=None, attempts=1, elapsed_seconds=0.1),
    Failed(
        index=1,
        update=AN_UPDATE,
        ok=False,
        response=None,
        error=PropQError("no"),
        attempts=1,
        elapsed_seconds=0.1,
    ),
]
