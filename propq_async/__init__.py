"""The asyncio client SDK for the PropQ API of Resales Online.

from propq_async import AsyncPropQ, Direction, UnitStatus, UnitUpdate

async with AsyncPropQ.from_env() as propq, propq.session() as session:
    await session.units.update(
        UnitUpdate(
            development_id="4711",
            name="A-101",
            status=UnitStatus.SOLD,
            price=250_000,
            directions=[Direction.N, Direction.S],
        )
    )
"""

import logging
from typing import TYPE_CHECKING

from ._lazy import lazily
from ._version import __version__

__all__ = [
    "DEFAULT_FILE",
    "INHERIT",
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "Applied",
    "AsyncPropQ",
    "AuthenticationError",
    "BadRequestError",
    "Clock",
    "Closing",
    "ConfigurationError",
    "Credentials",
    "Direction",
    "Durations",
    "Failed",
    "InvalidUpdateError",
    "JsonFileTokenStore",
    "Lease",
    "LedgerBusyError",
    "LedgerError",
    "MemoryTokenStore",
    "NotFoundError",
    "Opened",
    "Pace",
    "PermissionDeniedError",
    "PriceListError",
    "PropQError",
    "PropQSession",
    "RateLimitError",
    "RedirectError",
    "RetryPolicy",
    "SecretSource",
    "ServerError",
    "SharedLimiter",
    "Stats",
    "SupersededError",
    "Token",
    "TokenError",
    "TokenKey",
    "TokenManager",
    "TokenRefusedError",
    "TokenStore",
    "TokenUnavailableError",
    "UnconfirmedError",
    "UnexpectedResponseError",
    "UnitBatch",
    "UnitOutcome",
    "UnitStatus",
    "UnitUpdate",
    "UnprocessableError",
    "WrongMethodError",
    "__version__",
]

if TYPE_CHECKING:
    from ._auth.json_file import JsonFileTokenStore
    from ._auth.manager import TokenManager
    from ._auth.stores import MemoryTokenStore, TokenStore
    from ._client.batch import UnitBatch
    from ._client.factory import AsyncPropQ
    from ._client.session import PropQSession
    from ._throttling.fleet import Closing, Lease, Opened, Pace, SharedLimiter
    from .clock import Clock
    from .config import DEFAULT_FILE, INHERIT
    from .credentials import Credentials, SecretSource, Token, TokenKey
    from .errors import (
        APIConnectionError,
        APIError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        BadRequestError,
        ConfigurationError,
        InvalidUpdateError,
        LedgerBusyError,
        LedgerError,
        NotFoundError,
        PermissionDeniedError,
        PriceListError,
        PropQError,
        RateLimitError,
        RedirectError,
        ServerError,
        SupersededError,
        TokenError,
        TokenRefusedError,
        TokenUnavailableError,
        UnconfirmedError,
        UnexpectedResponseError,
        UnprocessableError,
        WrongMethodError,
    )
    from .models import Applied, Direction, Failed, UnitOutcome, UnitStatus, UnitUpdate
    from .retry import RetryPolicy
    from .stats import Durations, Stats
else:
    # A program that imports only a part of the package, as pytest does with the plugin, does not
    # have to wait for the rest.
    __getattr__, __dir__ = lazily(
        __name__,
        __all__,
        [
            "errors",
            "clock",
            "config",
            "credentials",
            "models",
            "retry",
            "stats",
            "_throttling.fleet",
            "_auth.stores",
            "_auth.manager",
            "_auth.json_file",
            "_client.batch",
            "_client.session",
            "_client.factory",
        ],
    )

# Otherwise the warnings of this package are printed in programs that do not configure logging.
logging.getLogger(__name__).addHandler(logging.NullHandler())
