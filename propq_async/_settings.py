"""Checks of settings, whether they come from arguments or from the environment."""

from __future__ import annotations

import ipaddress
import re
import sys
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from propq_async._messages import tr

from ._environment import (
    BASE_URL_VARIABLE,
    LEDGER_VARIABLE,
    REDIS_URL_VARIABLE,
    TOKEN_FILE_VARIABLE,
    variable,
)
from ._paths import refused_path
from ._secret import SecretStr
from .config import BASE_URL
from .errors import ConfigurationError

# urlsplit() leaves some of these out where others would not (RFC 3986 section 2).
FORBIDDEN_IN_URL: Final = re.compile(r"[\s\x00-\x20\x7f\\<>\"^`{|}]")


def check_at_least(
    name: str,
    value: object,
    least: float,
    *,
    exclusive: bool = False,
    finite: bool = False,
    whole: bool = False,
) -> None:
    """Raise `ConfigurationError` unless `value` is a number that is large enough."""
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        problem = (
            tr("{name} must be an integer, not {value!r}")
            if whole
            else tr("{name} must be a number, not {value!r}")
        )
        raise ConfigurationError(problem.format(name=name, value=value))
    # Written so that NaN is refused as well.
    if not (value > least if exclusive else value >= least):
        bound = tr("above") if exclusive else tr("at least")
        raise ConfigurationError(
            tr("{name} must be {bound} {least:g}, not {value!r}").format(
                name=name, bound=bound, least=least, value=value
            )
        )
    if finite and value > sys.float_info.max:
        raise ConfigurationError(tr("{name} must be a finite number").format(name=name))


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
        or FORBIDDEN_IN_URL.search(base_url)
    ):
        raise ConfigurationError(
            tr("{name} must look like {example}, not {value!r}").format(
                name=name, example=BASE_URL, value=_without_user(base_url)
            )
        )
    # Not the parsed parts: an empty query is none to urlsplit, but the path would end up in it. An
    # "@" may stand behind a password that was not encoded, and so in what is taken for the path.
    if "@" in base_url or "?" in base_url or "#" in base_url:
        raise ConfigurationError(
            tr("{name} must have no user, no query and no fragment").format(name=name)
        )
    if has_dot_segment(parts.path):
        raise ConfigurationError(
            tr('{name} must have no segment "." or "..", as {base_url!r} has').format(
                name=name, base_url=base_url
            )
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(
            tr(
                "{name} must begin with https://, not {base_url!r}: only a loopback host "
                "such as 127.0.0.1 or localhost may do without encryption"
            ).format(name=name, base_url=base_url)
        )
    return base_url.rstrip("/")


def has_dot_segment(path: str) -> bool:
    """Return whether a part of the path is `.` or `..`, escaped or not (RFC 3986 section 6.2.2)."""
    # Client, proxy and server may each resolve it, and so arrive at different paths.
    return any(unquote(segment) in (".", "..") for segment in path.split("/"))


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


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def base_url_from_env() -> str | None:
    """Return `PROPQ_BASE_URL`, `None` if it is not set or blank.

    Raises:
        ConfigurationError: as `check_base_url`, naming the variable.
    """
    base_url = variable(BASE_URL_VARIABLE).strip()
    return check_base_url(base_url, name=BASE_URL_VARIABLE) if base_url else None


def token_file_from_env() -> str | None:
    """Return `PROPQ_TOKEN_FILE` as it is written, `None` if it is not set or blank.

    `IN_MEMORY` is not a path.
    """
    return variable(TOKEN_FILE_VARIABLE).strip() or None


def redis_url_from_env() -> SecretStr | None:
    """Return `PROPQ_REDIS_URL` as it is written, `None` if it is not set or blank."""
    return SecretStr(variable(REDIS_URL_VARIABLE).strip()) or None


def ledger_from_env() -> str | None:
    """Return `PROPQ_LEDGER` as it is written, `None` if it is not set or empty.

    Raises:
        ConfigurationError: it is blank. To fall back on the default ledger would be dangerous: it
            may know nothing, and then everything would be sent without a question.
    """
    value = variable(LEDGER_VARIABLE)
    if value and not value.strip():
        raise refused_path(LEDGER_VARIABLE, value, tr("it is blank"))
    return value.strip() or None
