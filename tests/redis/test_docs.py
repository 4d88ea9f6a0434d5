"""What docs/how-to/redis.md shows works as it stands there."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from propq_async.redis import RedisLimiter
from propq_async.testing import PropQEmulator
from tests.helpers.redis_servers import RedisServer
from tests.helpers.support import an_update

TEXT = (Path(__file__).parents[2] / "docs" / "how-to" / "redis.md").read_text(encoding="utf-8")


def block(language: str, mark: str) -> str:
    blocks = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    (found,) = [text for text in blocks if mark in text]
    return str(found)


async def test_the_store_from_python_with_the_rights_that_are_named(
    emulator: PropQEmulator, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with redis_server.client() as client:
        client.execute_command(*block("text", "ACL SETUSER").split())
    url = redis_server.url_for("propq:password@")
    variables = re.findall(r"export (\w+)=", block("bash", "export"))
    for name in variables:
        monkeypatch.setenv(name, url)
    monkeypatch.setenv("PROPQ_CLIENT_ID", str(emulator.credentials.client_id))
    monkeypatch.setenv("PROPQ_CLIENT_SECRET", emulator.credentials.client_secret)
    monkeypatch.setenv("PROPQ_BASE_URL", emulator.url)

    async def update() -> None:
        namespace: dict[str, Any] = {}
        exec(compile(block("python", "RedisTokenStore("), "redis.md", "exec"), namespace)
        async with namespace["propq"].session() as session:
            await session.units.update(an_update())

    await asyncio.gather(*(update() for _ in range(3)))
    assert emulator.token_requests == 1
    # All that the pace of a fleet may need.
    limiter = RedisLimiter(url)
    await limiter.refused(0.05, 8)
    while not (lease := await limiter.lease(1, None)).count:  # noqa: ASYNC110 - it says when
        await asyncio.sleep(lease.starts_in)
    await limiter.report(1, [0.1])
    await limiter.proven(1)
    assert await limiter.join() is not None
    for _ in range(2):
        assert (await limiter.allow(1, 50, 0.01)).count == 1
        await asyncio.sleep(1.1)
