"""Every code block of the README is executed, and every command line that it shows is run."""

from __future__ import annotations

import inspect
import json
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import unittest
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiohttp.test_utils import TestClient, TestServer
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import set_tracer_provider
from sybil import Document
from sybil.parsers.markdown import CodeBlockParser

import propq_async
from propq_async import RetryPolicy, UnitStatus, pricelist
from propq_async.cli.app import run as cli
from propq_async.session import PropQSession
from propq_async.testing import PropQEmulator, plugin, run_in_thread
from propq_async.units import Units

pytest_plugins = "pytester"

README = Path(__file__).parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    """Return the code blocks of the README in that language."""
    document = Document.parse(str(README), CodeBlockParser(language, lambda _: None))
    return [str(example.parsed) for example in document.examples()]


def block(mark: str, language: str = "python") -> str:
    """Return the one block with this mark in it."""
    (found,) = [text for text in blocks(language) if mark in text]
    return found


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PropQEmulator]:
    monkeypatch.chdir(tmp_path)
    Path("prices.csv").write_text(block("development_id,name", "csv"), encoding="utf-8")
    # In a thread of its own, since the README's programs bring their own loop.
    with run_in_thread(PropQEmulator()) as neighbour:
        neighbour.add_unit("4711", "A-101")
        neighbour.add_unit("4711", "A-102")
        monkeypatch.setenv("PROPQ_BASE_URL", neighbour.url)
        monkeypatch.setenv("PROPQ_CLIENT_ID", str(neighbour.credentials.client_id))
        monkeypatch.setenv("PROPQ_CLIENT_SECRET", neighbour.credentials.client_secret)
        yield neighbour


def run(code: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, str(README), "exec"), namespace)
    return namespace


def test_one_update(emulator: PropQEmulator) -> None:
    run(blocks("python")[0])
    unit = emulator.unit("4711", "A-101")
    assert (unit.status, unit.price, unit.directions) == (UnitStatus.SOLD, 250_000, ("N", "S"))


async def test_in_a_service(emulator: PropQEmulator) -> None:
    make_app = run(block("cleanup_ctx"))["make_app"]
    async with TestClient(TestServer(make_app())) as client:
        async with client.post("/sell/4711/A-101?price=260000") as response:
            assert (response.status, await response.json()) == (200, {"sold": "A-101"})
        async with client.post("/sell/4711/A-999?price=260000") as response:
            assert response.status == 502
            assert "must match exactly" in (await response.json())["error"]
        async with client.post("/sell/4711/A-101?price=-1") as response:
            assert response.status == 400
            assert "price: must be above zero" in (await response.json())["error"]
    assert emulator.unit("4711", "A-101").price == 260_000
    assert emulator.token_requests == 1


def test_a_batch_job(emulator: PropQEmulator, capsys: pytest.CaptureFixture[str]) -> None:
    run(block("update_many(read("))
    assert emulator.unit("4711", "A-101").directions == ("N", "S")
    assert emulator.unit("4711", "A-102").price == 199_500.5
    out = capsys.readouterr().out
    assert "No such unit is not applied:" in out
    assert "404" in out
    assert "A-10" not in out


