from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qsl

import pytest

from propq_async.credentials import Credentials
from propq_async.testing import PropQEmulator
from tests.helpers.emulator_client import FORM, FORM_TYPE, Answer, Client, FakeClock, served


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
    emulator = PropQEmulator(credentials=Credentials(1, "x"), framework_version="10")
    async with served(emulator) as client:
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


STYLES = [("message", {"message"}), ("both", {"message", "error_description"})]
STYLES += [("description", {"error_description"})]


@pytest.mark.parametrize(("style", "names"), STYLES)
async def test_errors_come_in_three_dialects(client: Client, style: Any, names: set[str]) -> None:
    client.emulator.token_error_style = style
    for reply, error, more in (
        (await client.ask_for_token(client_secret="x"), "invalid_client", set()),
        (await client.ask_for_token(client_id=None), "invalid_request", {"hint"}),
        (await client.ask_for_token(grant_type="password"), "unsupported_grant_type", {"hint"}),
    ):
        assert reply.json["error"] == error
        assert set(reply.json) == {"error", *names, *more}
        assert all(len(text) > 5 for text in reply.json.values())


async def test_a_lifetime_is_sent_as_the_number_that_it_is(client: Client) -> None:
    for lifetime, sent in ((7200.0, '"expires_in":7200,'), (0.5, '"expires_in":0.5,')):
        client.emulator.token_lifetime_seconds = lifetime
        assert sent in (await client.ask_for_token()).text


async def test_credentials_may_come_as_http_basic(client: Client) -> None:
    def basic(text: str) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}

    async def ask(headers: dict[str, str], **form: str) -> Answer:
        data = {"grant_type": "client_credentials", **form}
        return await client.send("POST", "/oauth/token", data=data, headers=headers)

    secret = client.emulator.credentials.client_secret
    assert (await ask(basic(f"1:{secret}"))).status == 200
    assert (await ask(basic("1:wrong"), client_id="1", client_secret=secret)).status == 200
    wrong = await ask(basic("1:wrong"))
    assert (wrong.status, wrong.headers["WWW-Authenticate"]) == (401, 'Basic realm="OAuth"')
    for headers in (basic("1"), {"Authorization": "Basic %"}, {"Authorization": "Bearer x"}):
        assert (await ask(headers)).json["error"] == "invalid_request"


async def test_the_token_endpoint_may_be_throttled(client: Client, clock: FakeClock) -> None:
    client.emulator.throttle_tokens(2, per_seconds=30)
    assert (await client.ask_for_token()).headers["X-RateLimit-Remaining"] == "1"
    assert (await client.ask_for_token(client_secret="x")).headers["X-RateLimit-Remaining"] == "0"
    refused = await client.send("POST", "/oauth/token", headers={"Accept": "application/json"})
    assert (refused.status, refused.json) == (429, {"message": "Too Many Attempts."})
    assert refused.headers["Retry-After"] == "30"
    assert refused.headers["X-RateLimit-Reset"] == str(int(clock.now) + 30)
    assert (await client.call()).status == 200
    clock.now += 30
    assert (await client.ask_for_token()).status == 200
    client.emulator.throttle_tokens()
    assert (await client.ask_for_token()).headers["X-RateLimit-Limit"] == "60"
    client.emulator.throttle_tokens(None)
    # Passport states its throttle at any time, and the emulator has none until it is asked for.
    free = (await client.ask_for_token()).headers
    assert (free["X-RateLimit-Limit"], free["X-RateLimit-Remaining"]) == ("60", "59")
    client.emulator.framework_version = "10"
    assert "X-RateLimit-Limit" not in (await client.ask_for_token()).headers
    with pytest.raises(ValueError, match="calls must be"):
        client.emulator.throttle_tokens(0)


async def test_a_failure_of_the_token_endpoint_is_no_json(client: Client) -> None:
    client.emulator.fail_next(500, path="/oauth/token")
    reply = await client.ask_for_token()
    assert (reply.status, reply.text) == (500, "Error.")
