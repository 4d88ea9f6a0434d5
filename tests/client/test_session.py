from __future__ import annotations

import asyncio
import gc
import string
import threading
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from propq_async import (
    APIConnectionError,
    APITimeoutError,
    AsyncPropQ,
    Credentials,
    JsonFileTokenStore,
    NotFoundError,
    PropQSession,
    RetryPolicy,
    ServerError,
    TokenUnavailableError,
    UnexpectedResponseError,
)
from propq_async._client.units import MOST_REQUESTS
from propq_async.testing import PropQEmulator
from tests.helpers.support import (
    EmulatorInThread,
    ScriptedServer,
    Step,
    an_update,
    answer,
    token_answer,
    until,
)

FAST = RetryPolicy(attempts=3, base_delay_seconds=0.001)


def a_client(server: Any, **settings: Any) -> AsyncPropQ:
    credentials = getattr(server, "credentials", Credentials(1, "the-secret"))
    return AsyncPropQ(
        credentials, base_url=server.url, **({"token_store": None, "retry": FAST} | settings)
    )


def scripted(*script: Step) -> ScriptedServer:
    return ScriptedServer(*script, by_path={"/oauth/token": [token_answer()]})


# --- request --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "path", "body"),
    [
        ({"path": "/v1/things"}, "/v1/things", b""),
        ({"path": "/v1/a b/é"}, "/v1/a%20b/%C3%A9", b""),
        ({"path": "/v1/a%2Fb"}, "/v1/a%2Fb", b""),
        ({"path": "/%41/a%2fb/%E9"}, "/%41/a%2fb/%E9", b""),
        ({"path": "/a//b/...;c/%3F%23"}, "/a//b/...;c/%3F%23", b""),
        ({"path": "/x", "params": {"b": "ü&=", "c": 2}}, "/x?b=%C3%BC%26%3D&c=2", b""),
        ({"path": "/%7Ex", "params": {"a": "%41 b"}}, "/%7Ex?a=%2541+b", b""),
        ({"path": "/x", "json": []}, "/x", b"[]"),
        ({"path": "/x", "json": {"n": Decimal("1.5"), "s": None}}, "/x", b'{"n":1.5,"s":null}'),
        ({"path": "/@evil.example/"}, "/@evil.example/", b""),
        ({"path": "/:80/x"}, "/:80/x", b""),
    ],
)
@pytest.mark.parametrize("method", ["get", "POST"])
async def test_a_request_goes_to_its_path_at_the_base_url(
    method: str, arguments: dict[str, Any], path: str, body: bytes
) -> None:
    async with scripted(answer(200, [1])) as server, a_client(server).session() as session:
        assert await session.request(method, **arguments) == [1]
        seen = server.seen[-1]
    assert (seen.method, seen.path, seen.body) == (method.upper(), path, body)
    assert seen.headers["authorization"] == "Bearer token-1"
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["accept"] == "application/json"


@pytest.mark.parametrize("path", ["", "v1/x", "//evil.example/x", "https://evil.example/", "?a"])
async def test_a_path_without_its_one_slash_is_refused(path: str) -> None:
    async with scripted(answer(200)) as server, a_client(server).session() as session:
        with pytest.raises(ValueError, match="must begin with one"):
            await session.request("GET", path)
    assert server.seen == []


ENCODE_IT = r'quote\(name, safe=""\)'


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("/v1/units/A#1", ENCODE_IT),
        ("/v1/units/A#", ENCODE_IT),
        ("/v1/units/A?1", rf"params=.*{ENCODE_IT}"),
        ("/x?", r"params="),
        ("/v1/x/../y", "write the one that is meant"),
        ("/./x", "write the one that is meant"),
        ("/x/..", "write the one that is meant"),
        ("/%2e%2E/x", "write the one that is meant"),
        ("/.%2e/x", "write the one that is meant"),
        ("/%2e", "write the one that is meant"),
        ("/x\\..\\y", ENCODE_IT),
        ("/x\ty", ENCODE_IT),
        ("/x y\n", ENCODE_IT),
        ("/x\r\nHost: evil.example", ENCODE_IT),
        ("/x\0", ENCODE_IT),
        ("/x\x85\u2028", ENCODE_IT),
        ("/x\u202ey", ENCODE_IT),
        ("/x\ud800", ENCODE_IT),
        ("/100%", ENCODE_IT),
        ("/%zz", ENCODE_IT),
        ("/%4", ENCODE_IT),
    ],
)
@pytest.mark.parametrize("params", [None, {"a": 1}])
async def test_a_path_that_leads_elsewhere_is_refused_with_advice(
    path: str, advice: str, params: Any
) -> None:
    async with scripted(answer(200)) as server, a_client(server).session() as session:
        with pytest.raises(ValueError, match=advice) as caught:
            await session.request("GET", path, params=params)
    assert repr(path) in str(caught.value)
    assert server.seen == []


