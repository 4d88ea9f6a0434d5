"""The emulator and a real Laravel answer alike: hundreds of requests, sent to both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import attrs
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from propq_async.testing import PropQEmulator, run_in_thread
from tests.helpers.emulator_client import FORM_TYPE, PATH, UPDATE
from tests.helpers.laravel import TOKEN, Laravel, Request, Response, laravel

HEADERS: Final = {
    "Authorization": f"Bearer {TOKEN}",
    "Accept": "application/json",
    "Content-Type": "application/json",
}
COMPARED: Final = (
    "Content-Type",
    "Allow",
    "Location",
    "Retry-After",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "Cache-Control",
)
FORM: Final = b"UntName=A-101&UntStatus=4&UntPrice=250000&UntDirections[]=N&UntDirections[]=S"
XHR: Final = {"X-Requested-With": "XMLHttpRequest"}

MAY_DIFFER: Final = {
    "an unknown method": "PHP's own server and aiohttp refuse it before the application",
    "a blank after an override": "aiohttp removes it from a header, and PHP's own server does not",
    "index.php": "the emulator has no front controller",
    "a page": "the emulator's pages have texts of their own, so only their type is compared",
}
"""What may differ between the two, and why. None of it is among the requests."""


def request(
    body: Any = UPDATE,
    method: str = "POST",
    target: str = PATH,
    **headers: str | None,
) -> Request:
    """Return a call. A header of `None` is left out; `_` stands for a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {**HEADERS, **named}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    pairs = [(name, value) for name, value in sent.items() if value is not None]
    return Request(method, target, pairs, content)


def changed(**fields: Any) -> Request:
    return request({**UPDATE, **fields})


def form(body: bytes, content_type: str = FORM_TYPE) -> Request:
    return request(body, Content_Type=content_type)


MULTIPART = b"".join(
    b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % field
    for field in (
        (b"UntName", b"A-101"),
        (b"UntStatus", b"4"),
        (b"UntPrice", b"1"),
        (b"UntDirections[]", b"N"),
    )
)


def requests_by_hand() -> Iterator[tuple[str, Request]]:
    for status in (
        0, 1, "1", " 8", True, False, 1.0, 1.5, "1.0", "01", "+1", "1e0", "0x1", None, "", [], [1],
        [1, 2], {"a": 1}, "sold", 16, -1,
    ):  # fmt: skip
        yield f"status {status!r}", changed(UntStatus=status)
    for price in (
        0, -1, 1.10, "250000", " +7 ", "1e3", ".5", "1.", "1e400", "9" * 400, 10**20, 1e22, "",
        None, True, False, [], [1], {"a": 1}, "1.234,5", "0x1A", "inf", "nan", "\uff11", "1_000",
    ):  # fmt: skip
        yield f"price {str(price)[:20]!r}", changed(UntPrice=price)
    for text in ("1e400", "9" * 400, "NaN", "Infinity", "01", "1.", "+1"):
        content = json.dumps(UPDATE).replace("250000", text).encode()
        yield f"price as number {text[:9]}", request(content)
    directions: Any
    for directions in (
        None, [], "N", ["N", 7, None, " ", []], {"a": "N"}, {"0": "N", "1": "S"},
        {"1": "N", "0": "S"}, {}, [["N"]], [{}], True, ["N", True], 0, "", [" N "], [[" "]],
    ):  # fmt: skip
        yield f"directions {directions!r}", changed(UntDirections=directions)
    for name in (
        None, "", " ", 101, True, [], {}, ["A-101"], {"a": 1}, "A-101 ", "\u00a0A-101",
        "\ufeffA-101", "\u00adA-101", "\u200cA-101", "\0A-101", "\x1fA-101", "\x85A-101",
        "\x0bA-101", "a-101", "B-1", "A-101/x", "Á-101", "<&>'\"",
    ):  # fmt: skip
        yield f"name {name!r}", changed(UntName=name)
    text = json.dumps(UPDATE)
    for content in (
        b"", b"{", b"[]", b"null", b"3", b'"UntName"', b"\xff", b"\xef\xbb\xbf" + text.encode(),
        json.dumps([UPDATE]).encode(), text.replace("A-101", "\\ud800").encode(),
        b'{"UntName":"A-101","UntName":"B"}', json.dumps(UPDATE, indent=1).encode(),
        b'{"":1}', b'{"a":' + b"[" * 400 + b"]" * 400 + b"}", b"[" * 600 + b"]" * 600, b"true",
    ):  # fmt: skip
        yield f"body {content[:30]!r}", request(content)
    for content_type in (
        None, "", "text/plain", FORM_TYPE, "Application/JSON", "application/json; charset=utf-8",
        "application/vnd.api+json", "text/json", "json", "multipart/form-data; boundary=x",
    ):  # fmt: skip
        yield f"content type {content_type!r}", request(Content_Type=content_type)
    yield from _forms()
    yield from _methods()
    yield from _paths()
    yield from _negotiation()
    for header in (
        None, "", "Bearer", "Bearer ", f"Bearer  {TOKEN}", f"bearer {TOKEN}", f"BEARER {TOKEN}",
        f"Bearer {TOKEN} ", f"Bearer {TOKEN},x", f"Basic {TOKEN}", TOKEN, f"Bearer\t{TOKEN}",
        f"Bearer {TOKEN}, Bearer x", f"x Bearer {TOKEN}", f"Bearer {TOKEN}x",
    ):  # fmt: skip
        yield f"authorization {header!r}", request(Authorization=header)


