"""The emulator, driven by clients that know nothing of the SDK."""

from __future__ import annotations

import asyncio
import base64
import gc
import itertools
import json
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

import attrs
import pytest
from aiohttp import ClientError, ClientResponse, ClientSession, ServerDisconnectedError
from yarl import URL

from propq_async.models import Credentials
from propq_async.testing import PropQEmulator, RecordedRequest, Unit, UnitValues
from propq_async.testing import stock as stock_server

PATH = "/v1/developments/4711/units/update-by-name"
UPDATE = {"UntName": "A-101", "UntStatus": 4, "UntPrice": 250_000, "UntDirections": ["N", "S"]}
FORM = "grant_type=client_credentials&client_id=1&client_secret=x"
FORM_TYPE = "application/x-www-form-urlencoded"
ECHO = json.dumps(UPDATE, separators=(",", ":"))


class FakeClock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@attrs.define
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.text)


async def answer(response: ClientResponse) -> Answer:
    return Answer(response.status, dict(response.headers), await response.text())


@attrs.define
class Client:
    """A client of the plainest kind."""

    emulator: PropQEmulator
    session: ClientSession
    token: str = ""

    async def send(self, method: str, path: str, **kwargs: Any) -> Answer:
        url = URL(self.emulator.url + path, encoded=True)
        kwargs.setdefault("allow_redirects", False)
        async with self.session.request(method, url, **kwargs) as response:
            return await answer(response)

    async def ask_for_token(self, **changes: Any) -> Answer:
        credentials = self.emulator.credentials
        form = {
            "grant_type": "client_credentials",
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
            **changes,
        }
        form = {name: value for name, value in form.items() if value is not None}
        return await self.send("POST", "/oauth/token", data=form)

    async def log_in(self) -> str:
        self.token = (await self.ask_for_token()).json["access_token"]
        return self.token

    async def call(
        self,
        body: Any = UPDATE,
        *,
        path: str = PATH,
        method: str = "POST",
        headers: dict[str, str | None] | None = None,
        **kwargs: Any,
    ) -> Answer:
        wanted = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/json",
            "Content-Type": "application/json",
            **(headers or {}),
        }
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {name: value for name, value in wanted.items() if value is not None}
        return await self.send(
            method,
            path,
            data=data,
            headers=sent,
            skip_auto_headers=["Content-Type", "Accept"],
            **kwargs,
        )

    async def admin(self, name: str, arguments: Any = None, **kwargs: Any) -> Answer:
        return await self.send("POST", f"/_emulator/{name}", json=arguments or {}, **kwargs)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@asynccontextmanager
async def served(emulator: PropQEmulator) -> AsyncIterator[Client]:
    async with emulator, ClientSession() as session:
        emulator.add_unit("4711", "A-101")
        client = Client(emulator, session)
        await client.log_in()
        yield client


@pytest.fixture
async def client(clock: FakeClock) -> AsyncIterator[Client]:
    async with served(PropQEmulator(clock=clock)) as client:
        yield client


@pytest.fixture
def emulator(client: Client) -> PropQEmulator:
    return client.emulator


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the emulator has no events to wait for
            await asyncio.sleep(0)


def port(emulator: PropQEmulator) -> int:
    number = URL(emulator.url).port
    assert number is not None
    return number


async def connect(
    emulator: PropQEmulator,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port(emulator))


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


# -- life ----------------------------------------------------------------------------------------


async def test_it_has_a_url_only_while_it_is_started() -> None:
    emulator = PropQEmulator()
    with pytest.raises(RuntimeError, match="it is not started: use `async with PropQEmulator"):
        _ = emulator.url
    assert repr(emulator) == "<PropQEmulator not started>"
    async with emulator as entered:
        assert entered is emulator
        assert emulator.url == f"http://127.0.0.1:{port(emulator)}"
        assert repr(emulator) == f"<PropQEmulator {emulator.url}>"
        with pytest.raises(RuntimeError, match="started already"):
            await emulator.start()
    with pytest.raises(RuntimeError, match="not started"):
        _ = emulator.url
    await emulator.close()


async def test_it_starts_again_at_the_same_port_with_all_it_had(client: Client) -> None:
    emulator, url = client.emulator, client.emulator.url
    await emulator.close()
    with pytest.raises(ClientError):
        await client.session.get(url)
    await emulator.start()
    assert emulator.url == url
    assert (await client.call()).status == 200
    assert emulator.token_requests == 1


async def test_a_port_that_is_taken_is_an_error_and_leaves_it_startable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        emulator = PropQEmulator(port=number)
        with pytest.raises(OSError, match=str(number)):
            await emulator.start()
    async with emulator:
        assert emulator.url == f"http://127.0.0.1:{number}"


async def test_it_runs_in_several_loops_one_after_another() -> None:
    emulator = PropQEmulator()

    async def one_run() -> int:
        async with emulator, ClientSession() as session:
            return await asyncio.wait_for(_status_of(session, emulator.url + "/x"), 10)

    def run() -> int:
        return asyncio.run(one_run())

    assert [await asyncio.to_thread(run) for _ in range(2)] == [404, 404]
    assert emulator.calls == 2


async def _status_of(session: ClientSession, url: str) -> int:
    async with session.get(url) as response:
        return response.status


