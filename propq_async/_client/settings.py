"""The settings of a factory that `from_env` takes as well."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from typing import TypedDict

import aiohttp

from propq_async._auth.stores import TokenStore
from propq_async._throttling.fleet import SharedLimiter
from propq_async.clock import Clock
from propq_async.config import DefaultFile
from propq_async.hooks import OnCall
from propq_async.retry import RetryPolicy

from .memory import UnitMemory

__all__ = ["Settings"]


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