def test_price_lists_from_python(
    emulator: PropQEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    run(block("pricelist.plan("))
    out = capsys.readouterr().out.splitlines()
    assert sorted(out)[:2] == ["A-101 is applied", "A-102 is applied"]
    assert "No such unit POST " in "\n".join(out)
    assert (
        out[-1] == "Standing(total=3, applied=2, failed=1, unsure=0, cut_off=0, cut_off_unsure=0)"
    )
    assert emulator.unit("4711", "A-102").price == 199_500.5


def test_price_lists_from_the_command_line(
    emulator: PropQEmulator, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = [line for line in command_lines() if re.match("propq (plan|push)", line)]
    assert [cli(shlex.split(line)[1:]) for line in commands] == [2, 1]
    assert "mend prices.failed.csv and push that" in capsys.readouterr().out
    assert emulator.applied == 2


def test_any_other_call(emulator: PropQEmulator, capsys: pytest.CaptureFixture[str]) -> None:
    run(block("session.request("))
    assert capsys.readouterr().out.startswith("404 ")
    assert emulator.requests[-1].path == "/v1/developments"


# What many write: a token that is fetched once, and a call with it.
NAIVE = """
from contextlib import asynccontextmanager
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
def test_testing_your_integration(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, *, recovers: bool
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(block("propq: AsyncPropQ, propq_emulator"))
    if not recovers:
        pytester.makeconftest(NAIVE)
    options = ("pytest_asyncio.plugin", "propq_async.testing.plugin", "no:cacheprovider")
    result = pytester.runpytest_subprocess(
        *(argument for option in options for argument in ("-p", option))
    )
    result.assert_outcomes(passed=int(recovers), failed=int(not recovers))
    if not recovers:
        result.stdout.fnmatch_lines(["E *ClientResponseError: 401, message='Unauthorized'*"])


def test_testing_without_pytest() -> None:
    case = run(block("import unittest"))["TestSell"]
    result = unittest.defaultTestLoader.loadTestsFromTestCase(case).run(unittest.TestResult())
    assert result is not None
    assert (result.testsRun, result.errors, result.failures) == (1, [], [])


def test_errors(
    emulator: PropQEmulator,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = block("except TokenRefusedError")
    run(code)
    out = capsys.readouterr().out
    assert "404" in out
    assert out.endswith("Applied? no\n")
    monkeypatch.setenv("PROPQ_CLIENT_SECRET", "wrong")
    monkeypatch.setenv("PROPQ_TOKEN_FILE", "another.json")
    run(code)
    assert capsys.readouterr().out == "The credentials are wrong: invalid_client\n"
    assert emulator.token_requests == 2


def test_observability(emulator: PropQEmulator, capsys: pytest.CaptureFixture[str]) -> None:
    root, handlers = logging.getLogger(), logging.getLogger().handlers[:]
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    set_tracer_provider(provider)
    try:
        run(block("create_trace_config"))
    finally:
        root.handlers[:] = handlers
    assert len(exporter.get_finished_spans()) == emulator.calls + emulator.token_requests == 2
    assert capsys.readouterr().out == block("Stats(", "text")
    assert list(table("Field of `Stats`")) == list(attrs.fields_dict(propq_async.Stats))


@pytest.mark.usefixtures("emulator")
def test_settings_of_retries_and_the_token_file() -> None:
    assert isinstance(run(block("RetryPolicy("))["patient"], PropQSession)
    assert run(block("JsonFileTokenStore("))["in_memory"]


def test_no_python_block_is_forgotten() -> None:
    marks = ["cleanup_ctx", "update_many(read(", "pricelist.plan("]
    marks += ["session.request("]
    marks += ["propq: AsyncPropQ, propq_emulator", "import unittest"]
    marks += ["except TokenRefusedError", "RetryPolicy(", "create_trace_config"]
    marks += ["JsonFileTokenStore("]
    assert [block(mark) for mark in marks] == blocks("python")[1:]


def command_lines() -> list[str]:
    return [line for text in blocks("bash") for line in text.splitlines()]


def test_the_emulator_runs_from_the_command_line(emulator: PropQEmulator) -> None:
    del emulator  # its prices.csv is what is needed
    start, *steer = block("propq emulate", "bash").splitlines()
    command = [sys.executable, "-m", "propq_async", *shlex.split(start)[1:]]
    # Somebody else may have the port of the README.
    place = command.index("--port") + 1
    address = f"http://127.0.0.1:{command[place]}"
    command[place] = "0"
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            exports: dict[str, str] = {}
            while "PROPQ_CLIENT_SECRET" not in exports:
                line = process.stdout.readline()
                assert line, "it ended before it had printed the variables"
                exports |= dict(re.findall(r"(PROPQ_\w+)=(\S+)", line))
            environment, url = os.environ | exports, exports["PROPQ_BASE_URL"]
            assert all(address in line for line in steer)
            for line in steer if shutil.which("curl") else ():
                arguments = shlex.split(line.replace(address, url))
                subprocess.run([*arguments, "--fail", "--silent"], check=True, timeout=60)
            update = [sys.executable, "-c", blocks("python")[0]]
            subprocess.run(update, env=environment, check=True, timeout=60)
            with urllib.request.urlopen(f"{url}/_emulator/requests", timeout=60) as told:
                statuses = [request["status"] for request in json.load(told)]
            faults = [503, 503] if shutil.which("curl") else []
            assert statuses == [200, *faults, 200]
        finally:
            process.terminate()


def test_the_two_commands_are_those_that_ci_runs() -> None:
    commands = command_lines()
    assert commands[0] == (
        "python3 -m venv .venv && .venv/bin/pip install '.[cli]' && .venv/bin/propq demo"
    )
    assert commands[1] == (
        "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/pytest"
    )
    assert "grep '^python3 -m venv' README.md" in (README.parent / ".ci" / "run").read_text()
    assert len(commands) == 8, "a command line that no test runs"


def table(first: str) -> dict[str, str]:
    rows = README.read_text(encoding="utf-8").split(f"| {first} |", 1)[1].split("\n\n", 1)[0]
    cells = [re.split(r"\s*\|\s*", row.strip("| ")) for row in rows.splitlines()[2:]]
    return {name: row[1].strip("` ") for row in cells for name in re.findall(r"`(\w+)[`(]", row[0])}


def defaults(function: Any) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in ("self", "updates")}


def test_the_tables_of_settings_are_complete_and_true() -> None:
    settings = table("Setting of `AsyncPropQ`")
    actual = defaults(propq_async.AsyncPropQ.__init__)
    assert list(settings) == list(actual)
    assert settings["base_url"] == actual["base_url"]
    for name in ("timeout_seconds", "max_connections"):
        assert float(settings[name]) == actual[name]
    policy = table("Setting of `RetryPolicy`")
    assert {name: eval(text) for name, text in policy.items()} == defaults(RetryPolicy)
    batch = table("Setting of `update_many`")
    assert {name: eval(text) for name, text in batch.items()} == defaults(Units.update_many)
    push = table("Setting of `pricelist.push`")
    actual = defaults(pricelist.push)
    assert {name: eval(text) for name, text in push.items()} == {
        name: actual[name] for name in push
    }


def test_the_tables_of_the_emulator_are_complete_and_true() -> None:
    switches = PropQEmulator().switches
    settings = table("Setting of `PropQEmulator`")
    actual = defaults(PropQEmulator.__init__)
    assert list(settings) == [name for name in actual if name not in switches]
    for name in ("host", "port", "on_request"):
        assert eval(settings[name]) == actual[name]
    told = table("Switch of `PropQEmulator`")
    assert {name: eval(text) for name, text in told.items()} == switches

    controls = table("Control of `PropQEmulator`")
    public = {name for name in dir(PropQEmulator) if not name.startswith("_")}
    apart = {"credentials", "is_started", "on_request", "run_id", "switches", "url"}
    assert set(controls) == public - set(switches) - apart

    fixtures = table("Fixture")
    assert list(fixtures) == ["propq_emulator", "propq", "propq_settings", "propq_env"]
    assert sorted(fixtures) == plugin.__all__
