"""The programs of the tutorials do what the tutorials say."""

from __future__ import annotations

import asyncio
import re
import shlex
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn
from aiohttp.test_utils import TestClient, TestServer

from propq_async.testing import PropQEmulator
from tests.helpers.pages import DOCS, block, execute

pytest_plugins = "pytester"

TUTORIALS = DOCS / "tutorials"


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """Serve an ASGI application on a free port, as uvicorn does in production."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


async def test_a_service_with_aiohttp(emulator: PropQEmulator) -> None:
    make_app = execute(block(TUTORIALS / "service.md", "cleanup_ctx"), TUTORIALS)["make_app"]
    async with TestClient(TestServer(make_app())) as client:
        async with client.post("/sell/4711/A-101?price=260000&direction=N&direction=S") as response:
            assert (response.status, await response.json()) == (200, {"sold": "A-101"})
        async with client.post("/sell/4711/A-999?price=260000&direction=N&direction=S") as response:
            assert response.status == 404
            assert "must match exactly" in (await response.json())["error"]
        async with client.post("/sell/4711/A-101?price=-1&direction=N&direction=S") as response:
            assert response.status == 400
            assert "price: must be above zero" in (await response.json())["error"]
        async with client.post("/sell/4711/A-101?direction=N") as response:
            assert (response.status, await response.json()) == (
                400,
                {"error": "the price is missing"},
            )
        emulator.fail_next(400)
        async with client.post("/sell/4711/A-101?price=260000&direction=N") as response:
            assert response.status == 502
        emulator.fail_next(429, retry_after=100)
        async with client.post("/sell/4711/A-101?price=260000&direction=N&direction=S") as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "100")
    sold = emulator.unit("4711", "A-101")
    assert (sold.price, [*sold.directions]) == (260_000, ["N", "S"])
    assert emulator.token_requests == 1


async def test_the_service_runs_as_the_page_says(emulator: PropQEmulator) -> None:
    page = TUTORIALS / "service.md"
    # Somebody else may have the port of the page.
    code = block(page, "cleanup_ctx").replace("port=8080", "port=0")
    service = await asyncio.create_subprocess_exec(
        sys.executable, "-u", "-c", code, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert service.stdout is not None
        announced = (await service.stdout.readline()).decode()
        (url,) = re.findall(r"http://[\d.]+:\d+", announced)
        curl, option, method, target = shlex.split(block(page, "curl", "bash"))
        assert (curl, option) == ("curl", "-X")
        async with aiohttp.request(method, target.replace("http://127.0.0.1:8080", url)) as answer:
            said = await answer.text()
        assert f"It answers `{said}`" in page.read_text(encoding="utf-8")
        assert emulator.unit("4711", "A-101").price == 260_000
    finally:
        service.terminate()
        await service.communicate()


async def test_a_service_with_fastapi(emulator: PropQEmulator) -> None:
    app = execute(block(TUTORIALS / "service.md", "FastAPI("), TUTORIALS)["app"]
    async with served(app) as url, aiohttp.ClientSession(url) as client:
        async with client.post("/sell/4711/A-101?price=260000&direction=N&direction=S") as response:
            assert (response.status, await response.json()) == (200, {"sold": "A-101"})
        async with client.post("/sell/4711/A-999?price=260000&direction=N&direction=S") as response:
            assert response.status == 404
            assert "must match exactly" in (await response.json())["detail"]
        async with client.post("/sell/4711/A-101?price=-1&direction=N&direction=S") as response:
            assert response.status == 400
        async with client.post("/sell/4711/A-101?price=260000") as response:
            assert response.status == 422
        emulator.fail_next(500, times=5)
        async with client.post("/sell/4711/A-101?price=270000&direction=N&direction=S") as response:
            assert (response.status, "Retry-After" in response.headers) == (503, False)
        emulator.fail_next(429, retry_after=100)
        async with client.post("/sell/4711/A-101?price=270000&direction=N&direction=S") as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "100")
    sold = emulator.unit("4711", "A-101")
    assert (sold.price, [*sold.directions]) == (260_000, ["N", "S"])
    assert emulator.token_requests == 1


# What many write: a token that is fetched once, and a call with it.
NAIVE = """
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest


@pytest.fixture
def propq(propq_emulator):
    url, credentials = propq_emulator.url, propq_emulator.credentials
    form = {"grant_type": "client_credentials", "client_id": credentials.client_id}
    form["client_secret"] = credentials.client_secret
    headers = {"Accept": "application/json"}

    async def get_token():
        if "Authorization" not in headers:
            async with aiohttp.ClientSession(raise_for_status=True) as http:
                async with http.post(url + "/oauth/token", data=form) as answer:
                    headers["Authorization"] = "Bearer " + (await answer.json())["access_token"]

    async def update(update):
        await get_token()
        path = f"/v1/developments/{update.development_id}/units/update-by-name"
        body = {"UntName": update.name, "UntStatus": update.status, "UntPrice": update.price}
        body["UntDirections"] = update.directions
        async with aiohttp.ClientSession(raise_for_status=True, headers=headers) as http:
            async with http.post(url + path, json=body) as answer:
                return await answer.json()

    @asynccontextmanager
    async def session():
        yield SimpleNamespace(units=SimpleNamespace(update=update))

    return SimpleNamespace(tokens=SimpleNamespace(get_token=get_token), session=session)
"""


@pytest.mark.parametrize("recovers", [True, False])
def test_the_test_of_the_page_can_fail(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, *, recovers: bool
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(block(TUTORIALS / "testing.md", "propq: AsyncPropQ, propq_emulator"))
    if not recovers:
        pytester.makeconftest(NAIVE)
    options = ("pytest_asyncio.plugin", "propq_async.testing.plugin", "no:cacheprovider")
    result = pytester.runpytest_subprocess(
        *(argument for option in options for argument in ("-p", option))
    )
    result.assert_outcomes(passed=int(recovers), failed=int(not recovers))
    if not recovers:
        result.stdout.fnmatch_lines(["E *ClientResponseError: 401, message='Unauthorized'*"])


def test_a_batch_applies_what_it_can(
    emulator: PropQEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    page = TUTORIALS / "batch.md"
    Path("updates.csv").write_text(block(page, "development_id,name", "text"), encoding="utf-8")
    execute(block(page, "update_many(read("), page)
    assert emulator.unit("4711", "A-101").directions == ("N", "S")
    assert emulator.unit("4711", "A-102").price == 199_500.5
    assert "A-10" not in capsys.readouterr().out
