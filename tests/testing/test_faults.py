from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import ServerDisconnectedError

from propq_async.testing import PropQEmulator, RecordedRequest
from tests.helpers.emulator_client import PATH, UPDATE, Client, until


@pytest.mark.parametrize(
    ("status", "content_type", "text"),
    [
        (500, "application/json", '{"message":"Server Error"}'),
        (503, "application/json", '{"message":"Service Unavailable"}'),
        (403, "application/json", '{"message":"This action is unauthorized."}'),
        (401, "application/json", '{"message":"Unauthenticated."}'),
        (429, "application/json", '{"message":"Too Many Attempts."}'),
        (422, "application/json", '{"message":"The given data was invalid.","errors":{}}'),
        (404, "application/json", '{"message":"Not Found"}'),
        (599, "application/json", '{"message":"Unknown Status"}'),
        (200, "application/json", '{"status":"error","message":"The update failed."}'),
        (204, "text/html; charset=UTF-8", ""),
        (304, "text/html; charset=UTF-8", ""),
        (502, "text/html; charset=UTF-8", "<h1>502 Bad Gateway</h1>"),
        (504, "text/html; charset=UTF-8", "<h1>504 Gateway Time"),
        (419, "text/html; charset=UTF-8", "Page Expired"),
        (301, "text/html; charset=UTF-8", "Moved Permanently"),
    ],
)
async def test_a_fault_has_the_usual_body(
    client: Client, status: int, content_type: str, text: str
) -> None:
    client.emulator.fail_next(status)
    reply = await client.call()
    assert reply.status == status
    assert reply.headers.get("Content-Type", content_type) == content_type
    assert text in reply.text
    assert reply.headers.get("Location") == ("/login" if 300 <= status < 400 else None)
    assert "Retry-After" not in reply.headers
    assert client.emulator.applied == 0
    assert (await client.call()).status == 200


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ({"status": "error"}, "application/json", '{"status":"error"}'),
        ([], "application/json", "[]"),
        (b'{"torn', "application/json", '{"torn'),
        ("Error.", "text/html; charset=UTF-8", "Error."),
        ("", "text/html; charset=UTF-8", ""),
    ],
)
async def test_a_fault_may_have_another_body(
    client: Client, body: Any, content_type: str, text: str
) -> None:
    client.emulator.fail_next(200, body=body)
    reply = await client.call()
    assert (reply.status, reply.text) == (200, text)
    assert reply.headers["Content-Type"] == content_type


@pytest.mark.parametrize("retry_after", [7, 0.5, "Fri, 31 Dec 2027 23:59:59 GMT"])
async def test_a_fault_may_ask_to_wait(client: Client, retry_after: float | str) -> None:
    client.emulator.fail_next(503, retry_after=retry_after)
    assert (await client.call()).headers["Retry-After"] == str(retry_after)


async def test_faults_come_in_order_and_only_for_their_path(client: Client) -> None:
    emulator = client.emulator
    emulator.fail_next(500, path="/oauth/token", body="Error.")
    emulator.fail_next(418, path="/v1/x")
    emulator.fail_next(500, times=2)
    emulator.fail_next(503)
    emulator.drop_next(after_applying=True)
    assert (await client.ask_for_token()).text == "Error."
    assert (await client.ask_for_token()).status == 200
    statuses = [(await client.call(headers={"Authorization": None})).status for _ in range(3)]
    assert statuses == [500, 500, 503]
    with pytest.raises(ServerDisconnectedError):
        await client.call()
    assert emulator.applied == 1
    assert (await client.call()).status == 200
    assert (await client.call(path="/v1/x")).status == 418
    assert (await client.call(path="/v1/x")).status == 404


@pytest.mark.parametrize(("after_applying", "applied"), [(False, 0), (True, 2)])
async def test_a_connection_can_be_dropped(
    client: Client, applied: int, *, after_applying: bool
) -> None:
    client.emulator.drop_next(times=2, after_applying=after_applying)
    for _ in range(2):
        with pytest.raises(ServerDisconnectedError):
            await client.call()
    assert client.emulator.applied == applied
    assert client.emulator.requests[-1] == RecordedRequest("POST", PATH, None, UPDATE)
    assert (await client.call()).status == 200


async def test_a_dropped_call_is_applied_only_on_request(client: Client) -> None:
    client.emulator.drop_next()
    assert (await client.admin("drop_next")).status == 200
    for _ in range(2):
        with pytest.raises(ServerDisconnectedError):
            await client.call()
    assert client.emulator.applied == 0


