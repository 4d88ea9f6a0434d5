"""A token endpoint in a process of its own: it plays a script, and it alone counts the requests.

A plan is a script of its own with a count of its own, under a path of its own: what a peer still
sends after its case has ended is counted where it belongs. The last step of a script repeats.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import aiohttp
import attrs
from aiohttp import web

__all__ = ["Plan", "Step", "running"]


@attrs.frozen(kw_only=True)
class Step:
    """How one token request is answered."""

    status: int = 200
    delay_seconds: float = 0.0
    expires_in: int = 3600
    retry_after: str | None = None


@attrs.frozen
class Plan:
    """One script, as the client sees it."""

    url: str
    _control: str
    _session: aiohttp.ClientSession

    @classmethod
    async def make(cls, server: str, session: aiohttp.ClientSession, steps: Sequence[Step]) -> Plan:
        """Have the server play `steps`."""
        script = [attrs.asdict(step) for step in steps]
        async with session.post(f"{server}/plans", json=script) as response:
            name = await response.text()
            return cls(f"{server}/{name}", f"{server}/plans/{name}", session)

    async def arrivals(self, *, at_least: int = 0) -> list[float]:
        """Return when each token request arrived, on a clock of the server's.

        Waits until there are as many as `at_least`.
        """
        params = {"at_least": at_least}
        async with self._session.get(self._control, params=params) as response:
            arrivals: list[float] = await response.json()
            return arrivals

    async def requests(self) -> int:
        """Return how many token requests the server has seen."""
        return len(await self.arrivals())


@contextmanager
def running() -> Iterator[str]:
    """Run the server, and give its URL."""
    command = [sys.executable, "-m", "benchmarks.server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        # Leaving closes the server's stdin, which ends it; so does the death of this process.
        yield process.stdout.readline().decode().strip()


# --- in the server's process ------------------------------------------------------------------


@attrs.define
class _Played:
    script: list[Step]
    arrivals: list[float] = attrs.Factory(list)
    changed: asyncio.Condition = attrs.Factory(asyncio.Condition)


class _Server:
    def __init__(self) -> None:
        self._plans: dict[str, _Played] = {}

    @property
    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/plans", self._make)
        app.router.add_get("/plans/{name}", self._show)
        # Whatever follows the name: each library has its own idea of the rest of the path.
        app.router.add_post("/{name}{rest:(/.*)?}", self._issue)
        return app

    async def _make(self, request: web.Request) -> web.Response:
        name = f"plan-{len(self._plans)}"
        self._plans[name] = _Played([Step(**step) for step in await request.json()])
        return web.Response(text=name)

    async def _show(self, request: web.Request) -> web.Response:
        played = self._plans[request.match_info["name"]]
        at_least = int(request.query["at_least"])
        async with played.changed:
            await played.changed.wait_for(lambda: len(played.arrivals) >= at_least)
        return web.json_response(played.arrivals)

    async def _issue(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        played = self._plans[name]
        step = played.script[min(len(played.arrivals), len(played.script) - 1)]
        played.arrivals.append(time.monotonic())
        number = len(played.arrivals)
        async with played.changed:
            played.changed.notify_all()
        await asyncio.sleep(step.delay_seconds)
        headers = {} if step.retry_after is None else {"Retry-After": step.retry_after}
        return web.json_response(
            _body(step, f"{name}-token-{number}"), status=step.status, headers=headers
        )


def _body(step: Step, token: str) -> dict[str, Any]:
    if step.status == 200:
        return {"access_token": token, "token_type": "Bearer", "expires_in": step.expires_in}
    if step.status == 401:
        return {"error": "invalid_client", "error_description": "Client authentication failed"}
    return {"message": "Server Error"}


async def _serve() -> None:
    runner = web.AppRunner(_Server().app, access_log=None)
    await runner.setup()
    # Room for a thousand connections that come at once.
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=2048)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_serve())
