"""Which token store and which limiter a factory uses if it is given none."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from propq_async._auth.json_file import JsonFileTokenStore
from propq_async._auth.stores import LOCK_MARGIN_SECONDS, TokenStore, default_token_file
from propq_async._environment import IN_MEMORY, REDIS_URL_VARIABLE, TOKEN_FILE_VARIABLE
from propq_async._paths import absolute_path
from propq_async._secret import SecretStr
from propq_async._settings import check_at_least, redis_url_from_env, token_file_from_env
from propq_async._throttling.fleet import SharedLimiter
from propq_async.clock import Clock
from propq_async.config import DEFAULT_FILE, DefaultFile
from propq_async.errors import ConfigurationError

_T = TypeVar("_T")

logger = logging.getLogger("propq_async.client")


def store_from_env(timeout_seconds: float, clock: Clock) -> TokenStore | DefaultFile | None:
    """Return the store that the environment names.

    Args:
        timeout_seconds: for a token request. The store's lock is held for at most one.
        clock: where time comes from.

    Raises:
        ConfigurationError: a variable is malformed; the message names it.
    """
    check_at_least("timeout_seconds", timeout_seconds, 0, exclusive=True, finite=True)
    redis = redis_store_from_env(timeout_seconds, clock)
    if redis is not None:
        return redis
    token_file = token_file_from_env()
    if token_file is None:
        return DEFAULT_FILE
    if token_file == IN_MEMORY:
        return None
    return _file_store(absolute_path(TOKEN_FILE_VARIABLE, token_file), timeout_seconds, clock)


def redis_store_from_env(timeout_seconds: float, clock: Clock) -> TokenStore | None:
    """Return the store in the Redis of `PROPQ_REDIS_URL`, `None` if it is not set.

    Raises:
        ConfigurationError: it is malformed, redis-py is not installed, or `PROPQ_TOKEN_FILE` names
            another place.
    """
    lock_timeout_seconds = timeout_seconds + LOCK_MARGIN_SECONDS
    store = _in_redis(
        lambda redis, url: redis.RedisTokenStore(
            url, lock_timeout_seconds=lock_timeout_seconds, clock=clock
        )
    )
    if store is not None and token_file_from_env() is not None:
        raise ConfigurationError(
            f"{REDIS_URL_VARIABLE} and {TOKEN_FILE_VARIABLE} both say where the token is kept: "
            "set one of them"
        )
    return store


def limiter_from_env(clock: Clock) -> SharedLimiter | None:
    """Return the limiter in the Redis of `PROPQ_REDIS_URL`, `None` if it is not set.

    Raises:
        ConfigurationError: it is malformed, or redis-py is not installed.
    """
    return _in_redis(lambda redis, url: redis.RedisLimiter(url, clock=clock))


def _in_redis(make: Callable[[Any, SecretStr], _T]) -> _T | None:
    url = redis_url_from_env()
    if url is None:
        return None
    try:
        from propq_async import redis  # noqa: PLC0415 - needs an extra

        return make(redis, url)
    except (ImportError, ConfigurationError) as error:
        problem = str(error)
    raise ConfigurationError(f"{REDIS_URL_VARIABLE}: {problem}")


def _file_store(path: Path, timeout_seconds: float, clock: Clock) -> JsonFileTokenStore:
    lock_timeout_seconds = timeout_seconds + LOCK_MARGIN_SECONDS
    return JsonFileTokenStore(path, lock_timeout_seconds=lock_timeout_seconds, clock=clock)


def default_store(
    token_url: str, client_id: int, timeout_seconds: float, clock: Clock
) -> JsonFileTokenStore | None:
    """Return the store at the default place, `None` (and a warning) if there is no such place."""
    path = default_token_file(token_url, client_id)
    if path is not None:
        return _file_store(path, timeout_seconds, clock)
    logger.warning(
        "this user has no home directory for the token file, so the token stays in memory: "
        "set PROPQ_TOKEN_FILE or token_store to name another place"
    )
    return None
