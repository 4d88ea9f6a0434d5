from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest

from propq_async.testing import PropQEmulator, RecordedRequest, Unit, UnitValues
from tests.helpers.emulator_client import ECHO, PATH, UPDATE, Answer, Client, FakeClock


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
        url = client.emulator.url
        login = (unauthenticated.status, unauthenticated.headers["Location"])
        assert login == (302, f"{url}/login")
        assert (invalid.status, invalid.headers["Location"]) == (302, url)
        for reply, charset in (
            (unauthenticated, "utf-8"),
            (invalid, "utf-8"),
            (unknown, "UTF-8"),
            (nowhere, "UTF-8"),
        ):
            assert reply.headers["Content-Type"] == f"text/html; charset={charset}"
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


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "multipart/form-data", "json", "Application/JSON"]
)
async def test_a_body_that_is_not_said_to_be_json_counts_as_empty(
    client: Client, content_type: str | None
) -> None:
    reply = await client.call(headers={"Content-Type": content_type})
    assert reply.status == 422
    assert len(reply.json["errors"]) == 4
    assert client.emulator.requests[-1].body is None


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "application/vnd.api+json"]
)
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
        # Halves of a pair, which PHP refuses.
        ECHO.replace("A-101", "\\ud800").encode(),
        ECHO.replace("A-101", "\\udc00\\ud800").encode(),
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


IMPOSSIBLE_STATES: list[Any] = [
    0,
    3,
    16,
    1.5,
    False,
    "sold",
    "01",
    "1.0",
    "+1",
    "1e0",
    [1],
    {"a": 1},
]
IMPOSSIBLE_PRICES: list[Any] = [
    True,
    "1.234,50",
    "12 €",
    "0x1A",
    "1_000",
    "inf",
    [1],
    {"0": 1},
]
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
        # What is empty is missing, and an object is an array to PHP.
        ("UntName", [], {"UntName": ["The unt name field is required."]}),
        ("UntName", {}, {"UntName": ["The unt name field is required."]}),
        ("UntName", {"a": 1}, {"UntName": ["The unt name field must be a string."]}),
        ("UntStatus", [], {"UntStatus": ["The unt status field is required."]}),
        ("UntPrice", {}, {"UntPrice": ["The unt price field is required."]}),
        ("UntDirections", {}, NO_DIRECTIONS),
        (
            "UntDirections",
            {"0": "N", "b": 7, "c": {}},
            {
                "UntDirections.b": ["The UntDirections.b field must be a string."],
                "UntDirections.c": ["The UntDirections.c field is required."],
            },
        ),
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


@pytest.mark.parametrize(
    ("given", "echo", "kept"),
    [
        ({"0": " N", "1": "S "}, ["N", "S"], ("N", "S")),
        ({"1": "N", "0": "S"}, {"1": "N", "0": "S"}, ("N", "S")),
        ({"a": "N"}, {"a": "N"}, ("N",)),
    ],
)
async def test_an_object_is_an_array(
    client: Client, given: Any, echo: Any, kept: tuple[str, ...]
) -> None:
    reply = await client.call({**UPDATE, "UntDirections": given})
    assert (reply.status, reply.json) == (200, {**UPDATE, "UntDirections": echo})
    assert client.emulator.unit("4711", "A-101").directions == kept


@pytest.mark.parametrize("path", [PATH, "/oauth/token", "/v1/x"])
async def test_a_body_that_is_too_large_is_refused_by_the_gateway(
    client: Client, path: str
) -> None:
    told: list[RecordedRequest] = []
    client.emulator.on_request = told.append
    reply = await client.send("POST", path, data=io.BytesIO(bytes(2**20 + 1)))
    assert reply.status == 413
    assert reply.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert "<center>nginx</center>" in reply.text
    assert client.emulator.requests[-1] == told[-1] == RecordedRequest("POST", path, 413, None)
    assert client.emulator.calls + client.emulator.token_requests == 2


async def test_a_refusal_is_a_page_for_whoever_does_not_ask_for_json(client: Client) -> None:
    emulator = client.emulator
    plain: dict[str, str | None] = {"Accept": None}
    emulator.unknown_status = 422
    reply = await client.call({**UPDATE, "UntName": "nobody"}, headers=plain)
    assert (reply.status, reply.headers["Location"]) == (302, emulator.url)
    emulator.throttle(1)
    emulator.throttle_tokens(1)
    await client.call()
    await client.ask_for_token()
    for reply in (await client.call(headers=plain), await client.ask_for_token()):
        assert reply.status == 429
        assert "429 | Too Many Requests" in reply.text
        assert "Retry-After" in reply.headers


async def test_options_are_always_answered(client: Client) -> None:
    for path, allowed in ((PATH, "POST"), ("/oauth/token", "POST"), ("/login", "GET,HEAD")):
        reply = await client.call(method="OPTIONS", path=path)
        assert (reply.status, reply.text, reply.headers["Allow"]) == (200, "", allowed)
    client.emulator.wrong_method_status = 405
    for path in ("/", "/login"):
        reply = await client.call(path=path)
        assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("price", ["1e999", "9" * 400])
async def test_a_number_that_php_cannot_send_back_is_a_500(client: Client, price: str) -> None:
    reply = await client.call(ECHO.replace("250000", price).encode())
    assert (reply.status, reply.json) == (500, {"message": "Server Error"})
    assert client.emulator.applied == 0