@pytest.mark.parametrize(
    ("host", "start"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("localhost", "http://127.0.0.1:"),
        ("::1", "http://[::1]:"),
    ],
)
async def test_it_listens_on_loopback(host: str, start: str) -> None:
    if host == "::1" and not _has_ipv6_loopback():
        pytest.skip("this machine has no ::1")
    async with PropQEmulator(host=host) as emulator, ClientSession() as session:
        assert emulator.url.startswith(start)
        assert await _status_of(session, emulator.url + "/_emulator/state") == 200


def _has_ipv6_loopback() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


async def test_close_is_prompt_whatever_is_in_flight(client: Client) -> None:
    emulator = client.emulator
    emulator.latency_seconds = emulator.token_latency_seconds = 3600
    slow = [
        asyncio.create_task(client.call()),
        asyncio.create_task(client.ask_for_token()),
    ]
    half_a_body, half_a_head, silent, unread = [await connect(emulator) for _ in range(4)]
    half_a_body[1].write(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\nabc")
    half_a_head[1].write(b"POST /x HTTP/1.1\r\nHo")
    await until(lambda: emulator.calls == 1 and emulator.token_requests == 2)
    # An answer that nobody reads stays in the server's buffers.
    emulator.latency_seconds = 0
    emulator.fail_next(200, body="x" * 50_000_000)
    unread[1].write(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    await until(lambda: emulator.calls == 2)

    started = time.perf_counter()
    await emulator.close()
    assert time.perf_counter() - started < 0.5

    for outcome in await asyncio.gather(*slow, return_exceptions=True):
        assert isinstance(outcome, ServerDisconnectedError)
    for reader, writer in (half_a_body, half_a_head, silent, unread):
        # What it had in its buffer when the connection broke does not matter here.
        with pytest.raises(asyncio.IncompleteReadError):
            await reader.readexactly(50_000_000)
        await hang_up(writer)
    assert emulator.applied == 0
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    gc.collect()


async def test_close_leaves_no_task(client: Client) -> None:
    _, silent = await connect(client.emulator)
    await until(lambda: len(asyncio.all_tasks()) == 3)  # this one and one for each connection
    await client.emulator.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await hang_up(silent)


async def test_what_a_client_does_to_its_connection_is_no_error_of_the_server(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    _, writer = await connect(client.emulator)
    writer.write(
        b"POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\na"
    )
    await writer.drain()
    async with asyncio.timeout(10):
        assert await _.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await hang_up(writer)
    assert (await client.call()).status == 200
    client.emulator.drop_next(after_applying=False)
    with pytest.raises(ServerDisconnectedError):
        await client.call()
    assert client.emulator.calls == 2
    assert not caplog.records


# -- tokens --------------------------------------------------------------------------------------


async def test_a_token_looks_like_one_of_passport(client: Client, clock: FakeClock) -> None:
    reply = await client.ask_for_token()
    assert reply.status == 200
    assert set(reply.json) == {"token_type", "expires_in", "access_token"}
    assert reply.json["token_type"] == "Bearer"
    assert reply.json["expires_in"] == 2_592_000
    assert "no-store" in reply.headers["Cache-Control"]
    token = reply.json["access_token"]
    assert 900 < len(token) < 1200
    head, claims, signature = (
        base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")
    )
    assert json.loads(head) == {"typ": "JWT", "alg": "RS256"}
    assert json.loads(claims)["exp"] == clock.now + 2_592_000
    assert len(signature) == 512


async def test_a_new_token_leaves_the_older_ones_valid(client: Client) -> None:
    old = client.token
    assert await client.log_in() != old
    for token in (old, client.token):
        client.token = token
        assert (await client.call()).status == 200
    assert client.emulator.token_requests == 2


@pytest.mark.parametrize(
    "kwargs",
    [
        pytest.param({"json": dict(parse_qsl(FORM))}, id="JSON"),
        pytest.param(
            {"data": FORM, "headers": {"Content-Type": "application/json"}}, id="said to be JSON"
        ),
        pytest.param({"data": FORM, "headers": {"Content-Type": "text/plain"}}, id="text"),
        pytest.param({"data": {"client_id": "1"}}, id="no grant type"),
        pytest.param({"data": {"grant_type": "password", "client_id": "1"}}, id="another grant"),
        pytest.param({"data": b"\xff=%ff", "headers": {"Content-Type": FORM_TYPE}}, id="noise"),
    ],
)
async def test_the_token_endpoint_takes_a_form_of_one_grant(kwargs: dict[str, Any]) -> None:
    async with served(PropQEmulator(credentials=Credentials(1, "x"))) as client:
        reply = await client.send("POST", "/oauth/token", **kwargs)
        assert reply.status == 400
        assert reply.json["error"] == "unsupported_grant_type"
        assert reply.json["message"]
        assert client.emulator.token_requests == 2
        form = {"Content-Type": FORM_TYPE + "; charset=utf-8"}
        assert (await client.send("POST", "/oauth/token", data=FORM, headers=form)).status == 200


@pytest.mark.parametrize("client_id", [None, ""])
async def test_a_missing_client_id_is_an_invalid_request(
    client: Client, client_id: str | None
) -> None:
    reply = await client.ask_for_token(client_id=client_id)
    assert reply.status == 400
    assert reply.json["error"] == "invalid_request"
    assert reply.json["hint"] == "Check the `client_id` parameter"


@pytest.mark.parametrize(
    "changes",
    [
        {"client_secret": "wrong"},
        {"client_secret": None},
        {"client_id": "2"},
        {"client_id": "one"},
    ],
)
async def test_wrong_credentials_are_refused(client: Client, changes: dict[str, Any]) -> None:
    reply = await client.ask_for_token(**changes)
    assert reply.status == 401
    assert reply.json == {"error": "invalid_client", "message": "Client authentication failed"}


async def test_credentials_are_made_up_or_brought() -> None:
    made_up = [PropQEmulator().credentials for _ in range(2)]
    assert [credentials.client_id for credentials in made_up] == [1, 1]
    assert made_up[0].client_secret != made_up[1].client_secret
    assert len(made_up[0].client_secret) == 40
    brought = Credentials(77, "ñ & = +%")
    async with served(PropQEmulator(credentials=brought)) as client:
        assert client.emulator.credentials is brought
        assert (await client.call()).status == 200


async def test_a_token_lives_as_long_as_it_says(client: Client, clock: FakeClock) -> None:
    client.emulator.token_lifetime_seconds = 7200
    reply = await client.ask_for_token()
    assert reply.json["expires_in"] == 7200
    client.token = reply.json["access_token"]
    clock.now += 7199.9
    assert (await client.call()).status == 200
    clock.now += 0.1
    assert (await client.call()).status == 401


@pytest.mark.parametrize("how", ["revoke_tokens", "expire_tokens"])
async def test_tokens_can_be_revoked_and_expired(client: Client, how: str) -> None:
    getattr(client.emulator, how)()
    reply = await client.call()
    assert (reply.status, reply.json) == (401, {"message": "Unauthenticated."})
    await client.log_in()
    assert (await client.call()).status == 200


# -- calls ---------------------------------------------------------------------------------------


async def test_an_update_is_applied(client: Client) -> None:
    emulator = client.emulator
    reply = await client.call()
    assert (reply.status, reply.text) == (200, ECHO)
    unit = emulator.unit("4711", "A-101")
    assert unit == Unit(
        "4711",
        "A-101",
        4,
        250_000,
        ("N", "S"),
        (UnitValues(1, 100_000, ("N",)), UnitValues(4, 250_000, ("N", "S"))),
    )
    assert (emulator.calls, emulator.applied, emulator.token_requests) == (1, 1, 1)
    assert emulator.units == {("4711", "A-101"): unit}


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic {}", "bearer {}", "{}"]
)
async def test_whatever_is_wrong_with_a_bearer_looks_alike(
    client: Client, authorization: str | None
) -> None:
    header = authorization and authorization.format(client.token)
    reply = await client.call(headers={"Authorization": header})
    assert (reply.status, reply.json) == (401, {"message": "Unauthenticated."})
    assert client.emulator.applied == 0


@pytest.mark.parametrize(
    ("accept", "is_json"),
    [
        ("application/json", True),
        ("application/json, text/html", True),
        ("Application/JSON;q=1.0", True),
        ("application/vnd.api+json", True),
        ("text/html;q=0.5, application/json;q=0.9", True),
        ("text/html;q=wrong, application/json;level=1", True),
        ("text/html, application/json", False),
        ("*/*", False),
        ("", False),
        (None, False),
    ],
)
async def test_only_json_first_in_accept_gets_json(
    client: Client, accept: str | None, *, is_json: bool
) -> None:
    headers: dict[str, str | None] = {"Accept": accept}
    unauthenticated = await client.call(headers={**headers, "Authorization": None})
    invalid = await client.call({}, headers=headers)
    unknown = await client.call({**UPDATE, "UntName": "B-1"}, headers=headers)
    nowhere = await client.call(path="/v1/nowhere", headers=headers)
    if is_json:
        assert (unauthenticated.status, invalid.status) == (401, 422)
        assert unknown.json == {"message": "Unit not found."}
        assert nowhere.json == {"message": "The route v1/nowhere could not be found."}
    else:
        assert (unauthenticated.status, unauthenticated.headers["Location"]) == (302, "/login")
        assert (invalid.status, invalid.headers["Location"]) == (302, "/")
        for reply in (unauthenticated, invalid, unknown, nowhere):
            assert reply.headers["Content-Type"] == "text/html; charset=UTF-8"
            assert reply.text.startswith("<!DOCTYPE html>")
    assert (unknown.status, nowhere.status) == (404, 404)


async def test_a_failed_validation_leads_back_to_the_referer(client: Client) -> None:
    reply = await client.call({}, headers={"Accept": None, "Referer": "http://crm.example/units"})
    assert (reply.status, reply.headers["Location"]) == (302, "http://crm.example/units")


async def test_a_followed_redirect_looks_like_success(client: Client) -> None:
    for headers in ({"Authorization": None}, {"Content-Type": "text/plain"}):
        reply = await client.call(headers={**headers, "Accept": None}, allow_redirects=True)
        assert (reply.status, "html" in reply.text) == (200, True)
    assert [(item.method, item.path, item.status) for item in client.emulator.requests][1:] == [
        ("POST", PATH, 302),
        ("GET", "/login", 200),
        ("POST", PATH, 302),
        ("GET", "/", 200),
    ]
    assert client.emulator.applied == 0
    assert (await client.call(path="/login")).status == 419


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "multipart/form-data", "json"])
async def test_a_body_that_is_not_said_to_be_json_counts_as_empty(
    client: Client, content_type: str | None
) -> None:
    reply = await client.call(headers={"Content-Type": content_type})
    assert reply.status == 422
    assert len(reply.json["errors"]) == 4
    assert client.emulator.requests[-1].body is None


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
async def test_a_content_type_of_json_may_have_parameters(
    client: Client, content_type: str
) -> None:
    assert (await client.call(headers={"Content-Type": content_type})).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xef\xbb\xbf" + ECHO.encode(),
        ECHO.encode("utf-16"),
        ECHO.replace("250000", "NaN").encode(),
        b"[" * 100_000,
        b"[]",
        b'"UntName"',
        b"\xff",
        b"{}",
    ],
)
async def test_json_that_is_broken_or_no_object_counts_as_empty(
    client: Client, body: bytes
) -> None:
    reply = await client.call(body)
    assert reply.status == 422
    assert reply.json == {
        "message": "The unt name field is required. (and 3 more errors)",
        "errors": {
            "UntName": ["The unt name field is required."],
            "UntStatus": ["The unt status field is required."],
            "UntPrice": ["The unt price field is required."],
            "UntDirections": ["The unt directions field is required."],
        },
    }


