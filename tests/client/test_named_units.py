"""Errors and log records say which unit they are about, and whether to try again."""

from __future__ import annotations

import copy
import logging
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from propq_async import (
    APIConnectionError,
    ConfigurationError,
    LedgerBusyError,
    NotFoundError,
    PropQError,
    RateLimitError,
    RetryPolicy,
    ServerError,
    SupersededError,
    TokenRefusedError,
    TokenUnavailableError,
)
from propq_async._client.retry_rules import may_pass
from propq_async._wire.messages import Lost, Reply
from propq_async._wire.statuses import RULES, Kind
from tests.helpers.support import Step, an_update, answer, playing, token_answer

PATH = "/v1/developments/4711/units/update-by-name"
OK = answer(200, {})
ONCE = RetryPolicy(attempts=1)
CLOSING = answer(503, headers={"Retry-After": "999"})
UNIT = ("4711", "Z-999")


async def failed(*steps: Step, retry: RetryPolicy = ONCE) -> PropQError:
    async with playing(*steps, retry=retry) as play:
        with pytest.raises(PropQError) as caught:
            await play.session.units.update(an_update("Z-999"))
    return caught.value


@pytest.mark.parametrize(
    "steps",
    [[answer(404)], [answer(200, [])], [None], [answer(503, headers={"Retry-After": "999"})]],
)
async def test_an_error_names_the_unit_of_its_call(steps: list[Step]) -> None:
    error = await failed(*steps)
    assert error.unit == UNIT
    assert f"{PATH} (unit 'Z-999'): " in str(error)
    for again in (copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert (again.unit, again.is_retryable) == (error.unit, error.is_retryable)
        assert str(again) == str(error)


async def test_an_error_about_another_call_names_the_unit_of_its_own() -> None:
    async with playing(CLOSING, retry=ONCE) as play:
        for name in ("A-101", "Z-999"):
            with pytest.raises(ServerError) as caught:
                await play.session.units.update(an_update(name))
            assert caught.value.unit == ("4711", name)
        with pytest.raises(ServerError) as caught:
            await play.session.request("GET", "/v1/things")
    assert caught.value.unit is None
    assert "unit" not in str(caught.value)


async def test_an_error_about_the_token_names_the_unit_that_waits_for_it() -> None:
    refused = answer(401, {"error": "invalid_client"})
    async with playing(OK, tokens=[refused]) as play:
        with pytest.raises(TokenRefusedError) as caught:
            await play.session.units.update(an_update("Z-999"))
        assert caught.value.unit == UNIT
        with pytest.raises(TokenRefusedError) as caught:
            await play.session.request("GET", "/v1/things")
        assert caught.value.unit is None


async def test_a_call_out_of_time_names_its_unit() -> None:
    error = await failed(answer(502), retry=RetryPolicy(total_timeout_seconds=0.001, attempts=99))
    assert (error.unit, error.is_retryable) == (UNIT, True)


# --- whether to try again -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "is_retryable"),
    [
        (PropQError("x"), False),
        (ConfigurationError("x"), False),
        (TokenRefusedError("x", status=401), False),
        (TokenUnavailableError("x"), True),
        (TokenUnavailableError("x", worth_attempts=1), False),
        (LedgerBusyError("x", process_id=7), True),
        (APIConnectionError("x", method="POST", url="u"), True),
        (SupersededError("x", method="POST", url="u"), False),
        (RateLimitError("x", status=429, method="POST", url="u"), True),
        (ServerError("x", status=502, method="POST", url="u"), True),
        (NotFoundError("x", status=404, method="POST", url="u"), False),
    ],
)
def test_an_error_says_whether_to_try_again(error: PropQError, *, is_retryable: bool) -> None:
    assert error.is_retryable is is_retryable


@pytest.mark.parametrize(
    ("steps", "is_retryable"),
    [
        ([answer(404)], False),
        ([answer(408)], True),
        ([answer(422)], False),
        ([answer(501)], False),
        ([answer(502)], True),
        ([answer(511)], False),
        ([answer(200, [])], False),
        # The page of a gateway that did not reach the server.
        ([answer(200, "<html>")], True),
        ([None], True),
    ],
)
async def test_a_status_says_whether_to_try_again(steps: list[Step], *, is_retryable: bool) -> None:
    assert (await failed(*steps)).is_retryable is is_retryable


STATUSES = [(status, rule.kind) for rule in RULES for status in rule.statuses]


@pytest.mark.parametrize(("status", "kind"), STATUSES)
def test_what_is_retried_may_be_retried_by_the_caller(status: int, kind: Kind) -> None:
    lasts = kind in (Kind.REFUSAL, Kind.TOKEN, Kind.HOPELESS, Kind.DETOUR)
    assert may_pass(Reply(status, {}, b"")) is not lasts


def test_a_loss_that_would_come_again_is_not_worth_a_try() -> None:
    assert may_pass(Lost("closed", sent=True))
    assert not may_pass(Lost("header too long", sent=True, final=True))
    assert not may_pass(Lost("no certificate", sent=False, worth_attempts=1))


# --- log records ----------------------------------------------------------------------------------

FIELDS = {
    "propq_event",
    "propq_method",
    "propq_url",
    "propq_development",
    "propq_unit",
    "propq_status",
    "propq_request_id",
    "propq_attempt",
}


def fields(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name.startswith("propq_")}


async def test_each_request_is_a_record_with_fields(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "propq_async.calls")
    known = answer(200, {}, headers={"X-Request-Id": "r-7"})
    async with playing(answer(503), None, known) as play:
        await play.session.units.update(an_update("Z-999"))
        await play.session.request("GET", "/v1/things")
    records = [record for record in caplog.records if record.name == "propq_async.calls"]
    assert [set(fields(record)) for record in records] == [FIELDS] * 4
    told = [fields(record) for record in records]
    assert [one["propq_event"] for one in told] == ["answered", "lost", "answered", "answered"]
    assert [one["propq_status"] for one in told] == [503, None, 200, 200]
    assert [one["propq_attempt"] for one in told] == [1, 2, 3, 1]
    assert [one["propq_request_id"] for one in told] == [None, None, "r-7", "r-7"]
    assert [(one["propq_development"], one["propq_unit"]) for one in told] == [
        *[UNIT] * 3,
        (None, None),
    ]
    (url,) = {one["propq_url"] for one in told[:3]}
    assert url.endswith(PATH)
    last, other = (record.getMessage() for record in records[2:])
    assert last == f"POST {url} (unit 'Z-999'): 200 [request r-7]"
    assert other == f"GET {url.removesuffix(PATH)}/v1/things: 200 [request r-7]"


async def test_no_request_id_shows_the_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "propq_async.calls")
    echo = answer(200, {}, headers={"X-Request-Id": "r the-token\x7f"})
    async with playing(echo, tokens=[token_answer("the-token")]) as play:
        await play.session.units.update(an_update())
    (record,) = (record for record in caplog.records if record.name == "propq_async.calls")
    assert "the-token" not in f"{record.getMessage()} {vars(record)}"
    assert record.getMessage().isprintable()


def test_the_fields_of_the_records_are_documented() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/logging.md").read_text(encoding="utf-8")
    table = page[page.index("| Attribute |") :].partition("\n\n")[0]
    assert set(re.findall(r"`(propq_\w+)`", table)) == FIELDS
    rest = set(re.findall(r"`(propq_\w+)`", page)) - FIELDS - {"propq_async"}
    assert rest == {"propq_cause", "propq_attempts", "propq_duration_seconds"}
