"""The client against a real Laravel application, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from propq_async import (
    APIStatusError,
    AsyncPropQ,
    Credentials,
    NotFoundError,
    PermissionDeniedError,
    PropQSession,
    RateLimitError,
    RedirectError,
    RetryPolicy,
    ServerError,
    UnitStatus,
    UnitUpdate,
    UnprocessableError,
    WrongMethodError,
)
from tests.helpers.laravel import Laravel, laravel

ROWS = 60
PATH = "/v1/developments/4711/units/update-by-name"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laravel]:
    with laravel(tmp_path_factory.mktemp("laravel") / "home", workers=4) as app:
        app.units["4711"] = {f"U-{number}": 1 for number in range(ROWS)}
        app.units["9"] = {"U-1": 1}
        app.foreign.append("9")
        yield app


@pytest.fixture
def app(served: Laravel) -> Laravel:
    served.forget_calls()
    served.state()
    served.forget_applied()
    return served


@pytest.fixture
async def session(app: Laravel) -> AsyncIterator[PropQSession]:
    credentials = Credentials(1, "secret")
    async with (
        AsyncPropQ(credentials, base_url=app.url, token_store=None) as propq,
        propq.session() as session,
    ):
        yield session


def update(name: str = "U-1", development_id: str = "4711") -> UnitUpdate:
    return UnitUpdate(development_id, name, UnitStatus.SOLD, 250_000, ["N", "SW"])


async def test_an_update_is_applied(app: Laravel, session: PropQSession) -> None:
    fields = {"UntName": "U-1", "UntStatus": 4, "UntPrice": 250_000, "UntDirections": ["N", "SW"]}
    assert await session.units.update(update()) == fields
    assert app.applied == [{"development": "4711", **fields}]


@pytest.mark.parametrize(
    ("sent", "expected", "message"),
    [
        (update("U-999"), NotFoundError, "Unit not found."),
        (update("U-1", "4712"), NotFoundError, "Development not found."),
        (update("U-1", "47/11"), NotFoundError, "Not Found"),
        (update("U-1", "9"), PermissionDeniedError, "This action is unauthorized."),
    ],
)
async def test_what_it_refuses_is_the_right_error(
    app: Laravel,
    session: PropQSession,
    sent: UnitUpdate,
    expected: type[APIStatusError],
    message: str,
) -> None:
    with pytest.raises(expected) as caught:
        await session.units.update(sent)
    assert caught.value.message == message
    assert not caught.value.may_have_been_applied
    assert app.applied == []


async def test_what_its_validator_says_is_in_the_error(session: PropQSession) -> None:
    wrong: dict[str, Any] = {"UntName": "U-1", "UntStatus": 3, "UntDirections": ["N", 7]}
    with pytest.raises(UnprocessableError) as caught:
        await session.request("POST", PATH, json=wrong)
    assert caught.value.errors == {
        "UntStatus": ["The selected unt status is invalid."],
        "UntPrice": ["The unt price field is required."],
        "UntDirections.1": ["The UntDirections.1 must be a string."],
    }


async def test_a_wrong_method_and_a_wrong_path(session: PropQSession) -> None:
    with pytest.raises(WrongMethodError, match="The GET method is not supported"):
        await session.request("GET", PATH)
    # Version 8 sends an empty message.
    with pytest.raises(NotFoundError, match=r"404 Not Found .*check .*path"):
        await session.request("GET", "/v1/nowhere")


async def test_a_revoked_token_is_replaced(app: Laravel, session: PropQSession) -> None:
    await session.units.update(update())
    app.revoke()
    await session.units.update(update("U-2"))
    assert [row["UntName"] for row in app.applied] == ["U-1", "U-2"]


async def test_maintenance_is_waited_for(app: Laravel, session: PropQSession) -> None:
    await session.units.update(update())
    app.maintenance()
    with pytest.raises(ServerError, match="503 Service Unavailable"):
        await session.request("POST", PATH, json={}, retry_unacknowledged=False)
    app.maintenance(on=False)
    await session.units.update(update("U-2"))
    assert len(app.applied) == 2


async def push(session: PropQSession, app: Laravel, *, at: int, what: Any) -> None:
    """Push all rows, and let something happen after so many outcomes."""
    done: set[str] = set()
    rows = [update(name) for name in app.units["4711"]]
    async with session.units.update_many(rows, concurrency=8) as batch:
        async for outcome in batch:
            assert outcome.ok, outcome.error
            done.add(outcome.update.name)
            if len(done) == at:
                what()
    assert done == app.units["4711"].keys()
    assert {row["UntName"] for row in app.applied} == done


async def test_a_batch_under_a_throttle(app: Laravel, session: PropQSession) -> None:
    app.state(limit=25, per_seconds=1)
    await push(session, app, at=1, what=lambda: None)
    assert len(app.applied) == ROWS


async def test_a_batch_through_a_maintenance(app: Laravel, session: PropQSession) -> None:
    def go_down() -> None:
        app.maintenance(retry_after=1)
        asyncio.get_running_loop().call_later(0.5, lambda: app.maintenance(on=False))

    await push(session, app, at=20, what=go_down)
    assert len(app.applied) == ROWS


async def test_a_batch_whose_tokens_are_revoked(app: Laravel, session: PropQSession) -> None:
    await push(session, app, at=20, what=app.revoke)
    assert len(app.applied) == ROWS


async def test_a_single_call_does_not_wait_for_long(app: Laravel) -> None:
    app.state(limit=1)
    retry = RetryPolicy(max_retry_after_seconds=1)
    async with (
        AsyncPropQ(Credentials(1, "x"), base_url=app.url, token_store=None, retry=retry) as propq,
        propq.session() as session,
    ):
        await session.units.update(update())
        with pytest.raises(RateLimitError) as caught:
            await session.units.update(update("U-2"))
    assert caught.value.message == "Too Many Attempts."
    assert caught.value.retry_after_seconds is not None
    assert len(app.applied) == 1


async def test_a_maintenance_that_redirects_is_no_success(
    app: Laravel, session: PropQSession
) -> None:
    """`php artisan down --redirect`: the client follows no redirect."""
    await session.units.update(update())
    app.maintenance()
    down = app.home / "storage" / "framework" / "down"
    down.write_text('{"status": 503, "redirect": "/elsewhere"}')
    try:
        with pytest.raises(RedirectError) as caught:
            await session.request("POST", PATH, json={})
        assert caught.value.location == f"{app.url}/elsewhere"
    finally:
        app.maintenance(on=False)
