"""What the versions of the framework do differently, as the emulator has it."""

from __future__ import annotations

from typing import Any

import pytest

from propq_async.credentials import Credentials
from propq_async.testing import PropQEmulator
from tests.helpers.emulator_client import FORM_TYPE, PATH, UPDATE, Client, served

VERSIONS: list[Any] = ["8", "10", "12"]


@pytest.mark.parametrize(
    ("version", "nowhere", "wrong_method", "invalid"),
    [
        (
            "8",
            "",
            "The GET method is not supported for this route. Supported methods: POST.",
            {"message": "The given data was invalid.", "text": "The unt price must be a number."},
        ),
        *(
            (
                version,
                "The route v1/x could not be found.",
                f"The GET method is not supported for route {PATH[1:]}. Supported methods: POST.",
                {
                    "message": "The unt price field must be a number.",
                    "text": "The unt price field must be a number.",
                },
            )
            for version in ("10", "12")
        ),
    ],
)
async def test_the_texts_of_each_version(
    client: Client, version: Any, nowhere: str, wrong_method: str, invalid: dict[str, str]
) -> None:
    client.emulator.framework_version = version
    client.emulator.wrong_method_status = 405
    assert (await client.call(path="/v1/x")).json == {"message": nowhere}
    assert (await client.call(method="GET")).json == {"message": wrong_method}
    answer = (await client.call({**UPDATE, "UntPrice": "x"})).json
    assert answer == {
        "message": invalid["message"],
        "errors": {"UntPrice": [invalid["text"]]},
    }


@pytest.mark.parametrize(
    ("character", "trimmed_by"),
    [
        (" ", ["8", "10", "12"]),
        ("\0", ["8", "10", "12"]),
        ("\u00a0", ["10", "12"]),
        ("\u200b", ["10", "12"]),
        ("\ufeff", ["10", "12"]),
        ("\u00ad", ["12"]),
        ("\u200c", ["12"]),
        ("\u200d", ["12"]),
        ("\u200f", ["12"]),
        ("\u2060", ["12"]),
        ("\U000e0020", ["12"]),
        ("\x1c", []),
        ("A", []),
    ],
)
async def test_what_each_version_trims(
    client: Client, character: str, trimmed_by: list[str]
) -> None:
    statuses = {}
    for version in VERSIONS:
        client.emulator.framework_version = version
        body = {**UPDATE, "UntName": f"{character}A-101{character}"}
        statuses[version] = (await client.call(body)).status
    assert statuses == {version: 200 if version in trimmed_by else 404 for version in VERSIONS}


@pytest.mark.parametrize("status", ["1.0", "01", "+1", "1e0"])
async def test_a_text_that_is_a_number_is_a_state_until_version_12(
    client: Client, status: str
) -> None:
    statuses = []
    for version in VERSIONS:
        client.emulator.framework_version = version
        statuses.append((await client.call({**UPDATE, "UntStatus": status})).status)
    assert statuses == [200, 200, 422]
    assert client.emulator.unit("4711", "A-101").status == 1


async def test_true_is_the_first_state_to_every_version(client: Client) -> None:
    for version in VERSIONS:
        client.emulator.framework_version = version
        answer = await client.call({**UPDATE, "UntStatus": True})
        assert (answer.status, answer.json["UntStatus"]) == (200, True)
    assert client.emulator.unit("4711", "A-101").status == 1


async def test_a_path_that_is_no_utf_8_is_malformed_to_version_12(client: Client) -> None:
    path = PATH.replace("4711", "%ff")
    for version, expected in zip(
        VERSIONS,
        [
            (404, ""),
            (404, f"The route {path[1:]} could not be found."),
            (400, "Malformed URL."),
        ],
        strict=True,
    ):
        client.emulator.framework_version = version
        answer = await client.call(path=path)
        assert (answer.status, answer.json["message"]) == expected


async def test_a_method_override_that_is_no_word(client: Client) -> None:
    found = []
    for version in VERSIONS:
        client.emulator.framework_version = version
        answer = await client.call(headers={"X-HTTP-Method-Override": "F1"})
        found.append((answer.status, answer.json["message"]))
    assert found == [
        (404, "Bad hostname provided."),
        (404, "Bad hostname provided."),
        (400, "Bad request."),
    ]


async def test_a_401_uses_up_the_limit_of_version_12(client: Client) -> None:
    client.emulator.throttle(1)
    anonymous: dict[str, str | None] = {"Authorization": None}
    refused = await client.call(headers=anonymous)
    assert (refused.status, refused.headers["X-RateLimit-Remaining"]) == (401, "0")
    assert (await client.call(headers=anonymous)).status == 429
    client.emulator.framework_version = "10"
    client.emulator.throttle(1)
    refused = await client.call(headers=anonymous)
    assert (refused.status, "X-RateLimit-Limit" in refused.headers) == (401, False)
    assert (await client.call()).status == 200


TOKEN_FORM = {"grant_type": "client_credentials", "client_id": "4242", "client_secret": "s3cret"}