async def test_a_token_request_can_be_dropped(client: Client) -> None:
    client.emulator.drop_next(after_applying=True, path="/oauth/token")
    assert (await client.call()).status == 200
    with pytest.raises(ServerDisconnectedError):
        await client.ask_for_token()
    assert client.emulator.token_requests == 2


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"status": 199}, "status must be an integer from 200 to 599, not 199"),
        ({"status": 600}, "status must be"),
        ({"status": "500"}, "status must be"),
        ({"status": 500, "times": 0}, "times must be an integer from 1 to 1,000,000,000, not 0"),
        ({"status": 500, "times": True}, "times must be"),
        ({"status": 500, "path": "oauth/token"}, "path must begin with a slash"),
        ({"status": 500, "path": 5}, "path must begin with a slash"),
        ({"status": 500, "retry_after": True}, "retry_after must be a number from 0, or a string"),
        ({"status": 500, "retry_after": []}, "retry_after must be a number from 0, or a string"),
        ({"status": 500, "retry_after": "1\r\nX: y"}, "retry_after must be"),
        ({"status": 500, "retry_after": -5}, "retry_after must be a number from 0.*, not -5"),
        ({"status": 500, "retry_after": ""}, "retry_after must be"),
        ({"status": 500, "retry_after": "später"}, "retry_after must be"),
        ({"status": 500, "retry_after": 10**400}, "not an integer of 1329 bits, which is beyond"),
        ({"status": 500, "times": 10**19}, "times must be an integer from 1"),
        ({"status": 500, "match": "A-101"}, "match must be fields of the body such as"),
        ({"status": 500, "match": {}}, "match must be"),
        ({"status": 500, "body": {1}}, "not JSON serializable"),
        ({"status": 500, "body": float("inf")}, "JSON compliant"),
    ],
)
async def test_a_fault_that_cannot_happen_is_refused(
    client: Client, kwargs: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        client.emulator.fail_next(**kwargs)
    assert (await client.call()).status == 200


@pytest.mark.parametrize(
    "kwargs",
    [
        {"after_applying": 1},
        {"after_applying": True, "times": 0},
        {"after_applying": True, "path": "x"},
        {"after_applying": True, "match": 5},
    ],
)
def test_a_drop_that_cannot_happen_is_refused(kwargs: Any) -> None:
    with pytest.raises(ValueError, match="must"):
        PropQEmulator().drop_next(**kwargs)


async def test_a_token_fault_speaks_the_dialect_of_the_endpoint(client: Client) -> None:
    emulator = client.emulator
    for style, name in (("message", "message"), ("description", "error_description")):
        emulator.token_error_style = style  # type: ignore[assignment]
        for status, error in ((400, "invalid_request"), (401, "invalid_client")):
            emulator.fail_next(status, path="/oauth/token")
            reply = await client.ask_for_token()
            assert (reply.status, reply.json.keys()) == (status, {"error", name})
            assert reply.json["error"] == error
    emulator.fail_next(403, path="/oauth/token")
    assert (await client.ask_for_token()).json == {"message": "This action is unauthorized."}


async def test_a_fault_has_the_headers_that_come_with_it(client: Client) -> None:
    emulator = client.emulator
    emulator.fail_next(405)
    assert (await client.call()).headers["Allow"] == "POST"
    for limits in ((60, 60), (7, 8)):
        for path, limit in zip((None, "/oauth/token"), limits, strict=True):
            emulator.fail_next(429, path=path, retry_after=1)
            reply = await (client.ask_for_token() if path else client.call())
            assert (reply.status, reply.headers["Retry-After"]) == (429, "1")
            assert reply.headers["X-RateLimit-Limit"] == str(limit)
            assert reply.headers["X-RateLimit-Remaining"] == "0"
        emulator.throttle(7)
        emulator.throttle_tokens(8)


async def test_a_function_that_raises_is_a_501(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    emulator = client.emulator

    def fail(_: RecordedRequest) -> bool:
        raise LookupError("no such unit")

    emulator.fail_next(500, match=fail)
    reply = await client.call()
    assert reply.status == 501
    assert reply.json == {"message": "the match of a fault raised LookupError: no such unit"}
    assert (emulator.requests[-1].status, emulator.applied) == (501, 0)
    emulator.reset()
    emulator.on_request = fail  # type: ignore[assignment]
    reply = await client.call()
    assert reply.status == 501
    assert reply.json == {"message": "on_request raised LookupError: no such unit"}
    assert len(caplog.records) == 2
    wrong: Any = 5
    with pytest.raises(ValueError, match="on_request must be a function, not 5"):
        emulator.on_request = wrong
    with pytest.raises(ValueError, match="clock must be a function, not 5"):
        PropQEmulator(clock=wrong)


async def test_a_fault_may_be_meant_for_some_requests_only(client: Client) -> None:
    emulator = client.emulator
    emulator.add_unit("4711", "A-102")
    other = {**UPDATE, "UntName": "A-102"}
    emulator.fail_next(500, match={"UntName": "A-102", "UntStatus": 4})
    emulator.drop_next(after_applying=True, match=lambda request: request.body == other)
    emulator.fail_next(502, times=2, path=PATH, match=lambda request: request.method == "GET")
    assert (await client.call()).status == 200
    assert (await client.call({**other, "UntStatus": 8})).status == 200
    assert (await client.call([])).status == 422
    assert (await client.call(other)).status == 500
    with pytest.raises(ServerDisconnectedError):
        await client.call(other)
    assert (await client.call(other)).status == 200
    assert (await client.call(method="GET", path="/v1/x")).status == 404
    assert (await client.call(method="GET")).status == 502
    assert emulator.applied == 4


async def test_a_server_that_is_down_for_maintenance(client: Client) -> None:
    emulator = client.emulator
    emulator.fail_next(500)
    emulator.maintenance(retry_after=120)
    for reply in (
        await client.call(),
        await client.send("GET", "/x"),
        await client.ask_for_token(),
    ):
        assert (reply.status, reply.headers["Retry-After"]) == (503, "120")
    reply = await client.call()
    assert reply.json == {"message": "Service Unavailable"}
    reply = await client.call(headers={"Accept": None})
    assert "503 | Service Unavailable" in reply.text
    emulator.maintenance()
    assert "Retry-After" not in (await client.call()).headers
    emulator.maintenance(False)  # noqa: FBT003 - as the documentation shows it
    assert (await client.ask_for_token()).status == 200
    emulator.maintenance(True)  # noqa: FBT003 - the same
    assert (await client.ask_for_token()).status == 503
    emulator.maintenance(on=False)
    # What was asked for before is still to come.
    assert [(await client.call()).status for _ in range(2)] == [500, 200]
    wrong: Any
    for wrong in ({"on": 1}, {"retry_after": []}):
        with pytest.raises(ValueError, match="must be"):
            emulator.maintenance(**wrong)
    emulator.maintenance()
    emulator.reset()
    assert (await client.ask_for_token()).status == 200


async def test_latency_is_apart_for_calls_and_tokens(client: Client) -> None:
    emulator = client.emulator
    emulator.latency_seconds = 3600
    call = asyncio.create_task(client.call())
    await until(lambda: emulator.calls == 1)
    assert (await client.ask_for_token()).status == 200
    emulator.latency_seconds, emulator.token_latency_seconds = 0.01, 3600
    token = asyncio.create_task(client.ask_for_token())
    await until(lambda: emulator.token_requests == 3)
    assert (await client.call()).status == 200
    assert not call.done()
    assert not token.done()
    for task in (call, token):
        task.cancel()
    await asyncio.gather(call, token, return_exceptions=True)


async def test_an_update_goes_through_although_its_client_has_gone(client: Client) -> None:
    emulator = client.emulator
    emulator.latency_seconds = 0.01
    call = asyncio.create_task(client.call())
    await until(lambda: emulator.calls == 1)
    call.cancel()
    await until(lambda: emulator.applied == 1)


async def test_a_fault_waits_as_long_as_any_answer(client: Client) -> None:
    emulator = client.emulator
    emulator.latency_seconds = 3600
    emulator.fail_next(500)
    emulator.drop_next(after_applying=False)
    calls = [asyncio.create_task(client.call()) for _ in range(2)]
    await until(lambda: emulator.calls == 2)
    # An answer that did not wait would be here by the time that another request has its own.
    assert (await client.ask_for_token()).status == 200
    assert not any(call.done() for call in calls)
    await emulator.close()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(outcome, ServerDisconnectedError) for outcome in outcomes)
    assert (len(emulator.requests), len(emulator._state.faults)) == (2, 2)