def _forms() -> Iterator[tuple[str, Request]]:
    for content in (
        FORM,
        FORM + b"&_method=PUT",
        b"UntName=A-101&UntStatus=4&UntPrice=250000&UntDirections[a]=N&UntDirections[0]=S",
        b"UntName=A%2D101+&UntStatus=4&UntPrice=1e2&UntDirections[x][y]=N",
        b"UntName=A-101&UntStatus=4&UntPrice=1&UntDirections=N",
        b"UntName=A-101;UntStatus=4",
        b"Unt.Name=1&UntName[=A&UntStatus]=3&[a]=1",
        b"UntName&UntStatus=&UntPrice",
        b"UntName=A-101&UntStatus=4&UntPrice=1&UntDirections[]=%FF",
        b"UntName=%00&UntStatus=4",
        b"UntName[]=a&UntName=A-101&UntStatus=4&UntPrice=1&UntDirections[]=N",
        b"UntDirections=N&UntDirections[]=S&UntName=A-101&UntStatus=4&UntPrice=1",
        b"UntName=A-101&UntStatus=4&UntPrice=1&UntDirections[5]=N&UntDirections[]=S",
        b" UntName=A-101&UntStatus=4&UntPrice=1&UntDirections[1]x=N",
        b"=a&&UntName=%41%2D101",
        b"Unt Name=1&Unt[a=1&Unt[a]b[c]=2&Unt[[d]]=3",
        b"UntName=A-101%00x&UntStatus%00y=4",
    ):
        yield f"form {content[-40:]!r}", form(content)
    yield "form with a charset", form(FORM, f"{FORM_TYPE}; charset=utf-8")
    yield "form in capitals", form(FORM, FORM_TYPE.title())
    yield "multipart", form(MULTIPART + b"--x--\r\n", "multipart/form-data; boundary=x")
    yield "multipart without an end", form(MULTIPART, "multipart/form-data; boundary=x")
    query = FORM.decode().replace("[", "%5B").replace("]", "%5D")
    yield "all in the query", request(b"", target=f"{PATH}?{query}")
    beside = f"{PATH}?UntPrice=5&UntDirections[]=N"
    yield "some in the query", request({"UntName": "A-101", "UntStatus": 4}, target=beside)
    yield "the body wins", request(target=beside + "&UntName=B")
    yield "a list beside a query", request(b"[1]", target=beside)
    yield "a string beside a query", request(b'"UntName"', target=beside)
    nested = {**UPDATE, "UntDirections": {"a": "N"}}
    yield "nested beside a query", request(nested, target=f"{PATH}?UntDirections[b]=S")
    yield "a null beside a query", request({**UPDATE, "UntPrice": None}, target=beside)
    yield "a query in a form", request(FORM, target=f"{PATH}?UntPrice=1", Content_Type=FORM_TYPE)
    yield "a question mark alone", request(target=PATH + "?")