PIECES = st.sampled_from([*"/%?#\\.:;@&=+ ~-é", "%2e", "%2F", "%41", "..", "\t", "\x85"])


@given(st.lists(st.lists(PIECES | st.text(max_size=3), max_size=8).map("".join), max_size=40))
@settings(max_examples=25)
@pytest.mark.parametrize("trace_configs", [[], [aiohttp.TraceConfig()]], ids=["fast", "plain"])
def test_a_path_that_is_accepted_arrives_as_it_was_written(
    trace_configs: Any, tails: list[str]
) -> None:
    """But for spaces and what is not ASCII; names that are quoted arrive in any case."""

    async def main() -> None:
        async with scripted(answer(204)) as server:
            propq = a_client(server, trace_configs=trace_configs)
            async with propq.session() as session:
                for path in ["/" + tail for tail in tails]:
                    try:
                        await session.request("GET", path, params={"a": "b"})
                    except ValueError:
                        continue
                    written = "".join(
                        char if char in ASCII_OF_A_PATH else quote(char, safe="") for char in path
                    )
                    assert server.seen[-1].path == f"{written}?a=b"
                for name in tails:
                    if name in ("", ".", "..") or not is_unicode(name):
                        continue
                    await session.request("GET", f"/v1/{quote(name, safe='')}/x")
                    assert server.seen[-1].path == f"/v1/{quote(name, safe='')}/x"

    asyncio.run(main())


# RFC 3986: unreserved, sub-delims, and what else a path may have.
ASCII_OF_A_PATH = string.ascii_letters + string.digits + "-._~" + "!$&'()*+,;=" + ":@/%"


def is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


async def test_the_base_url_may_have_a_path() -> None:
    by_path: dict[str, list[Step]] = {"/api/oauth/token": [token_answer()]}
    async with ScriptedServer(answer(200, {}), by_path=by_path) as server:
        propq = AsyncPropQ(Credentials(1, "x"), base_url=f"{server.url}/api/", token_store=None)
        async with propq.session() as session:
            await session.request("GET", "/v1/x")
            await session.units.update(an_update(development_id="../ä/"))
    assert [seen.path for seen in server.seen[1:]] == [
        "/api/v1/x",
        "/api/v1/developments/..%2F%C3%A4%2F/units/update-by-name",
    ]


async def test_a_base_url_in_any_letters_is_encoded_for_every_call() -> None:
    by_path: dict[str, list[Step]] = {"/%C3%BC/oauth/token": [token_answer()]}
    async with ScriptedServer(answer(200, {}), by_path=by_path) as server:
        propq = AsyncPropQ(Credentials(1, "x"), base_url=f"{server.url}/ü/", token_store=None)
        async with propq.session() as session:
            await session.request("GET", "/v1/x")
            await session.units.update(an_update())
    assert [seen.path for seen in server.seen[1:]] == [
        "/%C3%BC/v1/x",
        "/%C3%BC/v1/developments/4711/units/update-by-name",
    ]


@pytest.mark.parametrize(
    ("step", "value"),
    [
        (answer(200), None),
        (answer(204), None),
        (answer(201, {"a": 1}), {"a": 1}),
        (answer(202, "null"), None),
        (answer(200, '"text"'), "text"),
    ],
)
async def test_any_2xx_is_a_success_and_an_empty_body_is_none(step: Step, value: Any) -> None:
    async with scripted(step) as server, a_client(server).session() as session:
        assert await session.request("DELETE", "/x") == value


async def test_a_success_that_is_no_json_is_an_error_without_the_query() -> None:
    async with scripted(answer(200, "<html>")) as server, a_client(server).session() as session:
        with pytest.raises(UnexpectedResponseError) as caught:
            await session.request("GET", "/x", params={"email": "a@b.c", "key": "value"})
    assert caught.value.url == server.url + "/x"
    assert "email" not in str(caught.value)
    assert "value" not in str(caught.value)


