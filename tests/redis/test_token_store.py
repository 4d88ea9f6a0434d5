"""What the token store does with Redis, and what Redis may refuse."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from propq_async import ConfigurationError, Token, TokenKey, TokenManager
from propq_async._auth.stores import FleetTokenStore
from propq_async.redis import RedisTokenStore, RedisUnavailableError
from propq_async.redis._connection import LEFT_ALONE_SECONDS, Connector
from propq_async.testing import PropQEmulator
from tests.helpers.fleets import ShiftedClock
from tests.helpers.processes import KEY, a_token
from tests.helpers.redis_servers import RedisServer, running_redis
from tests.helpers.stores import OTHER_KEYS, warnings_of
from tests.helpers.support import FakeClock, until

SECRET = "pass-w0rd"
# A loaded machine is slow, and no test here is about that.
PATIENCE_SECONDS = 20.0
# What a user of Redis needs to be allowed. AUTH always is.
COMMANDS = "+get +pttl +set +del +eval +incr +pexpire +select"


def a_store(server: RedisServer, **settings: Any) -> RedisTokenStore:
    return RedisTokenStore(server.url, timeout_seconds=PATIENCE_SECONDS, **settings)


def managers(emulator: PropQEmulator, *places: Any) -> list[TokenManager]:
    return [
        TokenManager(
            emulator.credentials,
            token_url=emulator.url + "/oauth/token",
            store=RedisTokenStore(place, timeout_seconds=PATIENCE_SECONDS),
        )
        for place in places
    ]


def shown(error: BaseException) -> str:
    """Return all that a traceback with locals shows of an error, but for the test itself."""
    assert error.__context__ is None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][1:]
    assert frames
    return repr([error, *(frame.f_locals for frame in frames)])


async def shared(emulator: PropQEmulator, *places: Any) -> bool:
    """Return whether all got the same token."""
    got = [await manager.get_token() for manager in managers(emulator, *places)]
    assert emulator.token_requests == len({token.access_token for token in got})
    return emulator.token_requests == 1


async def test_a_token_lives_as_long_on_every_clock(redis_server: RedisServer) -> None:
    """The machines' clocks are 40 s off; the token lives for 20 s."""
    ahead, behind = FakeClock(wall=1_800_000_040.0), FakeClock(wall=1_800_000_000.0)
    issued_at = datetime.fromtimestamp(ahead.wall_now, UTC)
    token = Token("t", "Bearer", issued_at + timedelta(seconds=20), issued_at)
    await a_store(redis_server, clock=ahead.clock).save(KEY, token)
    loaded = await a_store(redis_server, clock=behind.clock).load(KEY)
    assert loaded is not None
    left = loaded.expires_at.timestamp() - behind.wall_now
    # Some of it has passed in Redis, though not on these clocks.
    assert 10 < left <= 20
    assert loaded.lifetime_seconds == 20


async def test_redis_forgets_a_token_when_it_expires(redis_server: RedisServer) -> None:
    store = a_store(redis_server)
    await store.save(KEY, a_token(age=3600, lifetime=3600.01))
    while await store.load(KEY) is not None:  # noqa: ASYNC110 - it sends no event
        await asyncio.sleep(0.01)
    with redis_server.client() as client:
        assert client.keys() == []


async def test_what_has_no_expiry_is_a_miss(redis_server: RedisServer) -> None:
    store = a_store(redis_server)
    await store.save(KEY, a_token())
    with redis_server.client() as client:
        (name,) = client.keys()
        client.persist(name)
    assert await store.load(KEY) is None


