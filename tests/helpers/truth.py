"""What must hold of a batch whatever happened: the client's word against the server's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container

import attrs

from propq_async import PropQError, UnitOutcome, UnitUpdate


@attrs.frozen
class Row:
    """An update of the input, and what is known of it at the end. Its price is found once only."""

    update: UnitUpdate
    ok: bool
    error: PropQError | None


@attrs.define
class Pushed:
    """One batch: what it pulled, and what came of it, in the order in which it came."""

    pulled: list[UnitUpdate] = attrs.Factory(list)
    outcomes: list[UnitOutcome] = attrs.Factory(list)


def check_batch(
    pushed: Pushed, applied: Callable[[str], list[float]], late: Container[float] = ()
) -> None:
    """Check that each update has one outcome, and a true one, and each unit its order.

    `applied` returns all values that a unit (its development, here) has had; `late` has those that
    reached the server after the client had given them up.
    """
    outcomes = pushed.outcomes
    assert sorted(outcome.index for outcome in outcomes) == list(range(len(pushed.pulled)))
    assert all(pushed.pulled[outcome.index] is outcome.update for outcome in outcomes)
    by_unit: dict[str, list[UnitOutcome]] = defaultdict(list)
    for outcome in outcomes:
        by_unit[outcome.update.development_id].append(outcome)
    for unit, its_own in by_unit.items():
        # They end in the order of the input.
        assert [outcome.index for outcome in its_own] == sorted(
            outcome.index for outcome in its_own
        )
        values = applied(unit)
        for outcome in its_own:
            check(Row(outcome.update, outcome.ok, outcome.error), values)
        # What is there is in the order of the input, but for what was marked and came late.
        in_time = [value for value in values if value not in late]
        assert in_time == sorted(in_time)
        acknowledged = [float(outcome.update.price) for outcome in its_own if outcome.ok]
        if acknowledged and acknowledged[-1] not in late:
            # Nothing older stands where the last acknowledged value was put.
            assert in_time[-1] >= acknowledged[-1] == max(acknowledged)


def check(row: Row, values: list[float]) -> None:
    """Check what the client says of an update against what the server has seen."""
    if row.ok:
        assert row.update.price in values
        assert row.error is None
    else:
        assert row.error is not None
        if row.update.price in values:
            assert row.error.may_have_been_applied, repr(row.error)