@pytest.mark.parametrize("lost", [None, answer(502), answer(504)])
@pytest.mark.parametrize(
    ("method", "asked", "policy", "repeated"),
    [
        ("GET", None, True, True),
        ("HEAD", None, False, True),
        ("PUT", None, True, True),
        ("DELETE", None, True, True),
        ("PUT", None, False, False),
        ("POST", None, True, False),
        ("PATCH", None, True, False),
        ("POST", True, False, True),
        ("GET", False, True, False),
    ],
)
async def test_a_lost_answer_is_repeated_only_if_harmless_or_asked(
    lost: Step, method: str, *, asked: bool | None, policy: bool, repeated: bool
) -> None:
    retry = RetryPolicy(attempts=3, base_delay_seconds=0, retry_unacknowledged=policy)
    async with scripted(lost, answer(204)) as server, a_client(server).session(retry=retry) as it:
        if repeated:
            await it.request(method, "/x", retry_unacknowledged=asked)
        else:
            with pytest.raises((APIConnectionError, ServerError)) as caught:
                await it.request(method, "/x", retry_unacknowledged=asked)
            assert caught.value.may_have_been_applied
        assert len(server.paths("/x")) == 1 + repeated


@pytest.mark.parametrize("status", [500, 503])
async def test_an_answer_of_failure_is_tried_again_whatever_the_method(status: int) -> None:
    async with scripted(answer(status), answer(204)) as server, a_client(server).session() as it:
        await it.request("POST", "/x")
        assert len(server.paths("/x")) == 2


# --- entered and left -----------------------------------------------------------------------------


async def test_a_session_that_is_not_entered_says_so(emulator: PropQEmulator) -> None:
    session = a_client(emulator).session()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="not entered"):
            await session.units.update(an_update())
        with pytest.raises(RuntimeError, match="not entered"):
            session.units.update_many([])
        with pytest.raises(RuntimeError, match="not entered"):
            await session.request("GET", "/")
        async with session:
            await session.units.update(an_update())
            with pytest.raises(RuntimeError, match="entered already"):
                await session.__aenter__()
        await session.__aexit__(None, None, None)  # once too often is harmless


async def test_options_are_the_sessions_own() -> None:
    async with scripted(answer(500)) as server, a_client(server) as propq:
        for retry, requests in ((RetryPolicy(attempts=1), 1), (FAST, 3)):
            async with propq.session(retry=retry) as session:
                with pytest.raises(ServerError):
                    await session.request("GET", "/x")
                assert len(server.paths("/x")) == requests
                server.seen.clear()