IMPOSSIBLE_STATES: list[Any] = [0, 3, 16, 1.5, True, "sold", [1], {}]
IMPOSSIBLE_PRICES: list[Any] = [True, "1.234,50", "12 €", "0x1A", "1_000", "inf", "1e999", [1], {}]
NOT_A_NUMBER = {"UntPrice": ["The unt price field must be a number."]}
NOT_A_STATE = {"UntStatus": ["The selected unt status is invalid."]}
NO_DIRECTIONS = {"UntDirections": ["The unt directions field is required."]}
NOT_AN_ARRAY = {"UntDirections": ["The unt directions field must be an array."]}


@pytest.mark.parametrize(
    ("field", "value", "errors"),
    [
        ("UntName", None, {"UntName": ["The unt name field is required."]}),
        ("UntName", " \t\u200b", {"UntName": ["The unt name field is required."]}),
        ("UntName", 101, {"UntName": ["The unt name field must be a string."]}),
        ("UntStatus", None, {"UntStatus": ["The unt status field is required."]}),
        *(("UntStatus", value, NOT_A_STATE) for value in IMPOSSIBLE_STATES),
        ("UntPrice", "", {"UntPrice": ["The unt price field is required."]}),
        *(("UntPrice", value, NOT_A_NUMBER) for value in IMPOSSIBLE_PRICES),
        ("UntDirections", None, NO_DIRECTIONS),
        ("UntDirections", [], NO_DIRECTIONS),
        ("UntDirections", "N", NOT_AN_ARRAY),
        ("UntDirections", {"0": "N"}, NOT_AN_ARRAY),
        (
            "UntDirections",
            ["N", 7, None, " ", []],
            {
                "UntDirections.1": ["The UntDirections.1 field must be a string."],
                "UntDirections.2": ["The UntDirections.2 field is required."],
                "UntDirections.3": ["The UntDirections.3 field is required."],
                "UntDirections.4": ["The UntDirections.4 field is required."],
            },
        ),
    ],
)
async def test_each_field_is_validated(
    client: Client, field: str, value: Any, errors: dict[str, list[str]]
) -> None:
    reply = await client.call({**UPDATE, field: value})
    assert reply.status == 422
    assert reply.json["errors"] == errors
    assert reply.json["message"].startswith(next(iter(errors.values()))[0])
    assert client.emulator.applied == 0


