"""Mistakes that both type checkers must find: each line with a `type: ignore` has one."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from propq_async import Applied, AsyncPropQ, Credentials, PropQError, UnitOutcome, UnitUpdate


def the_error_may_be_missing(outcome: UnitOutcome) -> str:
    return outcome.error.message  # type: ignore[union-attr]


def the_response_may_be_missing(outcome: UnitOutcome) -> object:
    return outcome.response["status"]  # type: ignore[index]


def what_is_applied_has_no_error(outcome: Applied) -> PropQError:
    return outcome.error  # type: ignore[return-value]


def outcomes_are_frozen(outcome: UnitOutcome) -> None:
    outcome.attempts = 3  # type: ignore[misc]


def a_status_has_a_type(development_id: str) -> UnitUpdate:
    return UnitUpdate(development_id, "A-101", "SOLD", 1, ["N"])  # type: ignore[arg-type]


async def an_update_is_awaited(propq: AsyncPropQ, update: UnitUpdate) -> None:
    async with propq.session() as session:
        result: dict[str, object] = session.units.update(update)  # type: ignore[assignment]
        del result


def a_setting_has_a_name(credentials: Credentials) -> AsyncPropQ:
    return AsyncPropQ(credentials, timeout=3)  # type: ignore[call-arg]


def a_setting_of_the_environment_has_one() -> AsyncPropQ:
    return AsyncPropQ.from_env(timeout=3)  # type: ignore[call-arg]
