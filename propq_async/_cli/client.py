"""The client that a command uses, and the proxy that it goes through."""

from __future__ import annotations

from typing import Unpack
from urllib.parse import urlsplit

from propq_async import AsyncPropQ, Credentials, PropQError
from propq_async._client.settings import Settings
from propq_async._messages import tr
from propq_async._settings import base_url_from_env, check_base_url, is_loopback
from propq_async.config import BASE_URL

__all__ = ["connect", "explained"]


def connect(
    credentials: Credentials,
    *,
    no_proxy: bool,
    **settings: Unpack[Settings],
) -> AsyncPropQ:
    """Return a client with these credentials, as the environment describes it, with its proxy.

    A loopback host, such as the emulator, is reached directly, since no proxy could reach it.
    """
    host = urlsplit(check_base_url(base_url_from_env() or BASE_URL)).hostname or ""
    settings["trust_env"] = not (no_proxy or is_loopback(host))
    return AsyncPropQ.from_env(credentials=credentials, **settings)


def explained(error: PropQError, propq: AsyncPropQ) -> str:
    """Return the text of an error. If it mentions a proxy, name the one that was used."""
    text = str(error)
    if "proxy" not in text:
        return text
    if propq.proxy is None:
        return tr("{text} (no proxy was used)").format(text=text)
    return tr("{text} (the proxy was {proxy}; --no-proxy goes without it)").format(
        text=text, proxy=propq.proxy
    )
