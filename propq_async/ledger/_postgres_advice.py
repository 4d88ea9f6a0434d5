"""Where a server is, without its password, and what to do about it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from propq_async._messages import joined, tr
from propq_async._secret import SecretDict, SecretStr
from propq_async.errors import ConfigurationError

from ._advice import PUT_BACK

__all__ = ["parsed", "server_advice"]

# What the URL may say otherwise. A server that is gone is noticed within half a minute.
_DEFAULTS: Final = {
    "application_name": "propq",
    "client_encoding": "UTF8",
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
# By the beginning of the code: https://www.postgresql.org/docs/current/errcodes-appendix.html
_REMEDIES: Final = {
    "25006": tr("it is a standby: name the primary"),
    "42501": tr("grant this to the user of the URL"),
    "42": PUT_BACK,
    "53": tr("make room on the server; what was sent and is not noted is sent again"),
    "55P03": tr("another program has a transaction open in it: close it there, and try again"),
    "57": tr("try again when the server is there; what was sent and is not noted is sent again"),
    # What goes wrong with the connection has no code.
    "": tr(
        "see that the server is running and can be reached, and that user, "
        "password (in the URL, PGPASSWORD or ~/.pgpass) and database are right; "
        "what was sent and is not noted is sent again"
    ),
}


def parsed(name: str, url: SecretStr) -> tuple[SecretStr, str]:
    """Return how to connect, and the URL without its password.

    Args:
        name: the setting or variable that the URL comes from.
        url: the URL.

    Raises:
        ConfigurationError: it cannot be read.
    """
    given: SecretDict | None = None
    with suppress(psycopg.Error):
        given = SecretDict(conninfo_to_dict(url))
    if given is None or _is_torn(given):
        raise ConfigurationError(
            tr(
                "{name} cannot be read: it must look like "
                "postgresql://user:password@host/database, and what is special in a URL is "
                "written as %40 (@), %2F (/), %3A (:) or %25 (%)"
            ).format(name=name)
        )
    return SecretStr(make_conninfo(**{**_DEFAULTS, **given})), _shown(given)


def _is_torn(given: dict[str, Any]) -> bool:
    """Return whether a password that is not encoded was taken apart."""
    # Its end is taken for the host, the port or the database.
    ports = str(given.get("port", "")).split(",")
    return any("@" in str(given.get(part, "")) for part in ("host", "dbname")) or not all(
        port.isdecimal() for port in ports if port
    )


def _shown(given: dict[str, Any]) -> str:
    user, host, port, name = (str(given.get(p, "")) for p in ("user", "host", "port", "dbname"))
    user = quote(user) + "@" * bool(user)
    host = f"[{host}]" if ":" in host else quote(host, safe=",")
    # Without a port, there is a comma for each further host.
    port = f":{port}" if port.strip(",") else ""
    return f"postgresql://{user}{host}{port}/{quote(name)}"


def server_advice(error: psycopg.Error) -> str:
    """Return what the server says, and what to do."""
    said = " ".join((error.diag.message_primary or str(error)).split())
    code = error.sqlstate or ""
    remedy = next((_REMEDIES[code[:n]] for n in (5, 2) if code[:n] in _REMEDIES), None)
    return said if remedy is None else joined("; ", (said, remedy))