def _methods() -> Iterator[tuple[str, Request]]:
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        for target in (PATH, "/nowhere", "/login", "/"):
            yield f"{method} {target}", request(b"", method, target)
    for method in ("PUT", "put", "GET", "HEAD", "OPTIONS", "foo", "F1", "", "POST"):
        yield f"override {method!r}", request(X_HTTP_Method_Override=method)
        yield f"_method {method!r}", changed(_method=method)
        yield f"_method in the query {method!r}", request(target=f"{PATH}?_method={method}")
    for value in (7, True, [], ["PUT"], {"a": "PUT"}, " PUT ", "DELETE ", None):
        yield f"_method {value!r}", changed(_method=value)
    yield "GET that means POST", request(method="GET", X_HTTP_Method_Override="POST")
    yield "login that means GET", request(target="/login", X_HTTP_Method_Override="GET")


def _paths() -> Iterator[tuple[str, Request]]:
    for target in (
        PATH + "/", PATH + "//", "/" + PATH, PATH + "/x", PATH.upper(), "/v1", "/", "/login/",
        "//", "/%", "/v1%2Fdevelopments/4711/units/update-by-name",
        PATH.replace("update-by-name", "update%2Dby-name"),
        *(
            PATH.replace("4711", part)
            for part in (
                "47%2F11", "%34711", "%ff", "%E9", "", ".", "%2e", "a%20b", "4712", "9", "%00",
                "a+b", "%C3%B1", "%25", "%3F", "%", "4711;x", "4711,",
            )
        ),
    ):  # fmt: skip
        yield f"path {target}", request(target=target)
        yield f"path {target} as a page", request(target=target, Accept="text/html")
        yield f"path {target} by GET", request(b"", "GET", target)


def _negotiation() -> Iterator[tuple[str, Request]]:
    for accept in (
        None, "", "*/*", "*", "text/html", "application/json, text/html", "Application/JSON",
        "text/html, application/json", "application/*", "text/html;q=0.5, application/json;q=0.9",
        "application/json;q=0", "text/html;q=wrong, application/json;level=1", "a/json",
        "application/vnd.api+json", "*/*, application/json", "text/*,*/*;q=0.5",
        "application/json;q=0.5,*/*;q=0.5", "application/json; q=1.5, text/html",
    ):  # fmt: skip
        for extra in ({}, XHR):
            name = f"accept {accept!r} {bool(extra)}"
            sent: dict[str, Any] = {"Accept": accept, **extra}
            yield f"{name} 401", request(**sent, Authorization="Bearer x")
            yield f"{name} 422", request({}, **sent)
            yield f"{name} 404", request({**UPDATE, "UntName": "no"}, **sent)
    anything = {"Accept": "*/*"}
    yield (
        "a script in small letters",
        request({}, **anything, **{"X-Requested-With": "xmlhttprequest"}),
    )
    yield "a script of pjax", request({}, **anything, **XHR, **{"X-PJAX": "true"})
    yield "a referer", request({}, Accept="text/html", Referer="http://crm.example/units")
    yield "a relative referer", request({}, Accept="text/html", Referer="/units")


BY_HAND: Final = dict(requests_by_hand())


@attrs.define
class Both:
    """The application and the emulator, with the same units."""

    app: Laravel
    emulator: PropQEmulator
    token: str

    def difference(self, request: Request) -> dict[str, tuple[Any, Any]]:
        """Send a request to both, and return what differs: by name, first Laravel's."""
        headers = [(name, value.replace(TOKEN, self.token)) for name, value in request.headers]
        real = request.send(self.app.host)
        ours = attrs.evolve(request, headers=headers).send(
            self.emulator.url.removeprefix("http://")
        )
        seen, expected = _facts(ours), _facts(real)
        return {
            name: (expected[name], seen[name]) for name in expected if expected[name] != seen[name]
        }


def _facts(response: Response) -> dict[str, Any]:
    facts: dict[str, Any] = {name: response.header(name) for name in COMPARED}
    facts["status"] = response.status
    facts["body"] = None
    if "json" in (facts["Content-Type"] or "") and response.body:
        facts["body"] = json.loads(response.body)
    return facts


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    emulator = PropQEmulator(framework_version="8", wrong_method_status=405)
    with laravel(tmp_path_factory.mktemp("laravel") / "home") as app, run_in_thread(emulator):
        for development_id in ("4711", ".", "a b", "9"):
            app.units[development_id] = {"A-101": 1}
            emulator.add_unit(development_id, "A-101")
        app.foreign.append("9")
        app.state()
        emulator.add_development("9", foreign=True)
        credentials = emulator.credentials
        fields = {
            "grant_type": "client_credentials",
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret,
        }
        body = "&".join(f"{name}={value}" for name, value in fields.items()).encode()
        asked = Request("POST", "/oauth/token", [("Content-Type", FORM_TYPE)], body)
        answer = json.loads(asked.send(emulator.url.removeprefix("http://")).body)
        yield Both(app, emulator, answer["access_token"])


