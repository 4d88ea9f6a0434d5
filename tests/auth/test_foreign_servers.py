"""Token servers that others have written: django-oauth-toolkit, and panva's oidc-provider."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from propq_async import (
    AsyncPropQ,
    Credentials,
    TokenManager,
    TokenRefusedError,
    UnitStatus,
    UnitUpdate,
)
from tests.helpers.foreign_servers import CREDENTIALS, django, oidc, oidc_provider

__all__ = ["oidc_provider"]

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(300)]

ROWS = 300


def update(number: int) -> UnitUpdate:
    return UnitUpdate("4711", f"U-{number}", UnitStatus.SOLD, 250_000, ["N"])


async def test_tokens_are_deleted_in_the_middle_of_a_batch(tmp_path: Path) -> None:
    with django(tmp_path, 3600) as server:
        async with (
            AsyncPropQ(CREDENTIALS, base_url=server.url, token_store=None) as propq,
            propq.session() as session,
        ):
            done = set()
            async with session.units.update_many(map(update, range(ROWS)), concurrency=8) as batch:
                async for outcome in batch:
                    assert outcome.ok, outcome.error
                    done.add(outcome.update.name)
                    if len(done) in (100, 200):
                        server.delete_tokens()
            assert len(done) == ROWS
            # The one that the last deletion left.
            assert server.count_tokens() == 1


async def test_tokens_of_three_seconds_are_renewed_ahead(tmp_path: Path) -> None:
    """In real time, since the server has a clock of its own."""
    with django(tmp_path, 3) as server:
        async with (
            AsyncPropQ(CREDENTIALS, base_url=server.url, token_store=None) as propq,
            propq.session() as session,
        ):
            seen = set()
            await session.units.update(update(0))  # which waits until the server is up
            ends_at = asyncio.get_running_loop().time() + 8
            number = 0
            while asyncio.get_running_loop().time() < ends_at:
                number += 1
                assert await session.units.update(update(number))
                seen.add((await propq.tokens.get_token()).access_token)
            # No call met one that had expired.
            assert 3 <= len(seen) <= 8


async def test_a_wrong_secret_is_refused_by_each(tmp_path: Path, oidc_provider: Path) -> None:
    wrong = Credentials(4242, "wrong")
    with django(tmp_path, 3600) as server, oidc(oidc_provider, 3600) as url:
        for base_url in (server.url, url):
            manager = TokenManager(wrong, token_url=f"{base_url}/oauth/token")
            with pytest.raises(TokenRefusedError) as caught:
                await manager.get_token()
            await manager.aclose()
            assert (caught.value.status, caught.value.error) == (401, "invalid_client")


async def test_oidc_provider_gives_tokens(oidc_provider: Path) -> None:
    with oidc(oidc_provider, 3) as url:
        manager = TokenManager(CREDENTIALS, token_url=f"{url}/oauth/token")
        first = await manager.get_token()
        assert (first.expires_at - first.issued_at).total_seconds() == 3
        assert (await manager.get_token()) is first
        second = await manager.refresh()
        assert second.access_token != first.access_token
        await manager.aclose()
