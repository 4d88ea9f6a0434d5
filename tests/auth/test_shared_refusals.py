# ruff: noqa: ASYNC240 - a look at a file blocks for nothing that matters here
"""What processes tell each other of a secret that was refused: through the file, or Redis."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from propq_async import (
    Credentials,
    JsonFileTokenStore,
    MemoryTokenStore,
    RetryPolicy,
    TokenKey,
    TokenManager,
    TokenRefusedError,
    TokenStore,
)
from propq_async._auth import refused_secret
from propq_async._auth.guarded_store import GuardedStore
from propq_async._auth.refused_secret import KEPT_SECONDS, MAX_SECONDS, RefusedSecret
from propq_async._auth.stores import RefusalStore
from propq_async._wire.messages import Lost, Reply
from propq_async._wire.refusal_file import SecretRefusal, dump_refusal, parse_refusal
from propq_async.redis import RedisTokenStore
from propq_async.testing import PropQEmulator
from tests.helpers import processes
from tests.helpers.processes import KEY, Process
from tests.helpers.redis_servers import RedisServer, running_redis
from tests.helpers.stores import OTHER_KEYS, mode, names, posix, warnings_of
from tests.helpers.support import FakeClock
from tests.helpers.tokens import issued, replied

OLD, NEW = "the-old-s3cret", "the-new-s3cret"
INVALID_CLIENT = replied(401, '{"error": "invalid_client", "message": "no"}')
REFUSED = TokenRefusedError("no", status=401, error="invalid_client")


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "campaign" not in request.keywords:
        monkeypatch.setattr(refused_secret, "HASH_ROUNDS", 2)


@attrs.define
class Fleet:
    """Managers that share nothing but a store, as processes do, before an endpoint."""

    store: Callable[[], TokenStore]
    time: FakeClock = attrs.field(factory=FakeClock)
    right: str = NEW
    refusal: Reply | Lost = INVALID_CLIENT
    requests: int = 0

    async def ask(self, url: str, credentials: Credentials, timeout_seconds: float) -> Reply | Lost:
        assert (url, timeout_seconds) == (KEY.token_url, 30.0)
        self.requests += 1
        return issued() if credentials.client_secret == self.right else self.refusal

    def manager(self, secret: Any = OLD, client_id: int = 7) -> TokenManager:
        return TokenManager(
            Credentials(client_id, secret),
            store=self.store(),
            retry=RetryPolicy(attempts=1),
            clock=self.time.clock,
            ask=self.ask,
        )


@pytest.fixture
def fleet(token_file: Path) -> Fleet:
    time = FakeClock()
    return Fleet(lambda: JsonFileTokenStore(token_file, clock=time.clock), time)


def mark(token_file: Path) -> Path:
    return token_file.with_name(f"{token_file.name}.refused")


async def told(secret: str = OLD, streak: int = 6) -> SecretRefusal:
    """Return what is told of a secret that was refused so many times in a row."""
    refused = RefusedSecret(time.monotonic)
    for _ in range(streak):
        refused.note(Credentials(7, secret), REFUSED)
    refusal = await refused.to_tell(Credentials(7, secret))
    assert refusal is not None
    return refusal


async def refused(*managers: TokenManager) -> list[TokenRefusedError]:
    found = await asyncio.gather(*(one.get_token() for one in managers), return_exceptions=True)
    errors = [one for one in found if isinstance(one, TokenRefusedError)]
    assert len(errors) == len(managers), found
    return errors


# --- a fleet --------------------------------------------------------------------------------------


async def test_four_processes_send_a_refused_secret_no_more_often_than_one(fleet: Fleet) -> None:
    secret = [OLD]
    managers = [fleet.manager(lambda: secret[0]) for _ in range(4)]
    for _ in range(9):
        await refused(*managers)
        fleet.time.advance(1.001)
    # At 0, 1, 3 and 7 s.
    assert fleet.requests == 4
    secret[0] = NEW
    assert len({(await one.get_token()).access_token for one in managers}) == 1
    assert fleet.requests == 5


async def test_the_error_says_who_was_told_and_when_it_is_sent_again(fleet: Fleet) -> None:
    await refused(fleet.manager())
    (error,) = await refused(fleet.manager())
    assert (error.status, error.error) == (401, "invalid_client")
    assert str(error) == (
        "the token endpoint refused the request (401 invalid_client), as another process was told; "
        "the same secret is not sent again for 1 s: check PROPQ_CLIENT_ID and PROPQ_CLIENT_SECRET"
    )
    assert fleet.requests == 1


async def test_whoever_has_another_secret_or_wants_to_know_asks_at_once(fleet: Fleet) -> None:
    await refused(fleet.manager())
    with pytest.raises(TokenRefusedError):
        await fleet.manager().refresh()
    await refused(fleet.manager("another"))
    assert fleet.requests == 3
    await fleet.manager(NEW).get_token()
    assert fleet.requests == 4


async def test_a_success_ends_it(fleet: Fleet, token_file: Path) -> None:
    await refused(fleet.manager())
    fleet.right = OLD
    await fleet.manager().refresh()
    assert names(token_file.parent) == ["token.json", "token.json.lock"]
    await JsonFileTokenStore(token_file).clear(KEY)
    await fleet.manager().get_token()
    assert fleet.requests == 3


@pytest.mark.parametrize("key", OTHER_KEYS)
async def test_another_client_of_the_same_file_is_not_held_up(fleet: Fleet, key: TokenKey) -> None:
    store = fleet.store()
    assert isinstance(store, RefusalStore)
    await store.save_refusal(key, await told())
    assert await store.load_refusal(KEY) is None
    await refused(fleet.manager())
    assert fleet.requests == 1


@pytest.mark.parametrize("seconds", [KEPT_SECONDS, -10])
async def test_an_old_refusal_is_ignored_also_if_the_clock_was_set_back(
    fleet: Fleet, seconds: float
) -> None:
    store = fleet.store()
    assert isinstance(store, RefusalStore)
    await store.save_refusal(KEY, await told())
    fleet.time.advance(seconds)
    await refused(fleet.manager())
    assert fleet.requests == 1
    again = await store.load_refusal(KEY)
    assert again is not None
    assert again.streak == 1


@pytest.mark.parametrize("age_seconds", [31.9, 32.0])
async def test_a_refusal_holds_nobody_for_longer_than_it_says(age_seconds: float) -> None:
    credentials = Credentials(7, OLD)
    time = FakeClock()
    refused = RefusedSecret(time.clock.monotonic)
    await refused.told(credentials, attrs.evolve(await told(), age_seconds=age_seconds), "it")
    assert (refused.answer(credentials) is None) == (age_seconds == 32)
    # It is sent again, and the growth goes on.
    refused.note(credentials, REFUSED)
    time.advance(MAX_SECONDS - 1)
    assert refused.answer(credentials) is not None


async def test_a_secret_is_hashed_once_however_often_its_refusal_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    credentials, refusal = Credentials(7, OLD), await told()
    refused = RefusedSecret(FakeClock().clock.monotonic)
    await refused.told(credentials, refusal, "it")
    monkeypatch.delattr(hashlib, "pbkdf2_hmac")
    await refused.told(credentials, attrs.evolve(refusal, streak=7), "it")
    refused.note(credentials, REFUSED)
    again = await refused.to_tell(credentials)
    assert again == attrs.evolve(refusal, streak=8)


@pytest.mark.parametrize(
    "refusal",
    [
        replied(401, '{"error": "invalid_request"}'),
        replied(401, "<html></html>"),
        replied(403, '{"error": "invalid_client"}'),
        replied(407),
        replied(503),
        Lost("there is no connection", sent=False),
    ],
    ids=["invalid_request", "page", "403", "407", "503", "down"],
)
async def test_what_may_be_the_fault_of_one_machine_is_not_told(
    fleet: Fleet, token_file: Path, refusal: Reply | Lost
) -> None:
    fleet.refusal = refusal
    await asyncio.gather(fleet.manager().get_token(), return_exceptions=True)
    assert fleet.requests == 1
    assert not mark(token_file).exists()


async def test_a_store_with_the_public_methods_alone_goes_on_working() -> None:
    shared = MemoryTokenStore()
    assert not isinstance(shared, RefusalStore)
    fleet = Fleet(lambda: shared)
    await refused(fleet.manager(), fleet.manager())
    assert fleet.requests == 2
    await fleet.manager(NEW).get_token()


# --- the file -------------------------------------------------------------------------------------


async def test_the_file_has_a_salted_slow_hash_and_nothing_of_the_secret(
    fleet: Fleet, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    # What OWASP advises, so that a guess costs a good part of a second.
    assert refused_secret.HASH_ROUNDS == 600_000
    monkeypatch.setattr(refused_secret, "HASH_ROUNDS", 7)
    await refused(fleet.manager())
    text = mark(token_file).read_text()
    content = json.loads(text)
    salt, fingerprint = content.pop("salt"), content.pop("fingerprint")
    assert content == {
        "version": 1,
        "token_url": KEY.token_url,
        "client_id": 7,
        "refused_at": "2027-01-15T08:00:00+00:00",
        "status": 401,
        "streak": 1,
    }
    slow = hashlib.pbkdf2_hmac("sha256", OLD.encode(), bytes.fromhex(salt), 7)
    assert fingerprint == slow.hex()
    assert OLD not in text
    mark(token_file).unlink()
    await refused(fleet.manager())
    assert json.loads(mark(token_file).read_text())["salt"] != salt


@posix
async def test_the_file_is_private_and_no_temporary_one_is_left(
    fleet: Fleet, token_file: Path
) -> None:
    await refused(fleet.manager())
    assert mode(mark(token_file)) == 0o600
    assert names(token_file.parent) == ["token.json.lock", "token.json.refused"]


BROKEN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "torn": lambda good: json.dumps(good)[:-9],
    "no object": lambda _: "[]",
    "nothing": lambda _: "",
    "other version": lambda good: good | {"version": 2},
    "other status": lambda good: good | {"status": 500},
    "no streak": lambda good: good | {"streak": 0},
    "short salt": lambda good: good | {"salt": "00"},
    "short fingerprint": lambda good: good | {"fingerprint": "00"},
    "no digits": lambda good: good | {"fingerprint": "z" * 64},
    "no zone": lambda good: good | {"refused_at": "2027-01-15T08:00:00"},
    "a year too large": lambda good: good | {"refused_at": "99999-01-15T08:00:00Z"},
    "too deep": lambda _: "[" * 100_000,
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_what_cannot_be_read_is_ignored_and_replaced(
    fleet: Fleet,
    token_file: Path,
    broken: Callable[[dict[str, Any]], Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusal = await told()
    good = json.loads(dump_refusal(KEY, refusal, fleet.time.wall_now))
    content = broken(good)
    text = content if isinstance(content, str) else json.dumps(content)
    assert parse_refusal(text.encode(), KEY, fleet.time.wall_now) is None
    token_file.parent.mkdir()
    mark(token_file).write_text(text)
    caplog.clear()
    await refused(fleet.manager())
    assert fleet.requests == 1
    warnings = [one for one in warnings_of(caplog) if "no new token" not in one]
    assert warnings == []


@posix
@pytest.mark.parametrize("kind", ["link", "file of something else"])
async def test_what_lies_in_its_place_is_left_as_it_is(
    fleet: Fleet, token_file: Path, kind: str
) -> None:
    token_file.parent.mkdir()
    precious = token_file.with_name("precious") if kind == "link" else mark(token_file)
    precious.write_text("precious")
    if kind == "link":
        mark(token_file).symlink_to(precious)
    await refused(fleet.manager())
    await fleet.manager(NEW).get_token()
    assert precious.read_text() == "precious"
    assert mark(token_file).is_symlink() == (kind == "link")


async def test_nothing_is_told_beside_a_file_of_something_else(
    fleet: Fleet, token_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token_file.parent.mkdir()
    token_file.write_text("name;price")
    await refused(fleet.manager())
    assert names(token_file.parent) == ["token.json"]
    (warning,) = [one for one in warnings_of(caplog) if "the token file" in one]
    assert "it is no token file" in warning


async def test_to_forget_the_token_is_to_forget_what_was_refused(token_file: Path) -> None:
    store = JsonFileTokenStore(token_file)
    await store.save_refusal(KEY, await told())
    await store.clear(OTHER_KEYS[0])
    assert mark(token_file).exists()
    await store.clear(KEY)
    assert names(token_file.parent) == []


# --- Redis ----------------------------------------------------------------------------------------


@pytest.fixture
def redis_server(tmp_path: Path) -> Any:
    with running_redis(tmp_path) as server:
        yield server


@pytest.mark.parametrize("decode_responses", [False, True])
async def test_redis_tells_it_until_a_success(
    redis_server: RedisServer, *, decode_responses: bool
) -> None:
    from redis.asyncio import Redis  # noqa: PLC0415

    async with Redis.from_url(redis_server.url, decode_responses=decode_responses) as client:
        store = RedisTokenStore(client, timeout_seconds=20)
        fleet = Fleet(lambda: store)
        await store.save_refusal(KEY, await told())
        (error,) = await refused(fleet.manager())
        assert error.error == "invalid_client"
        assert fleet.requests == 0
        refusal = await store.load_refusal(KEY)
        assert refusal is not None
        # On the clock of Redis, which is not the one of the test.
        assert 0 <= refusal.age_seconds < 30
        assert await store.load_refusal(OTHER_KEYS[0]) is None
        await fleet.manager(NEW).get_token()
        assert await store.load_refusal(KEY) is None
        await store.save_refusal(KEY, refusal)
        await store.clear(KEY)
        assert await store.load_refusal(KEY) is None


async def test_redis_forgets_it_and_what_cannot_be_read_is_ignored(
    redis_server: RedisServer,
) -> None:
    store = RedisTokenStore(redis_server.url, timeout_seconds=20)
    await store.save_refusal(KEY, await told())
    with redis_server.client() as client:
        (name,) = client.keys()
        assert 0 < client.pttl(name) <= KEPT_SECONDS * 1000
        assert OLD not in client.get(name)
        client.persist(name)
        assert await store.load_refusal(KEY) is None
        client.set(name, "rubbish", ex=60)
        assert await store.load_refusal(KEY) is None


# --- a store that does not work -------------------------------------------------------------------


async def _fails(*_: object) -> Any:
    raise RuntimeError


async def _hangs(*_: object) -> Any:
    await asyncio.Event().wait()


async def _rubbish(*_: object) -> Any:
    return {"streak": 6}


class Talking(MemoryTokenStore):
    """A store that tells of refusals in a way that a test replaces."""

    def __init__(self, does: Callable[..., Any]) -> None:
        super().__init__()
        self.load_refusal = self.save_refusal = does


@pytest.mark.parametrize("does", [_fails, _hangs, _rubbish])
async def test_a_store_that_cannot_tell_costs_a_warning(
    does: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    store = GuardedStore(Talking(does), KEY, 0.05, io_seconds=0.05)
    assert store.shares_refusals
    assert await store.refusal() is None
    assert len(warnings_of(caplog)) == 1
    await store.tell_refusal(await told())
    # One that hangs is left alone.
    assert store.shares_refusals == (does is not _hangs)
    assert await store.refusal() is None
    assert len(warnings_of(caplog)) == 1


# --- processes ------------------------------------------------------------------------------------


@asynccontextmanager
async def place(kind: str, token_file: Path, tmp_path: Path) -> AsyncIterator[str]:
    if kind == "file":
        yield str(token_file)
        return
    with running_redis(tmp_path) as server:
        yield server.url


@pytest.mark.campaign
@pytest.mark.parametrize("kind", ["file", "redis"])
async def test_four_workers_leave_the_endpoint_alone_and_heal_at_once(
    emulator: PropQEmulator, token_file: Path, tmp_path: Path, kind: str
) -> None:
    emulator.throttle_tokens(60, per_seconds=60)
    secret_file = tmp_path / "secret"
    secret_file.write_text("rotated")
    async with place(kind, token_file, tmp_path) as where:
        about = emulator.url, where, secret_file, emulator.credentials.client_id
        workers = await asyncio.gather(*(Process.start(processes.insist, *about) for _ in range(4)))
        for worker in workers:
            worker.go()
        await asyncio.sleep(4)
        # One process asks at 0, 1 and 3 s, and then at 7 s.
        assert 1 < emulator.token_requests <= 3
        before = emulator.token_requests
        secret_file.write_text(emulator.credentials.client_secret)
        changed = time.time()
        healed = await asyncio.gather(*(worker.result() for worker in workers))
    assert emulator.token_requests == before + 1
    # A failure is everybody's for a second.
    assert all(0 <= one["healed_at"] - changed < 3 for one in healed)
    assert all(one["refused"] > 3 for one in healed)
