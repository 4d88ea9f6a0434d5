"""The libraries that are compared, each used as its documentation shows, behind one `get`.

What is adapted, and why, is said at each; nothing is patched. All have their default settings, but
for timeouts that are long enough not to matter.
"""

from __future__ import annotations

import io
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ClassVar, Final

import httpx
from authlib.integrations.httpx_client import (  # type: ignore[import-untyped] # it has no types
    AsyncOAuth2Client,
)
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy
from azure.core.pipeline.transport import AioHttpTransport, HttpRequest
from azure.identity.aio import ClientSecretCredential
from gcloud.aio.auth import Token as GcloudToken
from httpx_auth import OAuth2, OAuth2ClientCredentials

from propq_async import Clock, Credentials, Token, TokenManager

__all__ = ["HERD_PEERS", "PEERS", "Peer"]

TIMEOUT_SECONDS: Final = 60


class Peer(ABC):
    """One library, as a client of one token endpoint.

    `get` ends when there is a usable token, or raises. It is the library's own coroutine function
    wherever there is one, so that a measurement measures nothing else.
    """

    name: ClassVar[str]
    # A token that lives this long is due for renewal once `age` has been called, and still good.
    ageing_lifetime_seconds: ClassVar[int] = 3600

    get: Callable[[], Awaitable[Any]]

    @abstractmethod
    def __init__(self, url: str) -> None: ...

    def age(self) -> None:  # noqa: B027 - for some, the lifetime is enough
        """Let the time come when the library wants to renew its token."""

    async def bearer(self) -> str:
        """Return what a call made now would carry."""
        return str(await self.get())

    def refuse(self, bearer: str) -> None:  # noqa: B027 - most have no word for it
        """Say that the server refused a call that carried this, where the library can be told."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close connections."""


class Ours(Peer):
    """This project's `TokenManager`, token in memory."""

    name = "propq-async"

    def __init__(self, url: str, clock: Clock = Clock()) -> None:  # noqa: B008 - frozen
        self._manager = TokenManager(Credentials(1, "secret"), token_url=url, clock=clock)
        self.get = self._manager.get_token
        self._given: dict[str, Token] = {}

    async def bearer(self) -> str:
        token = await self.get()
        return self._given.setdefault(token.access_token, token).access_token

    def refuse(self, bearer: str) -> None:
        self._manager.invalidate(self._given[bearer])

    async def aclose(self) -> None:
        await self._manager.aclose()


class OursAgeing(Ours):
    """The same with a clock that can be moved, which costs time."""

    def __init__(self, url: str) -> None:
        self._offset_seconds = 0.0
        clock = Clock(
            wall=lambda: time.time() + self._offset_seconds,
            monotonic=lambda: time.monotonic() + self._offset_seconds,
        )
        super().__init__(url, clock)

    def age(self) -> None:
        self._offset_seconds = 3400.0  # of the 3,600 of a lifetime


class Authlib(Peer):
    """`AsyncOAuth2Client` on httpx.

    It has no call that fetches the first token when there is none, so the caller looks first.
    """

    name = "Authlib"

    def __init__(self, url: str) -> None:
        self._client = AsyncOAuth2Client(
            "1",
            "secret",
            token_endpoint=url,
            grant_type="client_credentials",
            timeout=TIMEOUT_SECONDS,
        )
        self.get = self._get

    async def _get(self) -> Any:
        client = self._client
        if not client.token:
            await client.fetch_token()
        await client.ensure_active_token(client.token)
        return client.token["access_token"]

    def age(self) -> None:
        # It renews 60 s before the end, so it would renew a token as short-lived at once.
        self._client.token["expires_at"] = int(time.time()) + 30

    async def aclose(self) -> None:
        await self._client.aclose()


class GcloudAio(Peer):
    """`Token` of gcloud-aio-auth.

    It knows no client credentials; the flow for an authorized user is the one that can be pointed
    at another endpoint, and is one POST of a form as well.
    """

    name = "gcloud-aio-auth"

    def __init__(self, url: str) -> None:
        settings = {
            "type": "authorized_user",
            "client_id": "1",
            "client_secret": "secret",
            "refresh_token": "refresh",
            "token_uri": url,
        }
        self._token = GcloudToken(service_file=io.StringIO(json.dumps(settings)))
        self.get = self._token.get

    def age(self) -> None:
        self._token.access_token_preempt_after = 0  # as if half of its life were over

    async def aclose(self) -> None:
        await self._token.close()


class _PlainTransport(AioHttpTransport):  # type: ignore[misc] # azure-core loads it lazily
    """azure-identity insists on https: it gets an https URL, and the transport leaves TLS out."""

    async def send(self, request: Any, **options: Any) -> Any:
        request.url = request.url.replace("https://", "http://", 1)
        return await super().send(request, **options)


class Azure(Peer):
    """azure-identity's credential in azure-core's policy: what every Azure client does per call."""

    name = "azure-identity"
    ageing_lifetime_seconds = 100  # it renews 300 s before the end

    def __init__(self, url: str) -> None:
        authority, _, tenant = url.replace("http://", "https://", 1).rpartition("/")
        self._credential = ClientSecretCredential(
            tenant, "1", "secret", authority=authority, transport=_PlainTransport()
        )
        policy: Any = AsyncBearerTokenCredentialPolicy(self._credential, "scope/.default")
        self._request = HttpRequest("GET", "https://127.0.0.1/")
        self.get = partial(policy.on_request, PipelineRequest(self._request, PipelineContext(None)))

    async def bearer(self) -> str:
        await self.get()
        return str(self._request.headers["Authorization"])

    def age(self) -> None:
        # It renews at most once in 30 s: as if these were over.
        self._credential._last_request_time = 0  # noqa: SLF001 - private, as said above

    async def aclose(self) -> None:
        await self._credential.close()


class HttpxAuth(Peer):
    """`OAuth2ClientCredentials` of httpx-auth: what httpx does with it before each request.

    It fetches with a synchronous client, in asynchronous code as well.
    """

    name = "httpx-auth"
    ageing_lifetime_seconds = 20  # it renews 30 s before the end

    def __init__(self, url: str) -> None:
        OAuth2.token_cache.clear()  # one for the whole process
        self._auth = OAuth2ClientCredentials(url, "1", "secret", timeout=TIMEOUT_SECONDS)
        self._request = httpx.Request("GET", "http://127.0.0.1/")
        self.get = self._get

    async def _get(self) -> Any:
        return next(self._auth.auth_flow(self._request))

    async def bearer(self) -> str:
        await self.get()
        return str(self._request.headers["Authorization"])

    async def aclose(self) -> None:
        OAuth2.token_cache.clear()


PEERS: Final[tuple[type[Peer], ...]] = (Ours, Authlib, GcloudAio, Azure, HttpxAuth)
HERD_PEERS: Final[tuple[type[Peer], ...]] = (OursAgeing, *PEERS[1:])
