"""From a request of aiohttp to its response: reading, waiting, answering, telling the test."""

from __future__ import annotations

import asyncio

import attrs
from aiohttp import web

from propq_async.testing import _laravel as laravel

from ._admin import ADMIN_PREFIX, Admin
from ._dispatch import Answers, broken, is_token_path
from ._input import ApiRequest
from ._replies import Reply, default_reply
from ._settings import Settings
from ._state import State
from ._values import RecordedRequest

__all__ = ["Handler"]


@attrs.define
class Handler:
    """Handles every request that the listener receives."""

    _settings: Settings
    _state: State
    _admin: Admin
    _answers: Answers

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, or close its connection."""
        reply = await self._reply(request)
        if reply is None:
            request.protocol.force_close()
            return web.Response()  # which nobody gets
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)

    async def _reply(self, request: web.BaseRequest) -> Reply | None:
        path, _, query = request.raw_path.partition("?")
        if not path.startswith("/"):  # sent through a proxy
            path = request.url.raw_path
        if "Expect" in request.headers:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            body = await request.read()
        except ConnectionError:
            # The client left before it had sent everything, and aiohttp would log an error.
            return None
        except web.HTTPRequestEntityTooLarge:
            return self._refuse_too_large(request.method, path)
        with self._state.lock:
            reply = self._admin.answer(request, path, body)
            if reply is not None:
                return reply
            self._answers.count(path)
            run_id = self._state.run_id
            is_of_token = is_token_path(path)
            latency_seconds = (
                self._settings.token_latency_seconds
                if is_of_token
                else self._settings.latency_seconds
            )
        if latency_seconds:
            await asyncio.sleep(latency_seconds)
        with self._state.lock:
            if run_id != self._state.run_id:  # there was a reset
                return None
            reply, entry = self._answers.answer(_received(request, path, query, body))
        return self._tell(entry, reply)

    def _refuse_too_large(self, method: str, path: str) -> Reply | None:
        reply = default_reply(413)
        if path.startswith(ADMIN_PREFIX):
            return reply
        with self._state.lock:
            entry = self._answers.log_too_large(method, path, reply)
        return self._tell(entry, reply)

    def _tell(self, entry: RecordedRequest, reply: Reply | None) -> Reply | None:
        if self._settings.on_request is not None:
            try:
                self._settings.on_request(entry)
            except Exception as error:  # noqa: BLE001 - of a function that is not ours
                return broken("on_request", error)
        return reply


def _received(request: web.BaseRequest, path: str, query: str, body: bytes) -> ApiRequest:
    data = None
    if laravel.is_json(request.headers.get("Content-Type", "")):
        data = laravel.parse_json(body)
    return ApiRequest(request.method, path, query, request.headers, body, data)
