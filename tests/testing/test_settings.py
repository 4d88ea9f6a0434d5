from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any
from urllib.parse import quote

import attrs
import pytest
from aiohttp import ServerDisconnectedError

from propq_async.credentials import Credentials
from propq_async.testing import PropQEmulator, RecordedRequest, Unit, UnitValues
from propq_async.testing import _laravel as laravel
from tests.helpers.emulator_client import PATH, UPDATE, Client, FakeClock, served, until


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("unknown_status", 403, "unknown_status must be one of 404, 400, 422, not 403"),
        ("unknown_status", 404.0, "unknown_status must be"),
        ("wrong_method_status", 400, "wrong_method_status must be one of 419, 405, not 400"),
        (
            "success_body",
            "full",
            "success_body must be one of 'echo', 'empty', 'message', 'stat",
        ),
        ("success_body", [], "success_body must be"),
        ("framework_version", "9", "framework_version must be one of '12', '10', '8', not"),
        ("validation_style", "new", "validation_style must be one of 'current', 'older', not"),
        ("token_error_style", None, "token_error_style must be one of 'message', 'both', 'desc"),
        ("case_sensitive_names", 0, "case_sensitive_names must be True or False, not 0"),
        ("known_directions", "NS", 'known_directions must be a sequence of strings such as ."N"'),
        ("known_directions", [], "known_directions must be"),
        ("known_directions", 5, "known_directions must be"),
        ("latency_seconds", -1, "latency_seconds must be a finite number, at least 0, not -1"),
        ("latency_seconds", True, "latency_seconds must be"),
        ("token_latency_seconds", "1", "token_latency_seconds must be"),
        ("token_latency_seconds", float("inf"), "token_latency_seconds must be"),
        ("token_lifetime_seconds", 0, "token_lifetime_seconds must be a finite number above 0"),
        ("token_lifetime_seconds", None, "token_lifetime_seconds must be"),
        ("token_lifetime_seconds", 10**400, "not an integer of 1329 bits, which is beyond 1e.15"),
        ("token_lifetime_seconds", 1e300, "not 1e.300, which is beyond 1e.15"),
        ("latency_seconds", 10**400, "latency_seconds must be"),
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
    with pytest.raises(
        TypeError, match=r"credentials must be Credentials.*, not of type tuple"
    ) as e:
        PropQEmulator(credentials=(1, "REAL-SECRET"))  # type: ignore[arg-type]
    assert "REAL-SECRET" not in repr((e.value, e.value.args))
    with pytest.raises(TypeError, match="must be a string, not a source"):
        PropQEmulator(credentials=Credentials(2, lambda: "x"))


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
        ({"price": 10**400}, "price must be a finite number, not an integer of 1329 bits"),
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


def test_a_number_too_long_to_print_is_refused() -> None:
    emulator = PropQEmulator()
    huge: Any = 10**5000
    for name in ("unknown_status", "latency_seconds"):
        with pytest.raises(ValueError, match=f"{name} must be .*, not an integer of 16610 bits"):
            setattr(emulator, name, huge)
    with pytest.raises(ValueError, match="status must be"):
        emulator.add_unit("4711", "A-1", status=huge)
    with pytest.raises(ValueError, match="status must be"):
        emulator.fail_next(huge)
    with pytest.raises(ValueError, match="port must be"):
        PropQEmulator(port=huge)


def test_units_are_added_and_replaced() -> None:
    emulator = PropQEmulator()
    emulator.add_unit("4711", "A-1", status=8, price=1.5, directions=["S"])
    unit = emulator.unit("4711", "A-1")
    assert unit == Unit("4711", "A-1", 8, 1.5, ("S",), (UnitValues(8, 1.5, ("S",)),))
    assert emulator.add_unit("4711", "A-1") == emulator.unit("4711", "A-1")
    assert emulator.unit("4711", "A-1").history == (UnitValues(1, 100_000, ("N",)),)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        unit.price = 2  # type: ignore[misc]
    with pytest.raises(KeyError, match=r"no unit '4711'; a key is \(development_id, name\)"):
        _ = emulator.units["4711"]  # type: ignore[index]
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