async def test_a_number_too_large_is_none(client: Client) -> None:
    reply = await client.call(ECHO.replace("250000", "1e999").encode())
    assert reply.json["errors"] == NOT_A_NUMBER


async def test_the_message_counts_the_other_errors(client: Client) -> None:
    for fields, suffix in (
        ((), ""),
        (("UntPrice",), " (and 1 more error)"),
        (("UntPrice", "UntStatus"), " (and 2 more errors)"),
    ):
        reply = await client.call({**UPDATE, "UntName": None, **dict.fromkeys(fields)})
        assert reply.json["message"] == f"The unt name field is required.{suffix}"


@pytest.mark.parametrize(
    ("sent", "price"),
    [
        (1, 1),
        (-1.5, -1.5),
        (10**400, 10**400),
        ("250000", 250_000),
        (" +7 ", 7),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("12345678901234567890", 12345678901234567890.0),
    ],
)
async def test_what_the_framework_takes_for_a_number(
    client: Client, sent: object, price: float
) -> None:
    assert (await client.call({**UPDATE, "UntPrice": sent})).status == 200
    assert client.emulator.unit("4711", "A-101").price == price


async def test_strings_are_trimmed_on_arrival(client: Client) -> None:
    reply = await client.call(
        {
            "UntName": "\ufeff A-101\u00a0\0",
            "UntStatus": " 8",
            "UntPrice": "1",
            "UntDirections": [" N "],
        }
    )
    assert reply.json == {
        "UntName": "A-101",
        "UntStatus": 8,
        "UntPrice": 1,
        "UntDirections": ["N"],
    }
    assert type(client.emulator.unit("4711", "A-101").status) is int


