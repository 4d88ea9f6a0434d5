"""What to do about errors that are not the API's own, or not the fault of the update."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

from propq_async._messages import tr

from .messages import Reply

ASKS_FOR_LOGIN: Final = tr(
    "the proxy wants a login: put it before the host in the URL of the proxy"
)

_CLIENT_CERTIFICATE: Final = tr(
    "the server wants a certificate of the client: load it with "
    "load_cert_chain into an ssl.SSLContext, and give that as ssl_context"
)

_WRONG_SCHEME: Final = tr("the server wants TLS: write https:// in the base URL, or another port")

_LARGE_HEADERS: Final = tr(
    "the access token is larger than the server, or a proxy before it, allows "
    "a header to be: ask its operator for a higher limit"
)

_LOGIN_OF_ANOTHER: Final = tr(
    "a web server or proxy in front of the API wants a login of its own: check the "
    "base URL, and ask its operator to let the API's paths through"
)

_PAGE_OF_ANOTHER: Final = tr(
    "this is a web page, and the API sends none: check the base URL, and what "
    "stands in front of the API (a proxy, a firewall)"
)

_NO_ROUTE: Final = tr(
    "the API has no such path: check the base URL, which ends before /v1, and the path"
)

_NOT_SAID: Final = tr(
    "the server does not say what is missing: check the base URL and the "
    "path, then the development id and the name of the unit, spaces and case "
    "included"
)

# Patterns are compiled when they are first used, since most programs never see such answers.
# Of Laravel: a 404 names the route since version 9, and has an empty message before.
_ROUTE: Final = r'"the route [^"]* could not be found\."'
_EMPTY_MESSAGE: Final = r'^\s*\{\s*"message":\s*""\s*\}\s*$'

# Texts in lower case, as nginx, Apache and HAProxy send them with a 4xx.
_TEXTS: Final = (
    ("no required ssl certificate was sent", _CLIENT_CERTIFICATE),
    ("the ssl certificate error", _CLIENT_CERTIFICATE),
    ("plain http request was sent to https port", _WRONG_SCHEME),
    ("speaking plain http to an ssl-enabled server port", _WRONG_SCHEME),
    ("request header or cookie too large", _LARGE_HEADERS),
    ("size of a request header field exceeds server limit", _LARGE_HEADERS),
)

_STATUSES: Final[dict[int, str]] = {
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: ASKS_FOR_LOGIN,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: _LARGE_HEADERS,
}

# Of these the API answers in JSON only. It answers 419 with a page as well.
_NEVER_PAGES: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
)

# The codes of RFC 6749 section 5.2 that do not speak of client id and secret.
_OAUTH_ERRORS: Final = {
    "invalid_scope": tr(
        "ask Resales Online which scopes this client has: id and secret are accepted"
    ),
    "unauthorized_client": tr(
        "ask Resales Online to allow this client the grant client_credentials"
    ),
    "unsupported_grant_type": (
        tr(
            "the request was changed on its way, or this is not the API's token "
            "endpoint: check the base URL and the proxy"
        )
    ),
}

_PAGE: Final = r"\s*<(!doctype\s+html|html|head|title|h1)\b"
_PASSWORD_SCHEMES: Final = ("basic", "digest", "negotiate", "ntlm")


def is_page(text: str) -> bool:
    return re.match(_PAGE, text, re.IGNORECASE) is not None


def advice_on(reply: Reply, text: str) -> str | None:
    """Return what to do about a 4xx, `None` if it is the API's own; `text` is that of its body."""
    folded = text.lower()
    for words, advice in _TEXTS:
        if words in folded:
            return advice
    if reply.status == HTTPStatus.NOT_FOUND and re.search(_ROUTE, folded):
        return _NO_ROUTE
    if reply.status == HTTPStatus.NOT_FOUND and re.match(_EMPTY_MESSAGE, text):
        return _NOT_SAID
    is_of_another = is_page(text) or (not text.strip() and _wants_password(reply))
    if is_of_another and reply.status in _NEVER_PAGES:
        is_login = reply.status == HTTPStatus.UNAUTHORIZED
        return _LOGIN_OF_ANOTHER if is_login else _PAGE_OF_ANOTHER
    return _STATUSES.get(reply.status)


def advice_on_oauth_error(error: str | None) -> str | None:
    """Return what to do about an error code, `None` if client id and secret are to be checked."""
    return _OAUTH_ERRORS.get(error or "")


def _wants_password(reply: Reply) -> bool:
    return reply.headers.get("WWW-Authenticate", "").lower().startswith(_PASSWORD_SCHEMES)
