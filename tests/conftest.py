from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import settings

from propq_async._http.fast import FastTransport
from propq_async._http.plain import PlainTransport
from propq_async._http.pool import Pool
from propq_async._http.transport import PoolSettings
from propq_async.testing import PropQEmulator
from tests.helpers.ledgers import Place
from tests.helpers.postgres import Server, a_server

MakePool = Callable[..., Pool]

# Images of containers often forbid Python to keep what it compiled. Then hundreds of processes
# compile the package again, and each worker all tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell lets what it starts in the background ignore Ctrl-C. The processes of the tests, which are
# to be interrupted, would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A loaded machine is slow, and that is no fault of the code. A hang meets the timeout of the test.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
# For a second and third Python: what depends on its version shows in any example.
settings.register_profile("brief", deadline=None, max_examples=15)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("PROPQ_CAMPAIGN") == "1":
        return
    skip = pytest.mark.skip(reason="a long run: set PROPQ_CAMPAIGN=1")
    for item in items:
        if item.get_closest_marker("campaign"):
            item.add_marker(skip)


def pytest_collection_finish() -> None:
    # Thousands of tests and all that they import stay until the end. Many tests force a collection,
    # which takes a few milliseconds without a look at those, and a third of a second with one.
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _aiohttp_stays_as_it_is() -> Iterator[None]:
    """Fail the test that leaves a mock or an agent in aiohttp, and not those that come after it."""
    before = dict(vars(aiohttp.ClientSession))
    yield
    assert vars(aiohttp.ClientSession) == before


@pytest.fixture(autouse=True)
def _scrubbed_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the developer's own settings, nor touches the developer's own cache."""
    for name in list(os.environ):
        if name.startswith("PROPQ_") and name != "PROPQ_CAMPAIGN":
            monkeypatch.delenv(name)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("LANGUAGE", "en")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    if "keyring.core" in sys.modules:
        monkeypatch.setattr("keyring.core._keyring_backend", None)


@pytest.fixture
def _keeps_sigint() -> Iterator[None]:
    """Take back what the end of a program does about Ctrl-C."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
async def emulator() -> AsyncIterator[PropQEmulator]:
    async with PropQEmulator() as running:
        running.add_unit("4711", "A-101")
        yield running


@pytest.fixture(params=["fast", "plain"])
async def make_pool(request: pytest.FixtureRequest) -> AsyncIterator[MakePool]:
    """Return pools that are known to use the transport that the test is for."""
    pools = []
    plain = request.param == "plain"

    def make(kind: type[PoolSettings] = PoolSettings, **settings: Any) -> Pool:
        # Whoever wants to trace gets the plain transport.
        pool = Pool(kind(trace_configs=[aiohttp.TraceConfig()] if plain else [], **settings))
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        assert pool.transport is None or isinstance(
            pool.transport, PlainTransport if plain else FastTransport
        )
        await pool.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """Return a server, one for all tests of a process; each makes databases of its own."""
    with a_server() as server:
        yield server


@pytest.fixture(params=["file", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Return places for ledgers, on each of what keeps them."""
    if request.param == "file":
        return lambda name: str(tmp_path / name)
    server: Server = request.getfixturevalue("postgres")
    return lru_cache(lambda _: server.new_database())


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    return tmp_path / "tokens" / "token.json"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pem = tmp_path_factory.mktemp("tls") / "self-signed.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    alternatives = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(pem), "-out", f"{pem}.crt"]
    subprocess.run([*command.split(), *alternatives, *files], check=True, capture_output=True)
    pem.write_bytes(pem.read_bytes() + Path(f"{pem}.crt").read_bytes())
    return pem
