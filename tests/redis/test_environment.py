"""The Redis that the environment names."""

from __future__ import annotations

import sys

import pytest

import propq_async
from propq_async import AsyncPropQ, ConfigurationError
from propq_async.testing import PropQEmulator
from tests.helpers.redis_servers import RedisServer
from tests.helpers.support import an_update


@pytest.fixture
def environment(
    emulator: PropQEmulator, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    monkeypatch.setenv("PROPQ_CLIENT_ID", str(emulator.credentials.client_id))
    monkeypatch.setenv("PROPQ_CLIENT_SECRET", emulator.credentials.client_secret)
    monkeypatch.setenv("PROPQ_BASE_URL", emulator.url)
    monkeypatch.setenv("PROPQ_REDIS_URL", redis_server.url)
    return monkeypatch


async def test_two_programs_share_the_token_in_the_redis_of_the_environment(
    environment: pytest.MonkeyPatch, emulator: PropQEmulator
) -> None:
    environment.setenv("PROPQ_TOKEN_FILE", "")
    for _ in range(2):
        async with AsyncPropQ.from_env().session() as session:
            await session.units.update(an_update())
    assert emulator.token_requests == 1
    # A store that is given goes first, as ever.
    await AsyncPropQ.from_env(token_store=None).tokens.get_token()
    assert emulator.token_requests == 2


async def test_two_programs_share_the_pace_in_the_redis_of_the_environment(
    environment: pytest.MonkeyPatch,
    emulator: PropQEmulator,
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    environment.setenv("PROPQ_TOKEN_FILE", "memory:")
    emulator.throttle(1, 0.5)
    for _ in range(2):
        async with AsyncPropQ.from_env(token_store=None).session() as session:
            for _ in range(2):
                await session.units.update(an_update())
    with redis_server.client() as client:
        (name,) = client.keys("propq:{1-*}:pace")
        assert client.hget(name, "limit") == "1"
    # As for the store, what is given goes first.
    redis_server.kill()
    async with AsyncPropQ.from_env(token_store=None, shared_limiter=None).session():
        assert "limiter" not in caplog.text


def test_redis_and_a_file_contradict_each_other(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PROPQ_TOKEN_FILE", "token.json")
    words = "^PROPQ_REDIS_URL and PROPQ_TOKEN_FILE both say where the token is kept"
    with pytest.raises(ConfigurationError, match=words):
        AsyncPropQ.from_env()
    AsyncPropQ.from_env(token_store=None)


def test_a_malformed_url_is_told_of_by_its_variable(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PROPQ_REDIS_URL", "http://:pass-w0rd@host")
    words = "^PROPQ_REDIS_URL: the URL of Redis must look like"
    with pytest.raises(ConfigurationError, match=words) as caught:
        AsyncPropQ.from_env()
    assert "pass-w0rd" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="timeout_seconds"):
        AsyncPropQ.from_env(timeout_seconds=0)


def test_without_the_extra_the_variable_says_what_to_install(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setitem(sys.modules, "redis", None)
    environment.delitem(sys.modules, "propq_async.redis", raising=False)
    environment.delattr(propq_async, "redis", raising=False)
    words = "^PROPQ_REDIS_URL: propq_async.redis needs redis-py: pip install"
    with pytest.raises(ConfigurationError, match=words):
        AsyncPropQ.from_env()
