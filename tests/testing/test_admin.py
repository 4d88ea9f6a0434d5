from __future__ import annotations

import io
import json
import re
from importlib import resources
from typing import Any

import pytest
from aiohttp import ServerDisconnectedError

from propq_async.testing._admin import is_own_origin
from tests.helpers.emulator_client import PATH, UPDATE, Client, FakeClock, port


async def test_another_process_can_control_it(client: Client, clock: FakeClock) -> None:
    async def state() -> Any:
        told = (await client.send("GET", "/_emulator/state")).json
        return {name: told[name] for name in ("token_requests", "calls", "applied", "units")}

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
        (
            "throttle",
            b'{"calls": 0}',
            "throttle: calls must be an integer from 1 to 1,000,000,000, not 0",
        ),
        (
            "throttle",
            b'{"call": 1}',
            "throttle: unknown argument 'call'; it takes calls, per_seconds",
        ),
        ("set", b'{"latency": 1}', "set: unknown argument 'latency'; it takes latency_seconds, "),
        (
            "set",
            b'{"latency_seconds": 3600, "unknown_status": 1}',
            "set: unknown_status must be one of 404, 400, 422, not 1",
        ),
        ("add_unit", b'{"name": "A-1"}', "add_unit: the argument 'development_id' is missing"),
        (
            "add_unit",
            b'{"development_id": "4711", "name": "A-1", "status": []}',
            "add_unit: status must be one of 1, 2, 4, 8, not []",
        ),
        ("fail_next", b'{"status": 500, "match": "x"}', "fail_next: match must be fields of the"),
        ("reset", b'{"a": 1}', "reset: unknown argument 'a'; it takes no arguments"),
        (
            "fail_next",
            b'{"status": 99}',
            "fail_next: status must be an integer from 200 to 599, not 99",
        ),
    ],
)
async def test_wrong_arguments_are_explained(
    client: Client, name: str, body: bytes, message: str
) -> None:
    headers = {"Content-Type": "application/json"}
    reply = await client.send("POST", f"/_emulator/{name}", data=body, headers=headers)
    assert reply.status == 400
    assert reply.json["message"].startswith(message)
    assert (await client.call()).status == 200


async def test_the_admin_path_has_its_own_manners(client: Client) -> None:
    unknown = await client.admin("explode")
    assert unknown.status == 404
    assert unknown.json["message"].startswith("There is only state, units, requests, changes, ")
    for method, name, allowed in (("GET", "reset", "POST"), ("POST", "state", "GET")):
        reply = await client.send(method, f"/_emulator/{name}")
        assert (reply.status, reply.headers["Allow"]) == (405, allowed)
        assert reply.json == {"message": f"{name} takes {allowed}, not {method}."}
    bare = {"skip_auto_headers": ["Content-Type"]}
    assert (await client.send("POST", "/_emulator/revoke_tokens", **bare)).status == 200
    assert (await client.call()).status == 401
    await client.log_in()
    form = await client.send("POST", "/_emulator/reset", data=b"{}", **bare)
    assert form.status == 415
    assert (
        await client.send("POST", "/_emulator/set", data=io.BytesIO(bytes(2**20 + 1)))
    ).status == 413
    form = await client.send("POST", "/_emulator/reset", data={"a": "b"})
    assert (form.status, form.json) == (
        415,
        {"message": "The Content-Type must be application/json."},
    )
    assert (await client.call()).status == 200


async def test_a_page_of_another_origin_cannot_control_it(client: Client) -> None:
    url, number = client.emulator.url, port(client.emulator)
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": url.replace("http", "https")},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": url},
        # A name of theirs that resolves to loopback.
        {"Host": f"evil.example:{number}", "Origin": f"http://evil.example:{number}"},
        {"Host": f"evil.example:{number}"},
    ):
        assert (await client.admin("reset", headers=headers)).status == 403
        assert (await client.send("GET", "/_emulator/state", headers=headers)).status == 403
    assert (await client.call()).status == 200
    for headers in (
        {"Origin": url},
        {"Origin": url, "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Host": f"LOCALHOST:{number}"},
        {"Host": f"localhost:{number}", "Origin": f"http://localhost:{number}"},
    ):
        assert (await client.admin("reset", headers=headers)).status == 200


def test_the_port_that_browsers_leave_out() -> None:
    url = "http://127.0.0.1:80"
    for host in ("127.0.0.1:80", "127.0.0.1", "localhost"):
        assert is_own_origin(url, {"Host": host, "Origin": f"http://{host}"})
    assert not is_own_origin(url, {"Host": "evil.example"})
    assert not is_own_origin("http://127.0.0.1:8080", {"Host": "127.0.0.1"})