@pytest.mark.parametrize("name", ["a-101", "A 101", "A-101 bis", "Á-101"])
async def test_names_match_exactly(client: Client, name: str) -> None:
    assert (await client.call({**UPDATE, "UntName": name})).status == 404


UNKNOWN = {
    404: ({"message": "Development not found."}, {"message": "Unit not found."}),
    400: ({"message": "Development not found."}, {"message": "Unit not found."}),
    422: (
        {
            "message": "The selected development id is invalid.",
            "errors": {"development_id": ["The selected development id is invalid."]},
        },
        {
            "message": "The selected unt name is invalid.",
            "errors": {"UntName": ["The selected unt name is invalid."]},
        },
    ),
}


@pytest.mark.parametrize("status", [400, 404, 422])
async def test_what_an_unknown_development_or_unit_gets(client: Client, status: Any) -> None:
    client.emulator.unknown_status = status
    client.emulator.add_development("4712")
    development = await client.call(path=PATH.replace("4711", "9"))
    unit = await client.call(path=PATH.replace("4711", "4712"))
    assert (development.status, unit.status) == (status, status)
    assert (development.json, unit.json) == UNKNOWN[status]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
@pytest.mark.parametrize("path", [PATH, "/oauth/token"])
async def test_what_a_wrong_method_gets(client: Client, method: str, path: str) -> None:
    def text(reply: Answer) -> Any:
        return method != "HEAD" and reply.json["message"]

    reply = await client.call(method=method, path=path, headers={"Authorization": None})
    assert reply.status == 419
    assert text(reply) in (False, "CSRF token mismatch.")
    reply = await client.call(method=method, path=path, headers={"Accept": None})
    assert (reply.status, "Page Expired" in reply.text) == (419, method != "HEAD")
    client.emulator.wrong_method_status = 405
    reply = await client.call(method=method, path=path)
    assert (reply.status, reply.headers["Allow"]) == (405, "POST")
    expected = f"The {method} method is not supported. Supported methods: POST."
    assert text(reply) in (False, expected)


@pytest.mark.parametrize(
    ("body", "expected"),
    [("echo", ECHO), ("empty", "{}"), ("message", '{"message":"Unit updated."}')],
)
async def test_the_body_of_a_success_is_a_switch(client: Client, body: Any, expected: str) -> None:
    client.emulator.success_body = body
    reply = await client.call()
    assert (reply.status, reply.text) == (200, expected)
    assert reply.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "development_id", ["a/b", "a b", "ñ", "100%", "a?b#c", "..%2F", "update-by-name"]
)
async def test_a_development_id_is_percent_decoded(client: Client, development_id: str) -> None:
    client.emulator.add_unit(development_id, "A-101")
    encoded = "".join(f"%{byte:02X}" for byte in development_id.encode())
    assert (await client.call(path=PATH.replace("4711", encoded))).status == 200
    assert client.emulator.unit(development_id, "A-101").status == 4


@pytest.mark.parametrize(
    "path",
    [
        "/v1/developments/a/b/units/update-by-name",
        "/v1/developments//units/update-by-name",
        "/v1/developments/units/update-by-name",
        "/v2/developments/4711/units/update-by-name",
        PATH + "/",
        "/oauth/tokens",
        "/_emulator",
    ],
)
async def test_there_are_no_other_paths(client: Client, path: str) -> None:
    assert (await client.call(path=path, headers={"Authorization": None})).status == 404
    assert client.emulator.calls == 1


async def test_a_query_changes_nothing_and_is_not_logged(client: Client) -> None:
    assert (await client.call(path=PATH + "?token=x")).status == 200
    assert client.emulator.requests[-1].path == PATH


async def test_it_takes_what_a_proxy_is_sent(client: Client) -> None:
    reply = await client.call(proxy=client.emulator.url)
    assert reply.status == 200
    assert client.emulator.requests[-1].path == PATH


async def test_route_then_bearer_then_throttle_then_fields_then_unit(client: Client) -> None:
    emulator = client.emulator
    emulator.throttle(2)
    wrong: Any = {"UntName": "nobody"}
    anonymous: dict[str, str | None] = {"Authorization": None}
    statuses = [
        (await client.call(wrong, path="/v1/x", headers=anonymous)).status,
        (await client.call(wrong, method="GET", headers=anonymous)).status,
        (await client.call(wrong, headers=anonymous)).status,
        (await client.call(wrong)).status,
        (await client.call({**UPDATE, **wrong})).status,
        (await client.call(wrong)).status,
        (await client.call(headers=anonymous)).status,
    ]
    assert statuses == [404, 419, 401, 422, 404, 429, 401]
    assert (emulator.calls, emulator.applied) == (7, 0)


# -- throttling ----------------------------------------------------------------------------------


