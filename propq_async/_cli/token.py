"""`propq token`: the access token in its file, or in Redis. Its value is never shown."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from propq_async import (
    Clock,
    ConfigurationError,
    JsonFileTokenStore,
    PropQError,
    Token,
    TokenKey,
    TokenStore,
)
from propq_async._auth.stores import default_token_file
from propq_async._client.default_store import redis_store_from_env
from propq_async._environment import IN_MEMORY, TOKEN_FILE_VARIABLE
from propq_async._messages import tr
from propq_async._paths import absolute_path
from propq_async._settings import base_url_from_env, token_file_from_env
from propq_async.config import BASE_URL, TIMEOUT_SECONDS, TOKEN_PATH

from .account import find_client_id, find_credentials
from .client import connect, explained
from .exit_codes import CommandError, Exit, exit_of
from .plan_json import dump
from .screen import Screen, report, store_warnings
from .signals import interruptible

__all__ = ["clear", "forget_token", "refresh", "show", "store_of"]


async def _stored() -> tuple[TokenStore, TokenKey, Path | None]:
    """Return the store that the other commands use, the key of the token in it, and its file."""
    # To look at a token, or to forget it, needs no secret.
    return store_of(await find_client_id())


def store_of(client_id: int) -> tuple[TokenStore, TokenKey, Path | None]:
    """Return the store of a client's token, the key of the token in it, and its file."""
    token_url = (base_url_from_env() or BASE_URL) + TOKEN_PATH
    key = TokenKey(token_url, client_id)
    redis = redis_store_from_env(TIMEOUT_SECONDS, Clock())
    if redis is not None:
        return redis, key, None
    named = token_file_from_env()
    if named == IN_MEMORY:
        raise CommandError(
            tr(
                "PROPQ_TOKEN_FILE=memory: keeps no token for other commands: set it to a "
                "path, or not at all"
            ),
            Exit.USAGE,
        )
    if named is not None:
        path: Path | None = absolute_path(TOKEN_FILE_VARIABLE, named)
    else:
        path = default_token_file(token_url, client_id)
    if path is None:
        raise CommandError(
            tr(
                "this user has no home directory to keep the token file in: name the file "
                "in {token_file_variable}"
            ).format(token_file_variable=TOKEN_FILE_VARIABLE),
            Exit.UNUSABLE,
        )
    return JsonFileTokenStore(path), key, path


@contextmanager
def _reaching() -> Iterator[None]:
    """Say what is wrong with a store that cannot be reached. A file is a miss instead."""
    try:
        yield
    except PropQError as error:
        raise CommandError(str(error), Exit.UNUSABLE) from None


def _facts(token: Token, path: Path | None, key: TokenKey) -> dict[str, str]:
    left = timedelta(seconds=int((token.expires_at - datetime.now(UTC)).total_seconds()))
    return {
        tr("client"): tr("{client_id} at {token_url}").format(
            client_id=key.client_id, token_url=key.token_url
        ),
        tr("file"): _named(path),
        tr("type"): token.token_type,
        tr("issued"): f"{token.issued_at.astimezone():%Y-%m-%d %H:%M:%S %z}",
        tr("expires"): tr("{time:%Y-%m-%d %H:%M:%S %z}, in {left}").format(
            time=token.expires_at.astimezone(), left=left
        ),
    }


def _named(path: Path | None) -> str:
    return "Redis" if path is None else str(path)


def _facts_json(token: Token | None, path: Path | None, key: TokenKey) -> dict[str, Any]:
    facts = {
        "client_id": key.client_id,
        "token_url": key.token_url,
        tr("file"): None if path is None else str(path),
        "has_token": token is not None,
    }
    if token is not None:
        facts |= {
            "token_type": token.token_type,
            "issued_at": token.issued_at.isoformat(),
            "expires_at": token.expires_at.isoformat(),
        }
    return facts


async def show(*, as_json: bool) -> Exit:
    """Show what is known of the token, but not its value."""
    with store_warnings():
        return await interruptible(_show(as_json=as_json))


async def _show(*, as_json: bool) -> Exit:
    store, key, path = await _stored()
    with _reaching():
        token = await store.load(key)
    if as_json:
        sys.stdout.write(dump(_facts_json(token, path, key)) + "\n")
    elif token is None:
        Screen().sentence(
            tr("no token for client {client_id} in {named}: the next call fetches one").format(
                client_id=key.client_id, named=_named(path)
            )
        )
    else:
        Screen().section(tr("Access token"), list(_facts(token, path, key).items()))
    return Exit.ROWS_FAILED if token is None else Exit.DONE


async def refresh(*, no_proxy: bool) -> Exit:
    """Fetch a new token and replace the stored one."""
    with store_warnings():
        return await interruptible(_refresh(no_proxy=no_proxy))


async def _refresh(*, no_proxy: bool) -> Exit:
    store, key, path = await _stored()
    client = connect(await find_credentials(), no_proxy=no_proxy)
    try:
        async with client as propq:
            token = await propq.tokens.refresh()
    except PropQError as error:
        raise CommandError(explained(error, client), exit_of(error)) from error
    with _reaching():
        kept = await store.load(key)
    if kept is None or kept.access_token != token.access_token:
        raise CommandError(
            tr(
                "fetched a new access token, but {named} does not hold it: other processes "
                "fetch their own; give access to that file, or name another in "
                "PROPQ_TOKEN_FILE"
            ).format(named=_named(path)),
            Exit.UNUSABLE,
        )
    facts = list(_facts(token, path, key).items())
    report(lambda screen: screen.section(tr("Fetched a new access token"), facts))
    return Exit.DONE


async def forget_token(client_id: int) -> None:
    """Delete the stored token of a client that is logged out, where one is kept."""
    with suppress(CommandError, ConfigurationError):
        store, key, _ = store_of(client_id)
        with _reaching():
            await store.clear(key)


async def clear() -> Exit:
    """Delete the stored token."""
    return await interruptible(_clear())


async def _clear() -> Exit:
    store, key, path = await _stored()
    with _reaching():
        had = await store.load(key)
        await store.clear(key)
    said = tr("forgot the token") if had is not None else tr("there was no token")
    report(
        lambda screen: screen.sentence(
            tr("{said} of client {client_id} in {named}").format(
                said=said, client_id=key.client_id, named=_named(path)
            )
        )
    )
    return Exit.DONE