async def test_the_timeout_of_an_attempt_is_the_sessions_own() -> None:
    async def hold(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with scripted(hold) as server:
        one_attempt = a_client(server, retry=RetryPolicy(attempts=1))
        async with one_attempt.session(timeout_seconds=0.1) as session:
            with pytest.raises(APITimeoutError, match=r"within 0\.1 s"):
                await session.units.update(an_update())


async def test_a_share_that_was_given_back_cannot_be_given_back_again(
    emulator: PropQEmulator,
) -> None:
    propq = a_client(emulator)
    calls = propq._owner.acquire()
    await propq._owner.release(calls)
    async with propq.session() as session:
        await propq._owner.release(calls)
        await session.units.update(an_update())


async def test_sessions_share_pool_and_token(emulator: PropQEmulator) -> None:
    propq = a_client(emulator)
    async with propq:
        for _ in range(3):
            async with propq.session() as one, propq.session() as two:
                await one.units.update(an_update())
                await two.units.update(an_update())
                assert one._state.resources is two._state.resources
    assert emulator.token_requests == 1
    assert propq._owner.loops == {}


async def test_tokens_can_be_used_while_nothing_is_entered(emulator: PropQEmulator) -> None:
    propq = a_client(emulator)
    token = await propq.tokens.get_token()
    async with propq.session() as session:
        await session.units.update(an_update())
    assert (await propq.tokens.refresh()).access_token != token.access_token
    assert emulator.token_requests == 2
    assert asyncio.all_tasks() == {asyncio.current_task()} | {
        task for task in asyncio.all_tasks() if "RequestHandler" in repr(task)
    }


class Gated:
    """A token endpoint that answers when told to."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.go_on = asyncio.Event()
        self.answers = 0

    async def __call__(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.arrived.set()
        await self.go_on.wait()
        self.answers += 1
        writer.write(token_answer(f"late-{self.answers}"))


def alive() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if "propq_async" in task.get_name()}


@pytest.mark.parametrize("leaver_is_cancelled", [False, True])
async def test_the_last_one_out_cancels_a_refresh_and_frees_its_lock(
    token_file: Any, *, leaver_is_cancelled: bool
) -> None:
    gated = Gated()
    by_path: dict[str, list[Step]] = {"/oauth/token": [gated, token_answer("second")]}
    async with ScriptedServer(answer(200, {}), by_path=by_path) as server:
        propq = a_client(server, token_store=JsonFileTokenStore(token_file))
        session = await propq.session().__aenter__()
        waiting = asyncio.create_task(propq.tokens.get_token())
        await gated.arrived.wait()
        leaving = asyncio.create_task(session.__aexit__(None, None, None))
        await asyncio.sleep(0)
        if leaver_is_cancelled:
            leaving.cancel()
        # Whoever comes meanwhile has a flight of their own, and not the cancelled one.
        async with propq.session() as newcomer:
            await newcomer.units.update(an_update())
            assert server.seen[-1].headers["authorization"] == "Bearer second"
        await asyncio.wait([leaving])
        assert leaving.cancelled() is leaver_is_cancelled
        with pytest.raises(TokenUnavailableError):
            await waiting
        assert alive() == set()
        assert propq._owner.loops == {}


async def test_a_factory_left_while_a_session_is_in_keeps_the_pool(
    emulator: PropQEmulator,
) -> None:
    propq = a_client(emulator)
    async with propq:
        session = await propq.session().__aenter__()
    await session.units.update(an_update())
    await session.__aexit__(None, None, None)
    await propq.__aexit__(None, None, None)  # once too often is harmless
    assert propq._owner.loops == {}


# --- event loops ----------------------------------------------------------------------------------


async def work(propq: AsyncPropQ, calls: int = 20) -> None:
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
    async with propq.session() as session:
        await asyncio.gather(*(session.units.update(an_update()) for _ in range(calls)))
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    gc.collect()
    assert complaints == []


def test_one_factory_serves_several_runs_in_sequence() -> None:
    with EmulatorInThread() as emulator:
        propq = a_client(emulator)
        for factory in (None, None, uvloop.new_event_loop):
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(work(propq))
    assert emulator.applied == 60
    assert emulator.token_requests == 1


def test_one_factory_serves_two_threads_at_once() -> None:
    errors: list[BaseException] = []
    with EmulatorInThread() as emulator:
        propq = a_client(emulator, max_connections=3)
        together = threading.Barrier(2)

        async def entered() -> None:
            async with propq:
                await asyncio.to_thread(together.wait)
                for _ in range(5):
                    async with propq.session() as session:
                        await asyncio.gather(
                            *(session.units.update(an_update()) for _ in range(40))
                        )
                await asyncio.to_thread(together.wait)

        def run() -> None:
            try:
                asyncio.run(entered())
            except BaseException as error:  # noqa: BLE001 - it would end with the thread
                errors.append(error)
                together.abort()

        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []
    assert emulator.applied == 400


def test_what_belongs_to_a_closed_loop_is_dropped() -> None:
    with EmulatorInThread() as emulator:
        propq = a_client(emulator, max_connections=1)

        async def broken_off() -> None:
            emulator.latency_seconds = 30
            session = await propq.session().__aenter__()
            for _ in range(3):
                asyncio.ensure_future(session.units.update(an_update()))  # noqa: RUF006
            await until(lambda: emulator.calls)
            # The pool is closed, or aiohttp complains; but nobody leaves.
            await propq._owner.loops[asyncio.get_running_loop()].resources.pool.close()

        asyncio.run(broken_off())
        emulator.latency_seconds = 0
        assert len(propq._owner.loops) == 1
        asyncio.run(work(propq))
        assert propq._owner.loops == {}


def test_a_session_in_another_event_loop_is_refused() -> None:
    with EmulatorInThread() as emulator, asyncio.Runner() as one, asyncio.Runner() as another:
        propq = a_client(emulator)
        session = one.run(propq.session().__aenter__())
        one.run(session.units.update(an_update()))

        async def update_many() -> None:
            await anext(session.units.update_many([an_update()]))

        uses = (
            lambda: session.units.update(an_update()),
            lambda: session.request("GET", "/v1/x"),
            lambda: session.__aexit__(None, None, None),
        )
        for use in uses:
            with pytest.raises(RuntimeError, match="this session belongs to another event loop: "):
                another.run(use())
        with pytest.raises(RuntimeError, match="this batch belongs to another event loop: "):
            another.run(update_many())
        one.run(session.units.update(an_update()))
        one.run(session.__aexit__(None, None, None))
        assert propq._owner.loops == {}
    assert emulator.applied == 2


def test_a_factory_is_left_in_its_own_event_loop() -> None:
    with EmulatorInThread() as emulator, asyncio.Runner() as one, asyncio.Runner() as another:
        propq = a_client(emulator)

        async def leave() -> None:
            await propq.__aexit__(None, None, None)

        async def leave_beside_a_session() -> None:
            async with propq.session() as session:
                with pytest.raises(RuntimeError, match="share belongs to another event loop"):
                    await leave()
                # Its pool was not taken away.
                await session.units.update(an_update())

        one.run(propq.__aenter__())
        with pytest.raises(RuntimeError, match="share belongs to another event loop: leave it"):
            another.run(leave())
        another.run(leave_beside_a_session())
        one.run(work(propq, calls=1))
        one.run(leave())
        another.run(leave())  # once too often is harmless
        assert propq._owner.loops == {}
    assert emulator.applied == 2


def test_a_session_of_a_closed_loop_can_be_left_anywhere() -> None:
    with EmulatorInThread() as emulator:
        propq = a_client(emulator)
        session = propq.session()

        async def begin() -> None:
            await propq.__aenter__()
            await session.__aenter__()
            session.units.update_many([an_update()])

        async def end() -> None:
            with pytest.raises(RuntimeError, match="another event loop"):
                await session.units.update(an_update())
            await session.__aexit__(None, None, None)
            await propq.__aexit__(None, None, None)
            async with session:
                await session.units.update(an_update())

        asyncio.run(begin())
        asyncio.run(end())
        assert propq._owner.loops == {}


# --- cancelled once, tried again ------------------------------------------------------------------


async def cancelled_at_once(work: Coroutine[Any, Any, Any]) -> None:
    """Cancel `work` at the first thing that it awaits."""
    task = asyncio.create_task(work)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])


async def test_entering_and_leaving_cancelled_once_and_tried_again(emulator: PropQEmulator) -> None:
    propq = a_client(emulator)
    session = propq.session()
    entering = asyncio.create_task(session.__aenter__())
    entering.cancel()
    await asyncio.wait([entering])
    async with session:
        await session.units.update(an_update())
        await cancelled_at_once(session.__aexit__(None, None, None))
        assert alive() == set()
        assert propq._owner.loops == {}
    async with session:
        await session.units.update(an_update())


async def test_a_token_asked_for_cancelled_once_and_tried_again() -> None:
    gated = Gated()
    by_path: dict[str, list[Step]] = {"/oauth/token": [gated]}
    async with ScriptedServer(answer(200, {}), by_path=by_path) as server:
        propq = a_client(server)
        async with propq:
            for ask in (propq.tokens.get_token, propq.tokens.refresh):
                asking = asyncio.create_task(ask())
                await gated.arrived.wait()
                asking.cancel()
                await asyncio.wait([asking])
                assert asking.cancelled()
                gated.go_on.set()
                await ask()
                gated.arrived.clear()
                gated.go_on.clear()
            # The second try of each joined the request of the first.
            assert len(server.paths("/oauth/token")) == 2
            asking = asyncio.create_task(propq.tokens.refresh())
            await gated.arrived.wait()
            await cancelled_at_once(propq.tokens.aclose())
            await propq.tokens.aclose()
            assert alive() == set()
            with pytest.raises(TokenUnavailableError):
                await asking


async def test_a_new_session_does_not_wait_for_one_that_was_left() -> None:
    async def hold(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()

    arrived = asyncio.Event()
    async with scripted(hold, answer(404)) as server:
        propq = a_client(server, max_connections=1)

        async def call(session: PropQSession) -> None:
            await session.units.update(an_update())

        async with propq.session() as session:
            cut = asyncio.create_task(call(session))
            await arrived.wait()
        async with propq.session() as session:
            with pytest.raises(NotFoundError):
                await call(session)
        with pytest.raises(APIConnectionError):
            await cut


async def test_few_of_many_developments_are_remembered() -> None:
    developments = [f"d{number}" for number in range(MOST_REQUESTS + 5)]
    async with scripted(answer(200, {})) as server, a_client(server).session() as session:
        for development in [*developments, *developments[-5:]]:
            await session.units.update(an_update(development_id=development))
        assert list(session.units._requests) == developments[-5:]
    paths = [seen.path.split("/")[3] for seen in server.seen[1:]]
    assert paths == [*developments, *developments[-5:]]