async def test_the_limiter_counts_in_fixed_windows(client: Client, clock: FakeClock) -> None:
    def limits(reply: Answer) -> list[str | None]:
        names = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "Retry-After", "X-RateLimit-Reset")
        return [reply.headers.get(name) for name in names]

    client.emulator.throttle(2, per_seconds=10.5)
    clock.now += 100  # the window begins with its first call, not with throttle()
    end = clock.now + 10.5
    assert limits(await client.call()) == ["2", "1", None, None]
    clock.now += 9
    invalid = await client.call({})
    assert (invalid.status, limits(invalid)) == (422, ["2", "0", None, None])

    refused = await client.call()
    assert (refused.status, refused.json) == (429, {"message": "Too Many Attempts."})
    assert limits(refused) == ["2", "0", "2", str(int(end + 0.5))]
    clock.now = end - 0.001
    assert limits(await client.call())[2] == "1"
    assert client.emulator.applied == 1

    clock.now = end
    assert limits(await client.call()) == ["2", "1", None, None]
    clock.now = end + 8  # a window of its own, not a sliding one
    assert (await client.call()).status == 200
    assert limits(await client.call())[2] == "3"

    client.emulator.throttle(None)
    reply = await client.call()
    assert (reply.status, limits(reply)) == (200, [None] * 4)


@pytest.mark.parametrize(
    "arguments", [(0,), (-1,), (1.5,), (True,), ("60",), (60, 0), (60, float("nan")), (60, "1")]
)
def test_a_throttle_that_cannot_work_is_refused(arguments: Any) -> None:
    with pytest.raises(ValueError, match=r"calls must be|per_seconds must be"):
        PropQEmulator().throttle(*arguments)


# -- faults --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "content_type", "text"),
    [
        (500, "application/json", '{"message":"Server Error"}'),
        (503, "application/json", '{"message":"Server Error"}'),
        (403, "application/json", '{"message":"This action is unauthorized."}'),
        (401, "application/json", '{"message":"Unauthenticated."}'),
        (429, "application/json", '{"message":"Too Many Attempts."}'),
        (422, "application/json", '{"message":"The given data was invalid.","errors":{}}'),
        (404, "application/json", '{"message":"Not Found"}'),
        (599, "application/json", '{"message":"Unknown Status"}'),
        (200, "application/json", "{}"),
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


async def test_faults_come_in_order_and_only_where_they_were_asked_for(client: Client) -> None:
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
        ({"status": 500, "times": 0}, "times must be an integer, at least 1, not 0"),
        ({"status": 500, "times": True}, "times must be"),
        ({"status": 500, "path": "oauth/token"}, "path must begin with a slash"),
        ({"status": 500, "path": 5}, "path must begin with a slash"),
        ({"status": 500, "retry_after": True}, "retry_after must be a number or a string"),
        ({"status": 500, "retry_after": []}, "retry_after must be a number or a string"),
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
    ],
)
def test_a_drop_that_cannot_happen_is_refused(kwargs: Any) -> None:
    with pytest.raises(ValueError, match="must"):
        PropQEmulator().drop_next(**kwargs)


async def test_latency_is_apart_for_calls_and_tokens(client: Client) -> None:
    emulator = client.emulator
    emulator.latency_seconds = 3600
    call = asyncio.create_task(client.call())
    await until(lambda: emulator.calls == 1)
    assert (await client.ask_for_token()).status == 200
    emulator.latency_seconds, emulator.token_latency_seconds = 0.01, 3600
    token = asyncio.create_task(client.ask_for_token())
    await until(lambda: emulator.token_requests == 3)
    started = time.perf_counter()
    assert (await client.call()).status == 200
    assert time.perf_counter() - started >= 0.01
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


