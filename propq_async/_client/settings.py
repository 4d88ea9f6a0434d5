"""The settings of a factory, and what they may be."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from os import PathLike
from typing import TypedDict

import aiohttp

from propq_async._auth.stores import TokenStore
from propq_async._settings import check_at_least
from propq_async._throttling.fleet import SharedLimiter
from propq_async.clock import Clock
from propq_async.config import DefaultFile
from propq_async.errors import ConfigurationError
from propq_async.hooks import OnCall
from propq_async.retry import RetryPolicy

from .memory import UnitMemory


class Settings(TypedDict, total=False):
    """The settings of `AsyncPropQ`, without the credentials."""

    base_url: str
    token_store: TokenStore | DefaultFile | None
    retry: RetryPolicy
    timeout_seconds: float
    max_calls_per_second: float | None
    max_closed_seconds: float
    shared_limiter: SharedLimiter | None
    max_connections: int
    ssl_context: ssl.SSLContext | None
    proxy: str | None
    trust_env: bool
    trace_configs: Sequence[aiohttp.TraceConfig]
    ledger: UnitMemory | None
    on_call: OnCall | None
    clock: Clock
    jitter: Callable[[], float]


def check_retry(retry: object) -> None:
    """Raise `ConfigurationError` unless it is a policy for retries."""
    if not isinstance(retry, RetryPolicy):
        raise ConfigurationError(f"retry must be a RetryPolicy, not {retry!r}")


def check_timeout(timeout_seconds: float) -> None:
    """Raise `ConfigurationError` unless an attempt can end within it."""
    check_at_least("timeout_seconds", timeout_seconds, 0, exclusive=True, finite=True)


def check_bounds(
    max_connections: int, max_calls_per_second: float | None, max_closed_seconds: float
) -> None:
    """Raise `ConfigurationError` unless calls can go out within these bounds."""
    check_at_least("max_connections", max_connections, 1, whole=True)
    if max_calls_per_second is not None:
        check_at_least("max_calls_per_second", max_calls_per_second, 0, exclusive=True, finite=True)
    check_at_least("max_closed_seconds", max_closed_seconds, 0, exclusive=True)


def refuse_path(name: str, value: object, what: str, example: str) -> None:
    """Raise `ConfigurationError` if it is a path where an object is wanted."""
    if isinstance(value, str | PathLike):
        raise ConfigurationError(f"{name} must be a {what}, not a path: {example}")
