"""The page, in a real browser."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import ServerDisconnectedError, web
from aiohttp.test_utils import TestServer

from propq_async.testing import PropQEmulator, UnitValues
from tests.helpers.browser import Tab, browser, new_tab
from tests.helpers.emulator_client import PATH, UPDATE, Client

FIRST_ROW = "(document.querySelector('#units tr')?.innerText ?? '')"
LAST_CALL = "(document.querySelector('#requests tr')?.innerText ?? '')"
LOOK = "look()"  # now, and not when it is time for it
NEWS = "document.getElementById('news').textContent"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with browser(tmp_path_factory.mktemp("profile")) as address:
        yield address


@pytest.fixture
async def tab(client: Client, chromium: str) -> AsyncIterator[Tab]:
    async with new_tab(chromium) as page:
        await page.open(client.emulator.url + "/")
        await page.until(f"{FIRST_ROW}.includes('A-101')")
        yield page


def button(text: str) -> str:
    """Return an expression that presses the button with this text."""
    return (
        "[...document.querySelectorAll('button')]"
        f".find(found => found.textContent === {json.dumps(text)}).click()"
    )


async def test_it_shows_what_happens_and_makes_things_go_wrong(tab: Tab, client: Client) -> None:
    emulator = client.emulator
    assert "AVAILABLE" in await tab.run(FIRST_ROW)
    assert await tab.run("document.getElementById('url').textContent") == emulator.url

    # A change is seen without a click.
    await client.call()
    await tab.until(f"{FIRST_ROW}.includes('SOLD')")
    row = await tab.run(FIRST_ROW)
    assert "250,000" in row
    assert "was 100,000" in row
    assert "was AVAILABLE" in row
    assert (await tab.run(LAST_CALL)).split()[1:4] == ["200", "POST", PATH]
    assert await tab.run("document.getElementById('applied').textContent") == "1"

    # The faults, by real clicks.
    await tab.click('[data-with=\'{"status": 503, "retry_after": 5}\']')
    await tab.until(f"{NEWS} === '1 fault is waiting for a request.'")
    reply = await client.call()
    assert (reply.status, reply.headers["Retry-After"]) == (503, "5")
    await tab.until(f"{LAST_CALL}.includes('503')")
    await tab.click("[data-do=revoke_tokens]")
    await tab.until(f"{NEWS} === 'All tokens are revoked.'")
    assert (await client.call()).status == 401
    await client.log_in()

    await tab.click("#throttle button:nth-child(2)")
    await tab.until("document.querySelector('#throttle [aria-pressed=true]').innerText[0] === '6'")
    assert (await client.call()).headers["X-RateLimit-Limit"] == "60"
    shown = "document.getElementById('rate').textContent"
    pressed = "document.querySelectorAll('#throttle [aria-pressed=true]').length"
    assert await tab.run(shown) == ""
    emulator.throttle(60, per_seconds=1)
    await tab.until(f"{shown} === '60 in 1 s'")
    assert await tab.run(pressed) == 0
    emulator.throttle(None)
    await tab.until(f"{pressed} === 1 && {shown} === ''")
    await tab.click("#latency button:nth-child(2)")
    await tab.until("document.querySelector('#latency [aria-pressed=true]').innerText[0] === '0'")
    assert emulator.latency_seconds == 0.3
    await tab.click("#latency button:nth-child(1)")
    await tab.until("document.querySelector('#latency [aria-pressed=true]').innerText === 'none'")

    await tab.click("#maintenance")
    await tab.until("document.getElementById('maintenance').ariaPressed === 'true'")
    assert (await client.call()).status == 503
    await tab.click("#maintenance")
    await tab.until("document.getElementById('maintenance').ariaPressed === 'false'")
    assert (await client.call()).status == 200
    assert tab.errors() == []


async def test_each_button_does_what_it_says(tab: Tab, client: Client) -> None:
    for text, expected in {
        "500": 500,
        "503": 503,
        "429, retry after 5 s": 429,
        "502 page": 502,
        "302 to login": 302,
        "200 with an error": 200,
    }.items():
        await tab.run(button(text))
        await tab.until(f"{NEWS}.startsWith('1 fault')")
        reply = await client.call()
        assert reply.status == expected
        assert client.emulator.applied == 0
        await tab.run(LOOK)
        await tab.until(f"{NEWS} === ''")
    for text, applied in {"drop it": 0, "apply it, drop the answer": 1}.items():
        await tab.run(button(text))
        await tab.until(f"{NEWS}.startsWith('1 fault')")
        with pytest.raises(ServerDisconnectedError):
            await client.call()
        assert client.emulator.applied == applied
        await tab.run(LOOK)
        await tab.until(f"{NEWS} === '' && {LAST_CALL}.includes('dropped')")
    await tab.run(button("next token request: 500"))
    await tab.until(f"{NEWS}.startsWith('1 fault')")
    assert (await client.ask_for_token()).text == "Error."
    await tab.run(button("expire all"))
    await tab.until(f"{NEWS} === 'All tokens have expired.'")
    await tab.run(button("5 a second"))
    await tab.until("document.querySelector('#throttle [aria-pressed=true]').innerText[0] === '5'")
    assert (await client.call()).status == 401
    await tab.run("window.confirm = () => false; " + button("reset everything"))
    assert client.emulator.units
    await tab.run("window.confirm = () => true; " + button("reset everything"))
    await tab.until(
        "document.getElementById('units-note').textContent.startsWith('There are none')"
    )
    assert not client.emulator.units
    assert await tab.run(LAST_CALL) == ""
    assert tab.errors() == []


async def test_units_are_added_found_and_shown_as_text(tab: Tab, client: Client) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\">"
    await tab.type("#add-development", "4712")
    await tab.type("#add-name", evil)
    await tab.click("#add button")
    await tab.until("document.querySelectorAll('#units tr').length === 2")
    assert client.emulator.unit("4712", evil).history == (UnitValues(1, 100_000, ("N",)),)
    await client.call({**UPDATE, "UntName": evil}, path=PATH.replace("4711", "4712"))
    await client.call(path="/v1/<img%20src=x>")
    await tab.until("document.querySelectorAll('#requests tr').length === 3")
    assert await tab.run("document.querySelectorAll('img').length") == 0
    assert await tab.run("document.title") == "PropQ emulator"

    # What the server refuses is said, and stays long enough to be read.
    await tab.type("#add-name", " ")
    await tab.click("#add button")
    await tab.until(f"{NEWS}.includes('must not begin or end with white space')")

    for number in range(300):
        client.emulator.add_unit("9", f"U-{number:03}")
    await tab.until("document.getElementById('units-count').textContent === '302'")
    assert await tab.run("document.querySelectorAll('#units tr').length") == 200
    client.emulator.add_unit("4711", "A-101", status=8)
    await tab.until(f"{FIRST_ROW}.includes('RESERVED')")
    await tab.type("#filter", "u-29")
    await tab.until("document.querySelectorAll('#units tr').length === 10")
    await tab.run("document.getElementById('filter').value = ''")
    await tab.type("#filter", "nothing like it")
    await tab.until("document.getElementById('units-note').textContent === 'No unit matches.'")
    assert tab.errors() == []


async def test_the_page_notices_a_stop_and_follows_a_new_emulator(tab: Tab, client: Client) -> None:
    number = client.emulator._listener.port
    await client.emulator.close()
    await tab.until(f"{NEWS}.startsWith('The emulator does not answer')")
    async with PropQEmulator(port=number) as another:
        another.add_unit("4711", "B-7")
        await tab.until(f"{FIRST_ROW}.includes('B-7') && {NEWS} === ''")
        assert await tab.run("document.querySelectorAll('#units tr').length") == 1


async def test_it_loads_nothing_from_elsewhere(tab: Tab, client: Client) -> None:
    await tab.until(f"{NEWS} === ''")
    urls = [
        event["params"]["request"]["url"]
        for event in tab.events
        if event["method"] == "Network.requestWillBeSent"
    ]
    own = (client.emulator.url, "data:,")
    assert urls
    assert [url for url in urls if not url.startswith(own)] == []
    assert client.emulator.calls == 0, "the page's own requests are no calls"


async def test_it_can_be_read_in_light_and_dark_wide_and_narrow(tab: Tab, client: Client) -> None:
    await client.call()
    await tab.until(f"{FIRST_ROW}.includes('SOLD')")
    for width, scheme in itertools.product((1280, 400), ("light", "dark")):
        await tab.send(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=900, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await tab.send("Emulation.setEmulatedMedia", features=features)
        ground, ink = await tab.run(
            "(({backgroundColor, color}) => [backgroundColor, color].map("
            "text => text.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0)"
            "))(getComputedStyle(document.body))"
        )
        assert abs(ground - ink) > 500
        assert (ground > ink) == (scheme == "light")
        # Nothing is wider than the window.
        assert await tab.run("document.documentElement.scrollWidth <= innerWidth")


async def test_another_site_cannot_control_it_from_a_browser(tab: Tab, client: Client) -> None:
    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<title>elsewhere</title>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    url = client.emulator.url
    async with TestServer(app) as elsewhere:
        await tab.open(str(elsewhere.make_url("/")))
        await tab.until("document.title === 'elsewhere'")
        for options in (
            "{method: 'POST', mode: 'no-cors', body: '{}'}",
            "{method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{}'}",
            "{method: 'GET'}",
        ):
            for name in ("reset", "changes"):
                got = await tab.run(
                    f"fetch('{url}/_emulator/{name}', {options})"
                    ".then(answer => answer.text(), () => '')"
                )
                assert got == ""
        # Nor can it be shown in a frame, where a click could be caught.
        await tab.run(
            "new Promise(done => { const frame = document.createElement('iframe');"
            f"frame.onload = () => done(true); frame.src = '{url}/';"
            "document.body.append(frame) })"
        )
        assert await tab.run("frames[0].length") == 0
        refused = [str(event) for event in tab.errors() if "frame-ancestors" in str(event)]
        assert refused
    assert client.emulator.units
    assert client.emulator.calls == 0
