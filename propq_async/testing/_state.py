"""What the emulator remembers, and the lock that guards it."""

from __future__ import annotations

import secrets
import threading

import attrs

from ._api import Api
from ._faults import Faults
from ._oauth import Tokens
from ._request_log import RequestLog
from ._settings import Settings

__all__ = ["State"]


def _new_run_id() -> str:
    return secrets.token_hex(8)


@attrs.define(eq=False, repr=False)
class State:
    """What one emulator remembers from its start, or from its latest reset.

    Hold `lock` while you read or change anything, and no longer.
    """

    _settings: Settings
    lock: threading.RLock = attrs.field(factory=threading.RLock, init=False)
    tokens: Tokens = attrs.field(init=False)
    api: Api = attrs.field(init=False)
    request_log: RequestLog = attrs.field(init=False)
    faults: Faults = attrs.field(factory=Faults, init=False)
    token_requests: int = attrs.field(default=0, init=False)
    calls: int = attrs.field(default=0, init=False)
    # It changes with each reset, and differs between emulators.
    run_id: str = attrs.field(factory=_new_run_id, init=False)

    def __attrs_post_init__(self) -> None:
        credentials = self._settings.credentials
        self.tokens = Tokens(credentials)
        self.api = Api(self._settings, self.tokens)
        self.request_log = RequestLog(credentials.client_secret)

    def clear(self) -> None:
        """Forget everything."""
        self.run_id = _new_run_id()
        self.tokens.revoke()
        self.faults.clear()
        self.request_log.clear()
        self.api.clear()
        self.token_requests = self.calls = 0
