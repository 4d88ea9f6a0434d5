"""The pytest plugin: an emulator for each test, and a client that talks to it.

pytest imports this module in each of its runs, also in those that never use it. So what costs
anything is imported by the fixtures.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from propq_async import AsyncPropQ

    from ._emulator import PropQEmulator
    from ._thread import EmulatorThread
    from ._values import RecordedRequest

__all__ = ["propq", "propq_emulator", "propq_env", "propq_settings"]

SHOWN_REQUESTS: Final = 20
LONGEST_LINE: Final = 1000


@pytest.fixture(scope="session")
def _propq_thread() -> Iterator[EmulatorThread]:
    from ._emulator import PropQEmulator
    from ._thread import EmulatorThread

    thread = EmulatorThread(PropQEmulator())
    with thread:
        yield thread


@pytest.fixture
def propq_emulator(_propq_thread: EmulatorThread) -> PropQEmulator:
    """A PropQ server, empty and well-behaved at the start of each test.

    It listens at one address for the whole test session, in a thread of its own; its controls are
    synchronous and work from any test, whatever event loop that runs in.
    """
    emulator = _propq_thread.emulator
    emulator.on_request = None
    emulator.reset()
    _propq_thread.revive()
    return emulator


@pytest.fixture
def propq_settings() -> dict[str, Any]:
    """Settings of `AsyncPropQ` for the fixture `propq`. To be overridden."""
    return {}


@pytest.fixture
def propq(
    propq_emulator: PropQEmulator,
    propq_settings: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncPropQ:
    """An `AsyncPropQ` that talks to the emulator, with a token file of its own.

    It is not entered: `async with propq.session() as session:` does all that is needed.
    """
    from propq_async import AsyncPropQ, JsonFileTokenStore

    settings: dict[str, Any] = {
        "base_url": propq_emulator.url,
        "token_store": JsonFileTokenStore(tmp_path_factory.mktemp("propq") / "token.json"),
    }
    return AsyncPropQ(propq_emulator.credentials, **(settings | propq_settings))


@pytest.fixture
def propq_env(
    propq_emulator: PropQEmulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """The environment variables that lead `AsyncPropQ.from_env()` to the emulator, and are set."""
    variables = {
        "PROPQ_BASE_URL": propq_emulator.url,
        "PROPQ_CLIENT_ID": str(propq_emulator.credentials.client_id),
        "PROPQ_CLIENT_SECRET": propq_emulator.credentials.client_secret,
        "PROPQ_TOKEN_FILE": str(tmp_path_factory.mktemp("propq") / "token.json"),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
        # A developer's own would contradict it.
        monkeypatch.delenv(f"{name}_FILE", raising=False)
    return variables


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Show beside a failure what the emulator was asked.

    pytest calls this for every test of every project that has this package installed, and an
    exception would abort the session.
    """
    if call.when != "call" or call.excinfo is None:
        return
    try:
        told = _what_was_asked(item)
    except Exception as error:  # noqa: BLE001 - the fixture may be anything
        told = f"cannot tell what the emulator was asked: {type(error).__name__}"
    if told is not None:
        item.add_report_section("call", "PropQ emulator", told)


def _what_was_asked(item: pytest.Item) -> str | None:
    # Other plugins' items need have no fixtures, and a project may use the name for its own.
    fixtures = getattr(item, "funcargs", None)
    emulator: Any = fixtures.get("propq_emulator") if isinstance(fixtures, dict) else None
    module = sys.modules.get("propq_async.testing._emulator")  # not there if nobody made one
    if module is None or not isinstance(emulator, module.PropQEmulator):
        return None
    lines = [_line(request) for request in emulator.requests[-SHOWN_REQUESTS:]]
    return "\n".join(lines or ["no requests"])


def _line(request: RecordedRequest) -> str:
    body = "" if request.body is None else f" {request.body}"
    line = f"{request.status or 'drop'} {request.method} {request.path}{body}"
    if len(line) > LONGEST_LINE:
        line = line[: LONGEST_LINE - 3] + "..."
    # A path may have bytes that are no UTF-8, which pytest-xdist cannot send to its main process.
    return line.encode(errors="backslashreplace").decode()
