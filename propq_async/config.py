"""The settings: their defaults, their units, and what is refused."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Final
from urllib.parse import SplitResult, urlsplit

import attrs

from .errors import ConfigurationError

__all__ = [
    "BASE_URL",
    "DEFAULT_FILE",
    "INHERIT",
    "Clock",
    "DefaultFile",
    "Inherit",
    "RetryPolicy",
    "base_url_from_env",
    "check_at_least",
    "check_base_url",
    "token_file_from_env",
]

BASE_URL: Final = "https://api.propq.com"
TOKEN_PATH: Final = "/oauth/token"  # noqa: S105 - a path
TIMEOUT_SECONDS: Final = 30.0
BASE_URL_VARIABLE: Final = "PROPQ_BASE_URL"
TOKEN_FILE_VARIABLE: Final = "PROPQ_TOKEN_FILE"  # noqa: S105 - the name of a variable


class Inherit(Enum):
    """The type of `INHERIT`: a session takes the setting of its factory."""

    INHERIT = "INHERIT"


class DefaultFile(Enum):
    """The type of `DEFAULT_FILE`: the token file at its default place."""

    DEFAULT_FILE = "DEFAULT_FILE"


INHERIT: Final = Inherit.INHERIT
DEFAULT_FILE: Final = DefaultFile.DEFAULT_FILE


@attrs.frozen
class Clock:
    """Where time comes from, so that a test can bring its own.

    Args:
        wall: the time of day, in seconds since the epoch.
        monotonic: seconds that never run backwards.
        sleep: wait for so many seconds.
    """

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


def check_at_least(
    name: str, value: object, least: float, *, exclusive: bool = False, finite: bool = False
) -> None:
    """Raise `ConfigurationError` unless `value` is a number that is large enough."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ConfigurationError(f"{name} must be a number, not {value!r}")
    # Written so that NaN is refused as well.
    if not (value > least if exclusive else value >= least):
        bound = "above" if exclusive else "at least"
        raise ConfigurationError(f"{name} must be {bound} {least:g}, not {value!r}")
    if finite and value > sys.float_info.max:
        raise ConfigurationError(f"{name} must be a finite number")


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often, how fast and how long a failed call is tried again.

    Retried are connection errors, timeouts, 429, 500, 502, 503 and 504. The delay before retry `n`
    is drawn at random between nothing and `base_delay_seconds * 2 ** (n - 1)`, at most
    `max_delay_seconds` ("full jitter").

    Args:
        attempts: how often at the most, the first time included.
        base_delay_seconds: the longest delay before the first retry.
        max_delay_seconds: the longest delay before any retry.
        max_retry_after_seconds: the longest wait that a server's `Retry-After` may ask of a single
            call; what asks for more ends the call at once.
        total_timeout_seconds: the longest time for one call with all its attempts and waits, or
            `None` for no such limit.
        retry_unacknowledged: whether an update is repeated whose answer was lost: one that was sent
            and not fully answered, or whose gateway (502, 504) had no answer to give.

    Raises:
        ConfigurationError: a value cannot work; the message names it.
    """

    attempts: int = 5
    base_delay_seconds: float = 0.25
    max_delay_seconds: float = 20.0
    max_retry_after_seconds: float = 120.0
    total_timeout_seconds: float | None = None
    retry_unacknowledged: bool = True

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.attempts, int):
            raise ConfigurationError(f"attempts must be an integer, not {self.attempts!r}")
        check_at_least("attempts", self.attempts, 1)
        check_at_least("base_delay_seconds", self.base_delay_seconds, 0, finite=True)
        check_at_least("max_delay_seconds", self.max_delay_seconds, 0, finite=True)
        check_at_least("max_retry_after_seconds", self.max_retry_after_seconds, 0)
        total = self.total_timeout_seconds
        if total is not None:
            check_at_least("total_timeout_seconds", total, 0, exclusive=True, finite=True)

    def delay_seconds(self, retry: int, random: Callable[[], float]) -> float:
        """Return the delay before the `retry`-th retry (from 1), given a source of [0, 1)."""
        # The exponent is bounded, since 2.0 ** 1024 is an OverflowError.
        ceiling = self.base_delay_seconds * 2.0 ** min(retry - 1, 1000)
        return random() * min(self.max_delay_seconds, ceiling)


# urlsplit() leaves some of these out where others would not (RFC 3986 section 2).
_NEVER_IN_A_URL: Final = re.compile(r"[\s\x00-\x20\x7f\\<>\"^`{|}]")


def check_base_url(base_url: str, *, name: str = "base_url") -> str:
    """Return `base_url` without its trailing slash.

    Raises:
        ConfigurationError: it is no plain URL, or not https although its host is not loopback: the
            client secret and the tokens would cross the network in the clear.
    """
    parts = _split(base_url)
    host = parts.hostname if parts else None
    if (
        parts is None
        or not host
        or parts.scheme not in ("http", "https")
        or _NEVER_IN_A_URL.search(base_url)
    ):
        raise ConfigurationError(
            f"{name} must look like {BASE_URL}, not {_without_user(base_url)!r}"
        )
    # Not the parsed parts: an empty query is none to urlsplit, but the path would end up in it.
    if parts.username is not None or "?" in base_url or "#" in base_url:
        raise ConfigurationError(f"{name} must have no user, no query and no fragment")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ConfigurationError(
            f"{name} must begin with https://, not {base_url!r}: only a loopback host such as "
            "127.0.0.1 or localhost may do without encryption"
        )
    return base_url.rstrip("/")


def _split(url: object) -> SplitResult | None:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        if parts is not None:
            parts.port  # noqa: B018 - raises on a port that is none
    except ValueError:
        return None
    return parts


def _without_user(url: object) -> object:
    # A URL with a user may have a password.
    return "..." + url.rpartition("@")[2] if isinstance(url, str) and "@" in url else url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _optional(name: str, environ: Mapping[str, str] | None) -> str | None:
    variables = os.environ if environ is None else environ
    return variables.get(name, "").strip() or None


def base_url_from_env(environ: Mapping[str, str] | None = None) -> str | None:
    """Return `PROPQ_BASE_URL`, `None` if it is not set or blank."""
    return _optional(BASE_URL_VARIABLE, environ)


def token_file_from_env(environ: Mapping[str, str] | None = None) -> str | None:
    """Return `PROPQ_TOKEN_FILE`, `None` if it is not set or blank."""
    return _optional(TOKEN_FILE_VARIABLE, environ)
