"""The environment variables that the package reads."""

from __future__ import annotations

import os
from typing import Final

ACCOUNT_VARIABLE: Final = "PROPQ_ACCOUNT"
# In the keyring, if none is named.
DEFAULT_ACCOUNT: Final = "default"
BASE_URL_VARIABLE: Final = "PROPQ_BASE_URL"
CLIENT_ID_VARIABLE: Final = "PROPQ_CLIENT_ID"
CLIENT_SECRET_VARIABLE: Final = "PROPQ_CLIENT_SECRET"  # noqa: S105 - the name of a variable
LEDGER_VARIABLE: Final = "PROPQ_LEDGER"
REDIS_URL_VARIABLE: Final = "PROPQ_REDIS_URL"
TOKEN_FILE_VARIABLE: Final = "PROPQ_TOKEN_FILE"  # noqa: S105 - the name of a variable

# Added to the name of a variable, it names a file with the value.
FILE_SUFFIX: Final = "_FILE"

# The value of PROPQ_TOKEN_FILE that keeps the token in memory instead of in a file.
IN_MEMORY: Final = "memory:"


def variable(name: str) -> str:
    """Return the value of a variable as it is written, an empty string if it is not set."""
    return os.environ.get(name, "")
