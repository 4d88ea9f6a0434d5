"""`propq token`: the access token that is kept for all processes. Its value is never shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from propq_async import AsyncPropQ, Credentials, JsonFileTokenStore, Token, TokenKey
from propq_async.client import default_token_file
from propq_async.config import (
    BASE_URL,
    TOKEN_PATH,
    base_url_from_env,
    check_base_url,
    token_file_from_env,
)

from .ending import CommandError, Exit
from .output import Screen
from .plan import interruptible

__all__ = ["clear", "refresh", "show"]


def _stored() -> tuple[JsonFileTokenStore, TokenKey]:
    """Return the store that the other commands use, and the key of the token in it."""
    client_id = Credentials.from_env().client_id
    token_url = check_base_url(base_url_from_env() or BASE_URL) + TOKEN_PATH
    path = token_file_from_env() or default_token_file(token_url, client_id)
    return JsonFileTokenStore(path), TokenKey(token_url, client_id)


def _facts(token: Token, store: JsonFileTokenStore, key: TokenKey) -> dict[str, str]:
    left = timedelta(seconds=int((token.expires_at - datetime.now(UTC)).total_seconds()))
    return {
        "client": f"{key.client_id} at {key.token_url}",
        "file": str(store.path),
        "type": token.token_type,
        "issued": f"{token.issued_at.astimezone():%Y-%m-%d %H:%M:%S %z}",
        "expires": f"{token.expires_at.astimezone():%Y-%m-%d %H:%M:%S %z}, in {left}",
    }


async def show() -> Exit:
    """Show what is known of the token, but not its value."""
    return await interruptible(_show())


async def _show() -> Exit:
    store, key = _stored()
    token = await store.load(key)
    if token is None:
        Screen().sentence(
            f"no token for client {key.client_id} in {store.path}: the next call fetches one"
        )
    else:
        Screen().section("Access token", list(_facts(token, store, key).items()))
    return Exit.DONE


async def refresh() -> Exit:
    """Fetch a new token in place of the one that is kept."""
    return await interruptible(_refresh())


async def _refresh() -> Exit:
    store, key = _stored()
    async with AsyncPropQ.from_env() as propq:
        token = await propq.tokens.refresh()
    kept = await store.load(key)
    if kept is None or kept.access_token != token.access_token:
        raise CommandError(
            f"fetched a new access token, but {store.path} does not hold it: other processes fetch "
            "their own; give access to that file, or name another in PROPQ_TOKEN_FILE",
            Exit.STOPPED,
        )
    Screen().section("Fetched a new access token", list(_facts(token, store, key).items()))
    return Exit.DONE


async def clear() -> Exit:
    """Forget the token that is kept."""
    return await interruptible(_clear())


async def _clear() -> Exit:
    store, key = _stored()
    had = await store.load(key)
    await store.clear(key)
    said = "forgot the token" if had is not None else "there was no token"
    Screen().sentence(f"{said} of client {key.client_id} in {store.path}")
    return Exit.DONE
