from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from propq_async.testing import PropQEmulator

from .client import (
    Client,
    FakeClock,
    served,
)


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
