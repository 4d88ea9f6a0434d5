from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from propq_async.testing import PropQEmulator, run_in_thread
from tests.helpers.emulator_client import Client, FakeClock, served


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def client(clock: FakeClock) -> AsyncIterator[Client]:
    async with served(PropQEmulator(clock=clock)) as client:
        yield client


@pytest.fixture
def emulator(client: Client) -> PropQEmulator:
    return client.emulator


@pytest.fixture
def server() -> Iterator[PropQEmulator]:
    """An emulator for clients that are not asynchronous."""
    with run_in_thread(PropQEmulator()) as emulator:
        emulator.add_unit("4711", "A-101")
        yield emulator