async def test_all_controls_work_from_outside(client: Client) -> None:
    emulator = client.emulator
    for name, arguments in {
        "add_development": {"development_id": "9", "foreign": True},
        "add_unit": {"development_id": "9", "name": "B-1", "status": 8, "price": 1.5},
        "throttle_tokens": {"calls": 5},
        "throttle": {"calls": 7, "per_seconds": 2},
        "maintenance": {"retry_after": 3},
        "set": {"latency_seconds": 0.01, "known_directions": ["N"], "unknown_status": 422},
    }.items():
        assert (await client.admin(name, arguments)).json == {}
    fault = {"status": 500, "times": 3, "match": {"UntName": "A-101"}}
    await client.admin("fail_next", fault)
    state = (await client.send("GET", "/_emulator/state")).json
    assert state.pop("switches") == json.loads(json.dumps(emulator.switches))
    assert emulator.switches["unknown_status"] == 422
    assert emulator.known_directions == ("N",)
    assert state == {
        "token_requests": 1,
        "calls": 0,
        "applied": 0,
        "units": 2,
        "faults": 3,
        "throttle": {"calls": 7, "per_seconds": 2},
        "throttle_tokens": {"calls": 5, "per_seconds": 60.0},
        "maintenance": True,
    }
    assert (await client.admin("set", {"token_lifetime_seconds": 0})).status == 400
    await client.admin("maintenance", {"on": False})
    assert (await client.call(path=PATH.replace("4711", "9"))).status == 500
    assert (await client.admin("reset")).status == 200
    assert emulator.latency_seconds == 0


async def test_units_and_requests_can_be_read(client: Client, clock: FakeClock) -> None:
    await client.call()
    unit = {
        "development_id": "4711",
        "name": "A-101",
        "status": 4,
        "price": 250_000,
        "directions": ["N", "S"],
        "updates": 1,
        "before": {"status": 1, "price": 100_000},
    }
    assert (await client.send("GET", "/_emulator/units")).json == [unit]
    token = {"method": "POST", "path": "/oauth/token", "status": 200, "body": None}
    call = {"method": "POST", "path": PATH, "status": 200, "body": UPDATE}
    assert (await client.send("GET", "/_emulator/requests")).json == [
        {"number": 1, "timestamp": clock.now, **token},
        {"number": 2, "timestamp": clock.now, **call},
    ]


async def test_a_body_of_any_depth_can_be_read(client: Client) -> None:
    body = b"[" * 512 + b"]" * 512
    await client.call(body)
    told = (await client.send("GET", "/_emulator/requests")).json
    assert told[-1]["body"] == json.loads(body)


async def test_what_is_new_can_be_asked_for(client: Client) -> None:
    async def changes(**now: Any) -> Any:
        query = "&".join(f"{name}={value}" for name, value in now.items())
        return (await client.send("GET", f"/_emulator/changes?{query}")).json

    first = await changes()
    assert first["whole"]
    assert ([unit["name"] for unit in first["units"]], len(first["requests"])) == (["A-101"], 1)
    again = await changes(**first["now"])
    assert (again["whole"], again["units"], again["requests"]) == (False, [], [])
    assert again["now"] == first["now"]

    client.emulator.add_unit("4711", "A-102")
    await client.call()
    await client.call({})
    news = await changes(**first["now"])
    assert [(unit["name"], unit["status"]) for unit in news["units"]] == [
        ("A-101", 4),
        ("A-102", 1),
    ]
    assert [request["status"] for request in news["requests"]] == [200, 422]

    client.emulator.reset()
    client.emulator.add_unit("4711", "A-103")
    news = await changes(**news["now"])
    assert (news["whole"], len(news["units"]), news["requests"]) == (True, 1, [])
    for query in ("units=x", "units=-1", "since=1"):
        reply = await client.send("GET", f"/_emulator/changes?{query}")
        assert reply.status == 400
        assert "expected run, units, requests, not" in reply.json["message"]


async def test_only_the_latest_requests_can_be_read(client: Client) -> None:
    for _ in range(1005):
        await client.send("GET", "/x")
    told = (await client.send("GET", "/_emulator/requests")).json
    assert [told[0]["number"], told[-1]["number"], len(told)] == [7, 1006, 1000]


async def test_the_page_and_the_description_are_no_calls(client: Client) -> None:
    emulator = client.emulator
    emulator.latency_seconds = 3600
    emulator.maintenance()
    emulator.fail_next(500)
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path, headers in (("/", browser), ("/openapi.json", {})):
        reply = await client.send("GET", path, headers=headers)
        assert reply.status == 200
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert (await client.send("HEAD", "/openapi.json")).status == 200
    assert (emulator.calls, len(emulator.requests)) == (0, 1)
    emulator.maintenance(on=False)
    emulator.latency_seconds = 0
    # Whoever follows a redirect gets the home page of the server, and is seen.
    assert (await client.send("GET", "/")).status == 500
    assert "emulator" not in (await client.send("GET", "/")).text
    assert (await client.send("POST", "/", headers=browser)).status == 419
    assert (await client.send("POST", "/openapi.json")).status == 404
    assert emulator.calls == 4


async def test_the_page_is_self_contained_and_runs_only_its_script(client: Client) -> None:
    reply = await client.send("GET", "/", headers={"Accept": "text/html"})
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "//" not in policy
    assert not re.findall(r"(?:https?:)?//[\w.]+\.\w", reply.text.partition("<script>")[0])
    assert "innerHTML" not in reply.text
    assert len(reply.text) < 20_000


async def test_the_description_leads_to_the_emulator(client: Client) -> None:
    told = (await client.send("GET", "/openapi.json")).json
    assert told["servers"] == [{"url": client.emulator.url}]
    file = json.loads(resources.files("propq_async.testing").joinpath("openapi.json").read_text())
    assert file["servers"] == [{"url": "https://api.propq.com"}]
    assert {**told, "servers": 0} == {**file, "servers": 0}