def multipart(**fields: str) -> dict[str, Any]:
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    # A file is no field.
    file = '--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\nx\r\n'
    nameless = "--b\r\n\r\nx\r\n"
    return {
        "data": (parts + file + nameless + "--b--\r\n").encode(),
        "headers": {"Content-Type": "multipart/form-data; boundary=b"},
    }


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"json": TOKEN_FORM}, 200),
        (multipart(**TOKEN_FORM), 200),
        ({"data": TOKEN_FORM}, 200),
        ({"data": {**TOKEN_FORM, "client_id": "04242"}}, 200),
        ({"data": {**TOKEN_FORM, "client_id": " 4242 "}}, 200),
        ({"json": {**TOKEN_FORM, "client_id": 4242}}, 200),
        ({"data": {**TOKEN_FORM, "client_secret": "s3cret  "}}, 200),
        ({"data": {**TOKEN_FORM, "client_secret": "s3cre"}}, 401),
        ({"data": {**TOKEN_FORM, "client_id": "x"}}, 401),
        ({"data": {**TOKEN_FORM, "client_id": "\u0664"}}, 401),
    ],
)
async def test_what_version_12_takes_for_a_token_request(sent: dict[str, Any], status: int) -> None:
    async with served(PropQEmulator(credentials=Credentials(4242, "s3cret"))) as client:
        answer = await client.send("POST", "/oauth/token", **sent)
        assert answer.status == status, answer.text
        # A slash at the end changes nothing.
        assert (await client.send("POST", "/oauth/token/", **sent)).status == status
        assert client.emulator.token_requests == 3


async def test_odd_token_requests_of_version_12() -> None:
    async with served(PropQEmulator(credentials=Credentials(4242, "s3cret"))) as client:
        wants_json = {"Accept": "application/json"}
        scope = await client.send("POST", "/oauth/token", data={**TOKEN_FORM, "scope": "foo"})
        assert (scope.status, scope.json["error"]) == (400, "invalid_scope")
        assert scope.json["hint"] == "Check the `foo` scope"
        array = {"grant_type": "client_credentials", "client_id[]": "4242"}
        answer = await client.send("POST", "/oauth/token", data=array, headers=wants_json)
        assert (answer.status, answer.json) == (500, {"message": "Server Error"})
        answer = await client.send("POST", "/oauth/token", data=array)
        assert (answer.status, "500 | Internal Server Error" in answer.text) == (500, True)
        headers = {**wants_json, "Content-Type": "application/json"}
        answer = await client.send("POST", "/oauth/token", data=b"{", headers=headers)
        assert (answer.status, answer.json) == (400, {"message": "Bad request."})
        answer = await client.send("POST", "/oauth/token", data=b"", headers=headers)
        assert (answer.status, answer.json["error"]) == (400, "unsupported_grant_type")


async def test_older_versions_take_a_form_only() -> None:
    emulator = PropQEmulator(credentials=Credentials(4242, "s3cret"), framework_version="10")
    async with served(emulator) as client:
        for sent in ({"json": TOKEN_FORM}, multipart(**TOKEN_FORM)):
            answer = await client.send("POST", "/oauth/token", **sent)
            assert (answer.status, answer.json["error"]) == (400, "unsupported_grant_type")
        assert (await client.send("POST", "/oauth/token", data=TOKEN_FORM)).status == 200


async def test_a_form_is_read_as_php_reads_it(client: Client) -> None:
    """The rest is compared with PHP itself, which is not on every machine."""
    many = "&".join(f"x{number}=1" for number in range(1000))
    deep = "UntName" + "[a]" * 65 + "=1"
    fields = "UntStatus=4&UntPrice=1&UntDirections[1]=N&UntDirections[]=S"
    for content, status in (
        (f"UntName=A-101&{fields}", 200),
        (f"&=x& =x&.=1&UntName=A-101&{fields}&UntName[=1&[=2&a.b=3&a[b]c=4&c=1&c[d]=2", 200),
        (f"{fields}&{deep}&UntName=A-101", 200),
        (f"{many}&UntName=A-101&{fields}", 422),
    ):
        answer = await client.call(content.encode(), headers={"Content-Type": FORM_TYPE})
        assert answer.status == status, content[:80]
    assert client.emulator.unit("4711", "A-101").directions == ("N", "S")


def test_the_older_name_of_the_switch_warns() -> None:
    with pytest.warns(DeprecationWarning, match='is now framework_version="8"'):
        emulator = PropQEmulator(validation_style="older")
    assert emulator.switches["framework_version"] == "8"
    with pytest.warns(DeprecationWarning, match='is now framework_version="12"') as warned:
        emulator.validation_style = "current"
    assert warned[0].filename == __file__
    assert emulator.switches["framework_version"] == "12"
    emulator.validation_style = None
    assert emulator.switches["framework_version"] == "12"
    assert "validation_style" not in emulator.switches
    emulator.reset()
    assert emulator.switches["framework_version"] == "8"
