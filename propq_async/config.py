"""The default settings, and the markers `DEFAULT_FILE` and `INHERIT`."""

from __future__ import annotations

from enum import Enum
from typing import Final

__all__ = [
    "BASE_URL",
    "CONCURRENCY",
    "DEFAULT_FILE",
    "INHERIT",
    "MAX_OUTAGE_SECONDS",
    "TIMEOUT_SECONDS",
    "TOKEN_PATH",
    "DefaultFile",
    "Inherit",
]

BASE_URL: Final = "https://api.propq.com"
TOKEN_PATH: Final = "/oauth/token"  # noqa: S105 - a path
TIMEOUT_SECONDS: Final = 30.0
CONCURRENCY: Final = 100
MAX_OUTAGE_SECONDS: Final = 300.0


class Inherit(Enum):
    """The type of `INHERIT`: a session takes the setting of its factory."""

    INHERIT = "INHERIT"


class DefaultFile(Enum):
    """The type of `DEFAULT_FILE`: the token file at its default place."""

    DEFAULT_FILE = "DEFAULT_FILE"


INHERIT: Final = Inherit.INHERIT
DEFAULT_FILE: Final = DefaultFile.DEFAULT_FILE