def test_there_are_hundreds_of_requests() -> None:
    assert len(BY_HAND) >= 300


@pytest.mark.parametrize("name", BY_HAND)
def test_both_answer_alike(both: Both, name: str) -> None:
    assert both.difference(BY_HAND[name]) == {}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10**16) | st.sampled_from([1, 2, 4, 8, "4", ""])
    | st.floats(-1e9, 1e9) | st.text(st.characters(codec="utf-8"), max_size=6)
    | st.sampled_from([" N ", "A-101", "1e3", "0x1", "+.5", "\ufeff", "01"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["0", "1", "a", "b"]), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
FIELDS = ("UntName", "UntStatus", "UntPrice", "UntDirections")
BODIES = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, VALUES)).map(
    lambda fields: {**UPDATE, **fields}
)
PAIRS = st.lists(
    st.tuples(
        st.sampled_from([*FIELDS, "UntDirections[]", "UntDirections[a]", "Unt.Name", "_method"]),
        st.sampled_from(["A-101", "4", "1", "N", "", " ", "%41", "+", "PUT", "a=b", "%00"]),
    ).map("=".join),
    max_size=6,
).map("&".join)
ACCEPTED = st.sampled_from(["application/json", "*/*", "text/html", "text/html,a/json;q=0.9", None])
RANDOM = st.builds(
    lambda body, query, accept, ajax, path: request(
        body,
        target=f"{path}?{quote(query, safe='=&[]%+')}" if query else path,
        Accept=accept,
        **({"X-Requested-With": "XMLHttpRequest"} if ajax else {}),
    ),
    BODIES,
    PAIRS,
    ACCEPTED,
    st.booleans(),
    st.sampled_from([PATH, PATH, PATH + "/", "/v1/x"])
    | st.text("ab%/?.~ ", max_size=8).map(lambda text: PATH.replace("4711", quote(text, safe=""))),
) | st.builds(
    lambda pairs, accept: request(
        (FORM.decode() + "&" + pairs).encode(), Content_Type=FORM_TYPE, Accept=accept
    ),
    PAIRS,
    ACCEPTED,
)


def _compare(both: Both, cases: int) -> None:
    @settings(
        max_examples=cases,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(RANDOM)
    def compare(sent: Request) -> None:
        assert both.difference(sent) == {}, sent

    compare()


def test_random_requests_are_answered_alike(both: Both) -> None:
    _compare(both, 100)


@pytest.mark.campaign
def test_many_random_requests_are_answered_alike(both: Both) -> None:
    _compare(both, 600)


def test_a_planted_difference_is_found(both: Both) -> None:
    planted = BY_HAND["status '01'"]
    assert both.difference(planted) == {}
    both.emulator.framework_version = "12"
    try:
        found = both.difference(planted)
    finally:
        both.emulator.framework_version = "8"
    assert found["status"] == (200, 422)


def test_throttle_and_maintenance_answer_alike(both: Both) -> None:
    both.app.forget_calls()
    both.app.state(limit=2)
    both.emulator.throttle(2)
    try:
        for sent in (request(), changed(UntStatus=3), request(Authorization=None)):
            assert both.difference(sent) == {}
        for sent in (request(), request(Accept="text/html")):
            found = both.difference(sent)
            # A second may have passed between the two.
            assert found.keys() <= {"Retry-After"}, found
    finally:
        both.app.state()
        both.emulator.throttle(None)
    for retry_after in (None, 60):
        both.app.maintenance(retry_after=retry_after)
        both.emulator.maintenance(retry_after=retry_after)
        try:
            for sent in (request(), request(Accept="*/*"), request(b"", "GET", "/nowhere")):
                assert both.difference(sent) == {}
        finally:
            both.app.maintenance(on=False)
            both.emulator.maintenance(on=False)