# -- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("unknown_status", 403, "unknown_status must be one of 404, 400, 422, not 403"),
        ("unknown_status", 404.0, "unknown_status must be"),
        ("wrong_method_status", 400, "wrong_method_status must be one of 419, 405, not 400"),
        ("success_body", "full", "success_body must be one of 'echo', 'empty', 'message', not"),
        ("success_body", [], "success_body must be"),
        ("latency_seconds", -1, "latency_seconds must be a finite number, at least 0, not -1"),
        ("latency_seconds", True, "latency_seconds must be"),
        ("token_latency_seconds", "1", "token_latency_seconds must be"),
        ("token_latency_seconds", float("inf"), "token_latency_seconds must be"),
        ("token_lifetime_seconds", 0, "token_lifetime_seconds must be a finite number above 0"),
        ("token_lifetime_seconds", None, "token_lifetime_seconds must be"),
    ],
)
def test_a_switch_has_only_its_values(name: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PropQEmulator(**{name: value})
    emulator = PropQEmulator()
    before = getattr(emulator, name)
    with pytest.raises(ValueError, match=message):
        setattr(emulator, name, value)
    assert getattr(emulator, name) == before


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"host": "0.0.0.0"}, "host must be a loopback address .*, not '0.0.0.0'"),
        ({"host": "example.com"}, "host must be"),
        ({"host": None}, "host must be"),
        ({"port": -1}, "port must be an integer from 0 to 65535, not -1"),
        ({"port": 65536}, "port must be"),
        ({"port": "80"}, "port must be"),
        ({"port": True}, "port must be"),
    ],
)
def test_it_listens_only_where_it_may(kwargs: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PropQEmulator(**kwargs)


def test_a_misspelt_switch_is_an_error() -> None:
    wrong: Any = {"latency": 1}
    with pytest.raises(TypeError, match="latency"):
        PropQEmulator(**wrong)
    emulator: Any = PropQEmulator()
    with pytest.raises(AttributeError):
        emulator.latency = 1
    for name, value in (("credentials", Credentials(2, "x")), ("url", "x"), ("calls", 0)):
        with pytest.raises(AttributeError):
            setattr(emulator, name, value)
    with pytest.raises(TypeError, match="credentials"):
        PropQEmulator(credentials=("1", "x"))  # type: ignore[arg-type]


async def test_switches_are_arguments_as_well(clock: FakeClock) -> None:
    emulator = PropQEmulator(
        clock=clock,
        latency_seconds=0.001,
        token_latency_seconds=0.001,
        token_lifetime_seconds=1.5,
        unknown_status=400,
        wrong_method_status=405,
        success_body="empty",
    )
    async with served(emulator) as client:
        assert (await client.call()).text == "{}"
        assert (await client.call({**UPDATE, "UntName": "x"})).status == 400
        assert (await client.call(method="GET")).status == 405
        clock.now += 1.5
        assert (await client.call()).status == 401


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"name": ""}, "name must be a string that is not empty"),
        ({"name": 5}, "name must be a string that is not empty, not 5"),
        ({"name": "A-1 "}, "name must not begin or end with white space"),
        ({"development_id": ""}, "development_id must be"),
        ({"development_id": 4711}, "development_id must be a string that is not empty, not 4711"),
        ({"status": 3}, "status must be one of 1, 2, 4, 8, not 3"),
        ({"status": True}, "status must be"),
        ({"price": "1"}, "price must be a finite number, not '1'"),
        ({"price": float("nan")}, "price must be"),
        ({"directions": "N"}, "directions must be a sequence"),
        ({"directions": ()}, "directions must be"),
        ({"directions": ["N", ""]}, "directions must be"),
    ],
)
def test_a_unit_that_cannot_be_is_refused(kwargs: Any, message: str) -> None:
    emulator = PropQEmulator()
    with pytest.raises(ValueError, match=message):
        emulator.add_unit(**{"development_id": "4711", "name": "A-1", **kwargs})
    assert not emulator.units


def test_units_are_added_and_replaced() -> None:
    emulator = PropQEmulator()
    emulator.add_unit("4711", "A-1", status=8, price=1.5, directions=["S"])
    unit = emulator.unit("4711", "A-1")
    assert unit == Unit("4711", "A-1", 8, 1.5, ("S",), (UnitValues(8, 1.5, ("S",)),))
    assert emulator.add_unit("4711", "A-1") == emulator.unit("4711", "A-1")
    assert emulator.unit("4711", "A-1").history == (UnitValues(1, 100_000, ("N",)),)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        unit.price = 2  # type: ignore[misc]
    with pytest.raises(KeyError, match="no development '4712'"):
        emulator.unit("4712", "A-1")
    with pytest.raises(KeyError, match="no unit 'A-2' in the development '4711'"):
        emulator.unit("4711", "A-2")


async def test_the_log_is_bounded_and_has_no_secret(client: Client) -> None:
    emulator = client.emulator
    secret = emulator.credentials.client_secret
    await client.send(
        "POST",
        "/oauth/token",
        json={"client_secret": secret},
    )
    await client.call()
    assert list(emulator.requests) == [
        RecordedRequest("POST", "/oauth/token", 200, None),
        RecordedRequest("POST", "/oauth/token", 400, None),
        RecordedRequest("POST", PATH, 200, UPDATE),
    ]
    for text in (repr(emulator), repr(emulator.requests)):
        assert secret not in text
        assert client.token not in text
    for _ in range(1001):
        await client.call()
    assert len(emulator.requests) == 1000
    assert len(emulator.unit("4711", "A-101").history) == 1000
    assert emulator.applied == 1002


async def test_reset_leaves_only_address_and_credentials() -> None:
    async with served(PropQEmulator(success_body="empty")) as client:
        emulator, url, credentials = (
            client.emulator,
            client.emulator.url,
            client.emulator.credentials,
        )
        await client.call()
        emulator.success_body = "message"
        emulator.unknown_status = 400
        emulator.latency_seconds = 3600
        emulator.throttle(1)
        emulator.fail_next(500, times=9)
        emulator.add_development("4712")
        emulator.reset()
        assert (emulator.calls, emulator.applied, emulator.token_requests) == (0, 0, 0)
        assert (len(emulator.units), len(emulator.requests)) == (0, 0)
        with pytest.raises(KeyError, match="no development"):
            emulator.unit("4712", "x")
        assert (emulator.url, emulator.credentials) == (url, credentials)
        assert (await client.call()).status == 401
        await client.log_in()
        assert (await client.call()).status == 404
        emulator.add_unit("4711", "A-101")
        assert [(await client.call()).text for _ in range(2)] == ["{}", "{}"]


async def test_it_bears_many_at_once(client: Client) -> None:
    names = [f"U-{number}" for number in range(200)]
    for name in names:
        client.emulator.add_unit("4711", name)
    replies = await asyncio.gather(
        *(client.call({**UPDATE, "UntName": name}) for name in names for _ in range(2))
    )
    assert {reply.status for reply in replies} == {200}
    assert all(len(client.emulator.unit("4711", name).history) == 3 for name in names)


