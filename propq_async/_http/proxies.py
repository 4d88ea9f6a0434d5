"""The proxy of a request: which one the environment names, and whether it can be used."""

from __future__ import annotations

import os
import re
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import unquote
from urllib.request import getproxies, proxy_bypass

from yarl import URL

from propq_async._secret import SecretStr
from propq_async._settings import FORBIDDEN_IN_URL
from propq_async.errors import ConfigurationError

_ADVICE: Final = "it must look like http://proxy.example:3128"

_PLACE: Final = re.compile(
    r"(?:[a-z0-9_-][a-z0-9._-]*|\[[0-9a-f:.]+\])(?::(?P<port>[^:\]]*))?", re.ASCII | re.IGNORECASE
)

_PORT: Final = re.compile(r"[0-9]{1,5}")
_MAX_PORT: Final = 65_535


def proxy_for(url: URL) -> SecretStr | None:
    """Return the proxy that the environment names for this host.

    aiohttp's own `trust_env` is not used, since it also reads `~/.netrc`: a password found there is
    sent with token requests, and raises an exception in calls, which have a bearer token.

    Raises:
        ConfigurationError: the proxy cannot be used. The message names the variable, but does not
            show its value.
    """
    if _is_excepted(url):
        return None
    for name in (url.scheme, "all"):
        proxy = SecretStr(getproxies().get(name, ""))
        if proxy:
            problem = proxy_problem(proxy)
            if problem is not None:
                raise ConfigurationError(f"{_variable(name)} cannot be used: {problem}")
            return proxy
    return None


def _variable(name: str) -> str:
    variable = f"{name}_proxy"
    for spelling in (variable, variable.upper()):
        if os.environ.get(spelling):
            return f"the environment variable {spelling}"
    return f"the operating system's proxy for {name}"


def _is_excepted(url: URL) -> bool:
    """Return whether `NO_PROXY` names the host, with or without its port, or its network."""
    host = str(url.host)
    address = f"[{host}]" if ":" in host else host
    if any(map(proxy_bypass, (host, address, f"{address}:{url.port}"))):
        return True
    # curl and requests understand networks; the standard library does not.
    networks = getproxies().get("no", "").split(",")
    return any(_is_in(host, network.strip()) for network in networks)


def _is_in(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False


def proxy_problem(proxy: object) -> str | None:
    """Return what is wrong with the URL of a proxy, `None` if nothing is.

    The text never shows the URL, which may hold a password. aiohttp's errors would show it, so this
    check refuses everything that aiohttp refuses.
    """
    if not isinstance(proxy, str):
        return f"it is no string; {_ADVICE}"
    proxy = SecretStr(proxy)
    if not proxy.lower().startswith(("http://", "https://")):
        return (
            f"it does not begin with http:// or https://; {_ADVICE}. Other kinds of proxies, "
            "such as SOCKS, are not supported: use the HTTP port that most of them have"
        )
    rest = SecretStr(proxy.partition("//")[2].removesuffix("/"))
    user_info, at, place = map(SecretStr, rest.rpartition("@"))
    if FORBIDDEN_IN_URL.search(rest) or set("/?#") & set(rest) or set("@[]") & set(user_info):
        return (
            f"it has a path, or a character that must be percent-encoded; {_ADVICE}, and in "
            'user and password "/" is written %2F, "?" %3F, "#" %23, "@" %40, "[" %5B, "]" %5D'
        )
    found = _PLACE.fullmatch(place)
    if found is None:
        return f"it names no host, or one that is not in ASCII; {_ADVICE}"
    port = found["port"]
    if port is not None and not (_PORT.fullmatch(port) and 0 < int(port) <= _MAX_PORT):
        return f"its port is not a number from 1 to {_MAX_PORT}; {_ADVICE}"
    return _user_problem(user_info) if at else None


def _user_problem(user_info: SecretStr) -> str | None:
    # aiohttp sends user and password as RFC 7617 describes, encoded in Latin-1.
    if ":" in unquote(SecretStr(user_info.partition(":")[0])):
        return "its user has a colon, which no proxy could tell from the one before the password"
    try:
        unquote(user_info).encode("latin-1")
    except UnicodeEncodeError:
        pass
    else:
        return None
    return "its user or password has a character that is not in Latin-1, and cannot be sent"