@pytest.mark.parametrize("secret", ["ab12" * 10, 'sc/h\u00f6n "&" <x>', "\u20ac" * 9])
async def test_a_secret_that_strays_is_not_logged(secret: str) -> None:
    async with served(PropQEmulator(credentials=Credentials(7, secret))) as client:
        emulator = client.emulator
        # As a client may send it that mistook the path or the format.
        astray = {"client_secret": secret, "n": 1}
        bodies = [json.dumps(astray, ensure_ascii=way) for way in (False, True)]
        bodies += [body.replace("/", r"\/") for body in bodies]
        bodies += [json.dumps({"a": [{"token": f"Bearer {client.token}"}]})]
        # Any letter may be written as an escape.
        bodies += ['{"a": ["' + "".join(f"\\u{ord(char):04x}" for char in secret) + '"]}']
        bodies += ['{"\\u0065' + client.token[1:] + '": 1}']
        for body in bodies:
            await client.call(body.encode(), path="/oauth/tokens")
            assert emulator.requests[-1].body == "***"
            await client.call(body.encode(), path="/oauth/token/")
            assert emulator.requests[-1].body is None
        for stray in (quote(secret, safe=""), client.token):
            await client.call(path=f"/x/{stray}/y")
            assert emulator.requests[-1] == RecordedRequest("POST", "/***", 404, UPDATE)
        told = await client.send("GET", "/_emulator/requests")
        for text in (repr(emulator.requests), told.text):
            assert secret not in text
            assert json.dumps(secret)[1:-1] not in text
            assert client.token not in text
        await client.call()
        assert emulator.requests[-1].body == UPDATE


async def test_on_request_is_called_for_each_request(clock: FakeClock) -> None:
    told: list[RecordedRequest] = []
    async with served(PropQEmulator(clock=clock, on_request=told.append)) as client:
        clock.now += 5
        await client.call()
        await client.send("GET", "/_emulator/state")
        assert tuple(told) == client.emulator.requests
        assert [item.timestamp for item in told] == [clock.now - 5, clock.now]
        client.emulator.on_request = None
        await client.call()
        assert len(told) == 2


async def test_a_reset_drops_requests_in_flight(client: Client) -> None:
    emulator = client.emulator
    emulator.latency_seconds = emulator.token_latency_seconds = 0.02
    call = asyncio.create_task(client.call())
    token = asyncio.create_task(client.ask_for_token())
    await until(lambda: emulator.calls == 1 and emulator.token_requests == 2)
    emulator.reset()
    emulator.add_unit("4711", "A-101")
    for outcome in await asyncio.gather(call, token, return_exceptions=True):
        assert isinstance(outcome, ServerDisconnectedError)
    assert (emulator.calls, emulator.applied, emulator.requests) == (0, 0, ())


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
        emulator.throttle_tokens(1)
        emulator.known_directions = ("N",)
        emulator.case_sensitive_names = False
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
        # Nor does a name live on in another case.
        emulator.add_development("4711")
        emulator.case_sensitive_names = False
        assert (await client.call({**UPDATE, "UntName": "a-101"})).status == 404
        emulator.reset()
        await client.log_in()
        emulator.add_unit("4711", "A-101")
        assert [(await client.call()).text for _ in range(2)] == ["{}", "{}"]


async def test_many_calls_at_once_are_answered(client: Client) -> None:
    names = [f"U-{number}" for number in range(200)]
    for name in names:
        client.emulator.add_unit("4711", name)
    replies = await asyncio.gather(
        *(client.call({**UPDATE, "UntName": name}) for name in names for _ in range(2))
    )
    assert {reply.status for reply in replies} == {200}
    assert all(len(client.emulator.unit("4711", name).history) == 3 for name in names)


def test_the_secret_is_not_guessable_from_another() -> None:
    secrets = {PropQEmulator().credentials.client_secret for _ in range(20)}
    assert len(secrets) == 20
    assert all(a[:8] != b[:8] for a, b in itertools.combinations(secrets, 2))


def test_a_page_escapes_its_texts() -> None:
    assert b"<script>" not in laravel.page("<script>", "<script>")
