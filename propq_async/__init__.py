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

if TYPE_CHECKING:
    from .batch import UnitBatch
    from .client import AsyncPropQ
    from .config import DEFAULT_FILE, INHERIT, Clock, RetryPolicy
    from .errors import (
        APIConnectionError,
        APIError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        BadRequestError,
        ConfigurationError,
        InvalidUpdateError,
        NotFoundError,
        PermissionDeniedError,
        PropQError,
        RateLimitError,
        RedirectError,
        ServerError,
        TokenError,
        TokenRefusedError,
        TokenUnavailableError,
        UnexpectedResponseError,
        UnprocessableError,
        WrongMethodError,
    )
    from .models import (
        Credentials,
        Direction,
        Token,
        TokenKey,
        UnitOutcome,
        UnitStatus,
        UnitUpdate,
    )
    from .session import PropQSession
    from .stats import Stats
    from .stores import JsonFileTokenStore, MemoryTokenStore, TokenStore
    from .tokens import TokenManager
else:
    # Who imports only a part of the package, as pytest does with the plugin in it, does not pay for
    # all of it.
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "batch": ("UnitBatch",),
            "client": ("AsyncPropQ",),
            "config": ("DEFAULT_FILE", "INHERIT", "Clock", "RetryPolicy"),
            "errors": (
                "APIConnectionError",
                "APIError",
                "APIStatusError",
                "APITimeoutError",
                "AuthenticationError",
                "BadRequestError",
                "ConfigurationError",
                "InvalidUpdateError",
                "NotFoundError",
                "PermissionDeniedError",
                "PropQError",
                "RateLimitError",
                "RedirectError",
                "ServerError",
                "TokenError",
                "TokenRefusedError",
                "TokenUnavailableError",
                "UnexpectedResponseError",
                "UnprocessableError",
                "WrongMethodError",
            ),
            "models": (
                "Credentials",
                "Direction",
                "Token",
                "TokenKey",
                "UnitOutcome",
                "UnitStatus",
                "UnitUpdate",
            ),
            "session": ("PropQSession",),
            "stats": ("Stats",),
            "stores": ("JsonFileTokenStore", "MemoryTokenStore", "TokenStore"),
            "tokens": ("TokenManager",),
        },
    )

__all__ = [
    "DEFAULT_FILE",
    "INHERIT",
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncPropQ",
    "AuthenticationError",
    "BadRequestError",
    "Clock",
    "ConfigurationError",
    "Credentials",
    "Direction",
    "InvalidUpdateError",
    "JsonFileTokenStore",
    "MemoryTokenStore",
    "NotFoundError",
    "PermissionDeniedError",
    "PropQError",
    "PropQSession",
    "RateLimitError",
    "RedirectError",
    "RetryPolicy",
    "ServerError",
    "Stats",
    "Token",
    "TokenError",
    "TokenKey",
    "TokenManager",
    "TokenRefusedError",
    "TokenStore",
    "TokenUnavailableError",
    "UnexpectedResponseError",
    "UnitBatch",
    "UnitOutcome",
    "UnitStatus",
    "UnitUpdate",
    "UnprocessableError",
    "WrongMethodError",
    "__version__",
]

# Without it the logging module prints warnings of programs that have not configured it.
logging.getLogger(__name__).addHandler(logging.NullHandler())
