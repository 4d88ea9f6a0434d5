"""A real browser, steered through its DevTools protocol, which needs nothing but a web socket."""

from __future__ import annotations

import asyncio
import itertools
import re
import shutil
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse

FLAGS = (
    "--headless",
    "--no-sandbox",  # the tests run as root on some machines
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)


@attrs.define
class Tab:
    """One page."""

    _socket: ClientWebSocketResponse
    _numbers: itertools.count[int] = attrs.field(factory=itertools.count)
    events: list[dict[str, Any]] = attrs.field(factory=list)

    async def send(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json(timeout=60)
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    async def open(self, url: str) -> None:
        await self.send("Page.navigate", url=url)

    async def run(self, expression: str) -> Any:
        """Return what an expression of JavaScript yields."""
        told = await self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until an expression is true, or a page is there to ask."""
        async with asyncio.timeout(60):
            while not await self.run(expression):  # noqa: ASYNC110 - the page sends no events
                await asyncio.sleep(0.02)

    async def click(self, selector: str) -> None:
        """Click where a person would, in the middle of the element."""
        place = await self.run(
            f"""(() => {{
                const found = document.querySelector({selector!r});
                found.scrollIntoView({{block: "center", behavior: "instant"}});
                const box = found.getBoundingClientRect();
                return {{x: box.x + box.width / 2, y: box.y + box.height / 2}};
            }})()"""
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.send(
                "Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place
            )

    async def type(self, selector: str, text: str) -> None:
        await self.click(selector)
        await self.send("Input.insertText", text=text)

    def errors(self) -> list[Any]:
        """Return what the page complained about, but for answers of the server."""
        return [
            event
            for event in self.events
            if event["method"] == "Runtime.exceptionThrown"
            or (
                event["method"] == "Log.entryAdded"
                and event["params"]["entry"]["source"] != "network"
            )
        ]


@contextmanager
def browser(profile: Path) -> Iterator[str]:
    """Run Chromium while the block runs, and yield the address at which it takes orders."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    command = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                if found := re.search(r"ws://([\w.:]+)/devtools/browser/", line):
                    # So that it never waits for somebody to read on.
                    threading.Thread(target=process.stderr.read, daemon=True).start()
                    yield f"http://{found[1]}"
                    break
            else:
                pytest.fail("chromium ended before it took orders")
        finally:
            process.terminate()
            process.wait(30)


@asynccontextmanager
async def new_tab(address: str) -> AsyncIterator[Tab]:
    """Open a tab while the block runs."""
    async with ClientSession() as session:
        async with session.put(f"{address}/json/new?about:blank") as answer:
            opened = await answer.json()
        async with session.ws_connect(opened["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            tab = Tab(socket)
            for domain in ("Page", "Runtime", "Log", "Network"):
                await tab.send(f"{domain}.enable")
            yield tab
        async with session.get(f"{address}/json/close/{opened['id']}"):
            pass