async def test_rubbish_in_redis_is_told_of_and_replaced(
    emulator: PropQEmulator, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    (manager,) = managers(emulator, redis_server.url)
    key = TokenKey(emulator.url + "/oauth/token", emulator.credentials.client_id)
    store = a_store(redis_server)
    await store.save(key, a_token())
    with redis_server.client() as client:
        (name,) = client.keys()
        client.set(name, "rubbish", ex=60)
    with pytest.raises(RedisUnavailableError, match="what Redis has is not the token"):
        await store.load(key)
    token = await manager.get_token()
    loaded = await store.load(key)
    assert loaded is not None
    assert loaded.access_token == token.access_token
    assert len(warnings_of(caplog)) == 1


@pytest.mark.parametrize("decode_responses", [False, True])
async def test_a_client_of_the_users_is_used_and_stays_open(
    redis_server: RedisServer, *, decode_responses: bool
) -> None:
    async with Redis.from_url(redis_server.url, decode_responses=decode_responses) as client:
        store = RedisTokenStore(client, timeout_seconds=PATIENCE_SECONDS)
        await store.save(KEY, a_token())
        loaded = await store.load(KEY)
        assert loaded is not None
        assert loaded.access_token == a_token().access_token
        async with store.lock(KEY) as locked:
            assert locked
        await store.replaced(KEY, 60)
        assert await store.replacements(KEY, 60) == 1
        assert await client.ping()


def test_one_store_serves_several_event_loops(redis_server: RedisServer) -> None:
    store = a_store(redis_server)
    asyncio.run(store.save(KEY, a_token()))
    loaded = asyncio.run(store.load(KEY))
    assert loaded is not None
    with redis_server.client() as client:
        # Nothing is left but this look.
        assert len(client.client_list()) == 1


async def test_replacements_are_counted_for_each_key_and_time(redis_server: RedisServer) -> None:
    store = a_store(redis_server)
    assert isinstance(store, FleetTokenStore)
    for count in (1, 2):
        await store.replaced(KEY, 90)
        assert await store.replacements(KEY, 90) == count
    assert await store.replacements(KEY, 6) == 0
    assert await store.replacements(OTHER_KEYS[0], 90) == 0
    await store.replaced(KEY, 0.01)
    while await store.replacements(KEY, 0.01):  # noqa: ASYNC110 - it sends no event
        await asyncio.sleep(0.01)


async def test_all_names_of_a_client_are_in_one_slot_of_a_cluster(
    redis_server: RedisServer,
) -> None:
    store = a_store(redis_server, prefix="shop")
    async with store.lock(KEY):
        await store.save(KEY, a_token())
        await store.replaced(KEY, 90)
        with redis_server.client() as client:
            names = client.keys()
    assert len(names) == 3
    assert all(name.startswith("shop:{7-") for name in names)
    assert len({name[: name.index("}")] for name in names}) == 1
    assert not any(a_token().access_token in name for name in names)


async def test_a_lost_lock_is_not_taken_from_who_has_it(redis_server: RedisServer) -> None:
    store = a_store(redis_server, lock_seconds=0.6, lock_timeout_seconds=0)
    with redis_server.client() as client:
        async with store.lock(KEY) as locked:
            assert locked
            (name,) = client.keys()
            client.set(name, "somebody else")
            # It has seen that it is no longer the owner, and does not renew it any more.
            await until(lambda: len(asyncio.all_tasks()) == 1)
        assert client.get(name) == "somebody else"
    async with store.lock(KEY) as locked:
        assert not locked


async def test_a_lock_whose_redis_dies_is_given_back_without_a_word(
    redis_server: RedisServer,
) -> None:
    store = a_store(redis_server, lock_seconds=0.03)
    async with store.lock(KEY) as locked:
        assert locked
        redis_server.kill()
        await until(lambda: len(asyncio.all_tasks()) == 1)


async def test_a_failed_redis_is_left_alone_for_a_while(redis_server: RedisServer) -> None:
    clock = ShiftedClock()
    store = a_store(redis_server, clock=clock.clock)
    redis_server.kill()
    with pytest.raises(RedisUnavailableError, match=r"did not load the token \(ConnectionError\)"):
        await store.load(KEY)
    redis_server.start()
    with pytest.raises(RedisUnavailableError, match="left alone, for 10 more seconds"):
        await store.save(KEY, a_token())
    clock.monotonic_offset += LEFT_ALONE_SECONDS
    assert await store.load(KEY) is None


async def test_a_wrong_password_is_one_warning_without_it(
    emulator: PropQEmulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running_redis(tmp_path, password=SECRET) as server:
        assert await shared(emulator, server.url, server.url)
        assert warnings_of(caplog) == []
        (manager,) = managers(emulator, server.url_for(":wr0ng@"))
        await manager.get_token()
    (warning,) = warnings_of(caplog)
    assert "check the user and the password" in warning
    assert "wr0ng" not in caplog.text
    assert emulator.token_requests == 2


async def test_no_error_shows_password_or_token(tmp_path: Path) -> None:
    with running_redis(tmp_path, password=SECRET) as server:
        store = RedisTokenStore(server.url_for(":wr0ng@"))
        with pytest.raises(RedisUnavailableError) as caught:
            await store.save(KEY, a_token("worth-hiding"))
    told = shown(caught.value)
    assert "wr0ng" not in told
    assert "worth-hiding" not in told
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert "wr0ng" not in repr(store)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(store)


async def test_few_rights_are_enough(
    emulator: PropQEmulator, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with redis_server.client() as client:
        client.execute_command(*f"ACL SETUSER propq on >{SECRET} ~propq:* {COMMANDS}".split())
    url = redis_server.url_for(f"propq:{SECRET}@")
    first, second = managers(emulator, url, url)
    first.invalidate(await first.get_token())
    second.invalidate(await second.get_token())
    assert await first.get_token() != await first.refresh()
    assert warnings_of(caplog) == []
    with redis_server.client() as client:
        denied = {entry["object"] for entry in client.acl_log()}
    # Its name, which redis-py tells a server that takes it.
    assert denied <= {"client|setinfo", "client"}


async def test_a_right_that_is_missing_is_one_warning(
    emulator: PropQEmulator, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with redis_server.client() as client:
        client.execute_command(*f"ACL SETUSER propq on >{SECRET} ~other:* +@all".split())
    await managers(emulator, redis_server.url_for(f"propq:{SECRET}@"))[0].get_token()
    (warning,) = warnings_of(caplog)
    assert "may not run a command that is needed" in warning


async def test_tls_with_an_authority_of_ones_own(
    emulator: PropQEmulator,
    tmp_path: Path,
    certificate: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with running_redis(tmp_path, password=SECRET, certificate=certificate) as server:
        assert await shared(emulator, server.url, server.url)
        assert warnings_of(caplog) == []
        (manager,) = managers(emulator, server.url.partition("?")[0])
        await manager.get_token()
    (warning,) = warnings_of(caplog)
    assert "Redis did not load the token" in warning


async def test_a_replica_is_read_and_not_written(
    emulator: PropQEmulator,
    redis_server: RedisServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with redis_server.client() as client:
        # Otherwise it waits five seconds for further replicas.
        client.config_set("repl-diskless-sync-delay", 0)
    with running_redis(tmp_path, "--replicaof", "127.0.0.1", str(redis_server.port)) as replica:
        (manager,) = managers(emulator, replica.url)
        await manager.get_token()
        (warning,) = warnings_of(caplog)
        assert "it is a replica: name the master" in warning
        assert await shared_after(emulator, redis_server, replica)


async def shared_after(emulator: PropQEmulator, master: RedisServer, replica: RedisServer) -> bool:
    """Return whether a client of the replica takes over what one of the master has fetched."""
    first, second = managers(emulator, master.url, replica.url)
    token = await first.get_token()
    with replica.client() as client:
        await until(client.keys)
    return (await second.get_token()).access_token == token.access_token


async def test_a_full_redis_is_one_warning(
    emulator: PropQEmulator, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with redis_server.client() as client:
        client.config_set("maxmemory", 1)
    (manager,) = managers(emulator, redis_server.url)
    await manager.get_token()
    (warning,) = warnings_of(caplog)
    assert "it has reached its maxmemory" in warning


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://:pass-w0rd@host",
        "redis://:pass-w0rd@host:port",
        "redis://:pass-w0rd@host?nonsense=1",
        "rediss://:pass-w0rd@host?socket_timeout=x",
        "redis://[:pass-w0rd@host",
    ],
)
def test_a_url_that_cannot_be_one_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="must look like rediss://") as caught:
        RedisTokenStore(url)
    assert SECRET not in shown(caught.value)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"url_or_client": 7}, "a URL or a client of redis.asyncio, not a int"),
        ({"prefix": ""}, "prefix must be a string that is not empty"),
        ({"prefix": 7}, "prefix must be"),
        ({"timeout_seconds": 0}, "timeout_seconds must be above 0"),
        ({"lock_seconds": -1}, "lock_seconds must be above 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        RedisTokenStore(**{"url_or_client": "redis://localhost"} | wrong)


async def test_an_error_of_the_users_client_is_hidden_too() -> None:
    connector = Connector(Redis(), 1.0)

    async def work(_: object) -> None:
        raise ZeroDivisionError("worth-hiding")

    with pytest.raises(RedisUnavailableError, match=r"^Redis did not try \(ZeroDivisionError\)$"):
        await connector.run("try", work)


def test_without_the_extra_the_import_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['redis'] = None\n"
        "try: import propq_async.redis\n"
        "except ImportError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout == "propq_async.redis needs redis-py: pip install 'propq-async[redis]'\n"
