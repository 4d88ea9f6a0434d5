"""A service with thousands of accounts: what a factory costs, and the pattern of the guide."""

from __future__ import annotations

import asyncio
import gc
import re
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from propq_async import AsyncPropQ, Credentials, MemoryTokenStore, PropQSession
from tests.helpers.pages import DOCS, block, execute
from tests.helpers.support import ScriptedServer, answer, until

# 6.6 KiB on Python 3.11.
MAX_BYTES = 7_500


def factories(count: int) -> list[AsyncPropQ]:
    tokens = MemoryTokenStore()
    return [
        AsyncPropQ(Credentials(client_id, lambda: "secret"), token_store=tokens)
        for client_id in range(1, count + 1)
    ]


def test_a_factory_takes_few_bytes() -> None:
    factories(2)  # what is imported and cached once
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        made = factories(500)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / len(made) < MAX_BYTES


async def test_an_entered_factory_has_no_task_and_no_socket() -> None:
    made = factories(500)
    tasks, descriptors = asyncio.all_tasks(), open_descriptors()
    for one in made:
        await one.__aenter__()
    assert (asyncio.all_tasks(), open_descriptors()) == (tasks, descriptors)
    for one in made:
        await one.__aexit__()
    assert (asyncio.all_tasks(), open_descriptors()) == (tasks, descriptors)


def open_descriptors() -> set[str]:
    return {one.name for one in Path("/proc/self/fd").iterdir() if one.exists()}


# --- the pattern of the guide ---------------------------------------------------------------------


class _Vendor:
    """A server with any number of clients: each gets a token with its id."""

    def __init__(self) -> None:
        self.tokens: Counter[int] = Counter()
        self.hold = asyncio.Event()
        self.hold.set()
        self.held = 0

    async def serve(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen = self.server.seen[-1]
        if seen.path == "/oauth/token":
            form = parse_qs(seen.body.decode())
            client_id = int(form["client_id"][0])
            assert form["client_secret"] == [f"secret-{client_id}"]
            self.tokens[client_id] += 1
            writer.write(answer(200, {"access_token": f"of-{client_id}", "expires_in": 3600}))
        else:
            if seen.path == "/v1/slow":
                self.held += 1
                await self.hold.wait()
            bearer = re.fullmatch(r"Bearer of-(\d+)", seen.headers["authorization"])
            assert bearer
            writer.write(answer(200, {"client": int(bearer[1])}))
        await writer.drain()

    server: ScriptedServer


async def _secret_of(client_id: int) -> str:
    return f"secret-{client_id}"


@pytest.fixture
def pattern() -> Any:
    page = DOCS / "how-to" / "many-accounts.md"
    return execute(block(page, "class Clients"), page)["Clients"]


async def _who(session: PropQSession, path: str = "/v1/quick") -> int:
    told: int = (await session.request("GET", path))["client"]
    return told


async def test_only_the_last_clients_stay_entered_and_none_is_mixed_up(
    pattern: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = _Vendor()
    async with ScriptedServer(vendor.serve) as vendor.server:
        monkeypatch.setenv("PROPQ_BASE_URL", vendor.server.url)
        async with pattern(_secret_of, most=3) as clients:

            async def call(client_id: int) -> None:
                async with clients.session(client_id) as session:
                    assert await _who(session) == client_id
                assert len(clients._entered) <= 3

            for client_id in (1, 2, 3, 1, 4):
                await call(client_id)
            assert list(clients._entered) == [3, 1, 4]
            await call(2)
            # Its token has outlived its factory.
            assert vendor.tokens == {1: 1, 2: 1, 3: 1, 4: 1}
            await asyncio.gather(*(call(number % 20 + 1) for number in range(200)))
            assert set(vendor.tokens.values()) == {1}
        assert clients._entered == {}
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_call_in_flight_ends_well_when_its_client_falls_out(
    pattern: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = _Vendor()
    async with ScriptedServer(vendor.serve) as vendor.server:
        monkeypatch.setenv("PROPQ_BASE_URL", vendor.server.url)
        async with pattern(_secret_of, most=1) as clients:

            async def call(client_id: int, path: str) -> int:
                async with clients.session(client_id) as session:
                    return await _who(session, path)

            vendor.hold.clear()
            slow = asyncio.create_task(call(1, "/v1/slow"))
            await until(lambda: vendor.held)
            assert await call(2, "/v1/quick") == 2
            assert list(clients._entered) == [2]
            # It comes back while its first factory still has a call in flight.
            assert await call(1, "/v1/quick") == 1
            vendor.hold.set()
            assert await slow == 1
            assert vendor.tokens == {1: 1, 2: 1}