async def test_the_older_texts_of_the_framework(client: Client) -> None:
    client.emulator.framework_version = "8"
    reply = await client.call(
        {"UntName": 1, "UntStatus": 3, "UntPrice": "x", "UntDirections": ["N", 1, None]}
    )
    assert reply.json == {
        "message": "The given data was invalid.",
        "errors": {
            "UntName": ["The unt name must be a string."],
            "UntStatus": ["The selected unt status is invalid."],
            "UntPrice": ["The unt price must be a number."],
            "UntDirections.1": ["The UntDirections.1 must be a string."],
            "UntDirections.2": ["The UntDirections.2 field is required."],
        },
    }
    reply = await client.call({**UPDATE, "UntDirections": "N"})
    assert reply.json["errors"] == {"UntDirections": ["The unt directions must be an array."]}


async def test_the_directions_may_be_a_closed_list(client: Client) -> None:
    client.emulator.known_directions = ("N", "S")
    assert (await client.call()).status == 200
    reply = await client.call({**UPDATE, "UntDirections": ["N", "SW", "n"]})
    assert reply.json["errors"] == {
        "UntDirections.1": ["The selected UntDirections.1 is invalid."],
        "UntDirections.2": ["The selected UntDirections.2 is invalid."],
    }


async def test_the_case_of_a_name_may_not_matter(client: Client) -> None:
    client.emulator.case_sensitive_names = False
    client.emulator.add_unit("4711", "a-102")
    client.emulator.add_unit("4711", "A-102")
    for name, meant in (("a-101", "A-101"), ("A-102", "A-102"), ("a-102", "a-102")):
        assert (await client.call({**UPDATE, "UntName": name})).status == 200
        assert client.emulator.unit("4711", meant).status == 4
    assert client.emulator.applied == 3
    assert (await client.call({**UPDATE, "UntName": "A 101"})).status == 404


async def test_the_development_of_another_client_is_forbidden(client: Client) -> None:
    client.emulator.add_unit("9", "A-101")
    client.emulator.add_development("9", foreign=True)
    client.emulator.add_unit("9", "A-102")  # which leaves it foreign
    for body in (UPDATE, {}):
        reply = await client.call(body, path=PATH.replace("4711", "9"))
        assert (reply.status, reply.json) == (403, {"message": "This action is unauthorized."})
    page = await client.call(path=PATH.replace("4711", "9"), headers={"Accept": None})
    assert (page.status, "403 | Forbidden" in page.text) == (403, True)
    assert client.emulator.applied == 0
    client.emulator.add_development("9")
    assert (await client.call(path=PATH.replace("4711", "9"))).status == 200


async def test_json_deeper_than_php_reads_counts_as_empty(client: Client) -> None:
    def nested(depth: int) -> bytes:
        value: object = 1
        for level in range(depth):
            value = {"UntName": value} if level % 2 else [value]
        return json.dumps(value).encode()

    for depth in (511, 512, 513, 514):
        await client.call(nested(depth))
    assert [item.body is None for item in client.emulator.requests[-4:]] == [
        False, False, True, True,
    ]  # fmt: skip
    wide = {**UPDATE, "x": [[] for _ in range(600)]}
    assert (await client.call(wide)).status == 200


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
        (10**20, 1e20),
        ("9" * 400, sys.float_info.max),
        ("-1e400", -sys.float_info.max),
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
            "UntName": "\ufeff A-101\u00a0\0\u0085\u3000",
            "UntStatus": " 8",
            "UntPrice": "1",
            "UntDirections": [" N "],
        }
    )
    assert reply.json == {
        "UntName": "A-101",
        "UntStatus": "8",
        "UntPrice": "1",
        "UntDirections": ["N"],
    }
    assert type(client.emulator.unit("4711", "A-101").status) is int


@pytest.mark.parametrize("name", ["a-101", "A-101\x1c", "A 101", "A-101 bis", "Á-101"])
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
    route = path.removeprefix("/")
    expected = f"The {method} method is not supported for route {route}. Supported methods: POST."
    assert text(reply) in (False, expected)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("echo", ECHO),
        ("empty", "{}"),
        ("message", '{"message":"Unit updated."}'),
        ("status", '{"status":"success"}'),
    ],
)
async def test_the_body_of_a_success_is_a_switch(client: Client, body: Any, expected: str) -> None:
    client.emulator.success_body = body
    reply = await client.call()
    assert (reply.status, reply.text) == (200, expected)
    assert reply.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("development_id", ["a b", "ñ", "100%", "a?b#c", "..%2F", "update-by-name"])
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
        PATH.replace("4711", "47%2F11"),
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


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("8", [404, 419, 401, 422, 404, 429, 401]),
        ("10", [404, 419, 401, 422, 404, 429, 401]),
        # The throttle counts what has no token, too.
        ("12", [404, 419, 401, 422, 429, 429, 429]),
    ],
)
async def test_what_is_checked_first(client: Client, version: Any, expected: list[int]) -> None:
    emulator = client.emulator
    emulator.framework_version = version
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
    assert statuses == expected
    assert (emulator.calls, emulator.applied) == (7, 0)


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
