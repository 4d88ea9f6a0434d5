"""The other libraries whose calls are compared, each as its documentation shows, not patched."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any, Final

import authlib.deprecate  # type: ignore[import-untyped] # it has no types
import curl_cffi
import httpx
import niquests
import primp
import wreq
from pyreqwest.client import ClientBuilder

from .clients import CONNECTIONS, HEADERS, TOKEN, Client, Naive, Ours, Tuned, UpdateMany, body

with warnings.catch_warnings():
    # authlib turns its own warnings on, and says in each process that httpx has a successor.
    warnings.simplefilter("ignore", authlib.deprecate.AuthlibDeprecationWarning)
    from authlib.integrations.httpx_client import (  # type: ignore[import-untyped] # it has none
        AsyncOAuth2Client,
    )

__all__ = ["CLIENTS"]


class Httpx(Client):
    """httpx."""

    name = package = "httpx"

    async def open(self) -> None:
        """Open a client."""
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        self.client = await self.stack.enter_async_context(
            httpx.AsyncClient(
                headers=HEADERS, limits=limits, timeout=300, verify=self.context or True
            )
        )

    async def update(self, name: str) -> Any:
        """Make one update."""
        response = await self.client.post(self.url, json=body(name))
        response.raise_for_status()
        return response.json()["UntName"]


class Authlib(Httpx):
    """Authlib's client on httpx, with a token at hand."""

    name, package = "authlib", "Authlib"

    async def open(self) -> None:
        """Open a client."""
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        token = {"access_token": TOKEN, "token_type": "Bearer", "expires_at": time.time() + 86_400}
        self.client = await self.stack.enter_async_context(
            AsyncOAuth2Client(
                "1", "secret", token=token, limits=limits, timeout=300, verify=self.context or True
            )
        )


class Niquests(Client):
    """niquests."""

    name = package = "niquests"

    async def open(self) -> None:
        """Open a session."""
        self.session = await self.stack.enter_async_context(
            niquests.AsyncSession(pool_maxsize=CONNECTIONS, headers=HEADERS)
        )

    async def update(self, name: str) -> Any:
        """Make one update."""
        response = await self.session.post(
            self.url,
            json=body(name),
            # Here, since what the environment says goes before what the session says.
            verify=self.certificate or True,
        )
        response.raise_for_status()
        return response.json()["UntName"]


class Pyreqwest(Client):
    """pyreqwest: reqwest, written in Rust."""

    name = package = "pyreqwest"

    async def open(self) -> None:
        """Build a client."""
        builder = ClientBuilder().default_headers(HEADERS).error_for_status(enable=True)
        builder = builder.max_connections(CONNECTIONS)
        if self.certificate is not None:
            # Before the clock runs.
            pem = Path(self.certificate).read_bytes()  # noqa: ASYNC240 - read before the run
            builder = builder.add_root_certificate_pem(pem)
        self.client = await self.stack.enter_async_context(builder.build())

    async def update(self, name: str) -> Any:
        """Make one update."""
        response = await self.client.post(self.url).body_json(body(name)).build().send()
        return (await response.json())["UntName"]


class CurlCffi(Client):
    """curl_cffi: libcurl."""

    name = package = "curl_cffi"

    async def open(self) -> None:
        """Open a session."""
        self.session = await self.stack.enter_async_context(
            curl_cffi.AsyncSession(
                headers=HEADERS, max_clients=CONNECTIONS, verify=self.certificate or True
            )
        )

    async def update(self, name: str) -> Any:
        """Make one update."""
        response = await self.session.post(self.url, json=body(name))
        response.raise_for_status()
        return response.json()["UntName"]


class Primp(Client):
    """primp: reqwest, written in Rust."""

    name = package = "primp"

    async def open(self) -> None:
        """Make a client."""
        self.client = await self.stack.enter_async_context(
            primp.AsyncClient(headers=HEADERS, ca_cert_file=self.certificate)
        )

    async def update(self, name: str) -> Any:
        """Make one update."""
        response = await self.client.post(self.url, json=body(name))
        response.raise_for_status()
        return response.json()["UntName"]


class Wreq(Client):
    """wreq: another client written in Rust."""

    name = package = "wreq"

    async def open(self) -> None:
        """Make a client."""
        verify = True if self.certificate is None else Path(self.certificate)
        self.client = wreq.Client(
            headers=HEADERS, tls_verify=verify, pool_max_size=CONNECTIONS, raise_for_status=True
        )

    async def update(self, name: str) -> Any:
        """Make one update."""
        response = await self.client.post(self.url, json=body(name))
        return (await response.json())["UntName"]


CLIENTS: Final[tuple[type[Client], ...]] = (
    Naive,
    Tuned,
    Httpx,
    Authlib,
    Niquests,
    Pyreqwest,
    CurlCffi,
    Primp,
    Wreq,
    Ours,
    UpdateMany,
)