async def test_reads_are_kept_small_where_the_loop_lets_us(client: Client) -> None:
    reads = {
        handler.transport.max_size
        for handler in client.emulator._runner.server.connections  # type: ignore[union-attr]
        if handler.transport is not None and hasattr(handler.transport, "max_size")
    }
    assert all(size == 65536 for size in reads)


# -- the admin path ------------------------------------------------------------------------------


async def test_another_process_can_steer_it(client: Client, clock: FakeClock) -> None:
    async def state() -> Any:
        return (await client.send("GET", "/_emulator/state")).json

    await client.call()
    assert await state() == {"token_requests": 1, "calls": 1, "applied": 1, "units": 1}

    assert (await client.admin("throttle", {"calls": 1, "per_seconds": 5})).json == {}
    assert [(await client.call()).status for _ in range(2)] == [200, 429]
    clock.now += 5
    assert (await client.admin("throttle", {"calls": None})).status == 200
    assert [(await client.call()).status for _ in range(2)] == [200, 200]

    fault = {"status": 503, "times": 2, "retry_after": 3, "body": {"a": 1}, "path": PATH}
    assert (await client.admin("fail_next", fault)).status == 200
    replies = [await client.call() for _ in range(3)]
    assert [reply.status for reply in replies] == [503, 503, 200]
    assert (replies[0].headers["Retry-After"], replies[0].json) == ("3", {"a": 1})

    assert (await client.admin("drop_next", {"after_applying": False})).status == 200
    with pytest.raises(ServerDisconnectedError):
        await client.call()

    for name in ("revoke_tokens", "expire_tokens"):
        assert (await client.admin(name)).status == 200
        assert (await client.call()).status == 401
        await client.log_in()
        assert (await client.call()).status == 200

    empty = {"Content-Type": "application/json"}
    assert (await client.send("POST", "/_emulator/reset", headers=empty)).status == 200
    assert await state() == {"token_requests": 0, "calls": 0, "applied": 0, "units": 0}
    assert not client.emulator.requests


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("throttle", b"{", "throttle: the body is not valid JSON"),
        ("throttle", b"[" * 100_000, "throttle: the body is not valid JSON"),
        ("throttle", b"[]", "throttle: the body must be a JSON object with the arguments"),
        ("throttle", b"{}", "throttle: the argument 'calls' is missing"),
        ("throttle", b'{"calls": 0}', "throttle: calls must be an integer, at least 1, not 0"),
        (
            "throttle",
            b'{"call": 1}',
            "throttle: unknown argument 'call'; it takes calls, per_seconds",
        ),
        ("reset", b'{"a": 1}', "reset: unknown argument 'a'; it takes no arguments"),
        (
            "fail_next",
            b'{"status": 99}',
            "fail_next: status must be an integer from 200 to 599, not 99",
        ),
    ],
)
async def test_arguments_that_are_wrong_are_told(
    client: Client, name: str, body: bytes, message: str
) -> None:
    headers = {"Content-Type": "application/json"}
    reply = await client.send("POST", f"/_emulator/{name}", data=body, headers=headers)
    assert (reply.status, reply.json) == (400, {"message": message})
    assert (await client.call()).status == 200


async def test_the_admin_path_has_its_own_manners(client: Client) -> None:
    unknown = await client.admin("explode")
    assert unknown.status == 404
    assert unknown.json["message"].startswith("There is only state, revoke_tokens, expire_tokens,")
    for method, name, allowed in (("GET", "reset", "POST"), ("POST", "state", "GET")):
        reply = await client.send(method, f"/_emulator/{name}")
        assert (reply.status, reply.headers["Allow"]) == (405, allowed)
        assert reply.json == {"message": f"{name} takes {allowed}, not {method}."}
    form = await client.send("POST", "/_emulator/reset", data={"a": "b"})
    assert (form.status, form.json) == (
        415,
        {"message": "The Content-Type must be application/json."},
    )
    assert (await client.call()).status == 200


async def test_a_page_of_another_origin_cannot_steer_it(client: Client) -> None:
    url, number = client.emulator.url, port(client.emulator)
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": url.replace("http", "https")},
        # A name of theirs that resolves to loopback.
        {"Host": f"evil.example:{number}", "Origin": f"http://evil.example:{number}"},
        {"Host": f"evil.example:{number}"},
    ):
        assert (await client.admin("reset", headers=headers)).status == 403
        assert (await client.send("GET", "/_emulator/state", headers=headers)).status == 403
    assert (await client.call()).status == 200
    for headers in (
        {"Origin": url},
        {"Host": f"localhost:{number}", "Origin": f"http://localhost:{number}"},
    ):
        assert (await client.admin("reset", headers=headers)).status == 200


# -- the parts without I/O -----------------------------------------------------------------------


def test_the_secret_is_not_guessable_from_another() -> None:
    secrets = {PropQEmulator().credentials.client_secret for _ in range(20)}
    assert len(secrets) == 20
    assert all(a[:8] != b[:8] for a, b in itertools.combinations(secrets, 2))


def test_a_page_escapes_what_it_is_told() -> None:
    assert b"<script>" not in stock_server.page("<script>", "<script>")
