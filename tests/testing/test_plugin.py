"""The fixtures, as the tests of somebody else use them."""

from __future__ import annotations

import re

import pytest

pytest_plugins = "pytester"

STORY = """
import os
from pathlib import Path

import pytest

from propq_async import AsyncPropQ, RateLimitError, RetryPolicy, UnitStatus, UnitUpdate
from propq_async.testing import PropQEmulator

SOLD = UnitUpdate("4711", "A-101", UnitStatus.SOLD, 250_000, ["N"])
urls = set()


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def propq_settings():
    return {"retry": RetryPolicy(base_delay_seconds=0.001)}


async def test_a_revoked_token(propq: AsyncPropQ, propq_emulator: PropQEmulator) -> None:
    urls.add(propq_emulator.url)
    propq_emulator.add_unit("4711", "A-101")
    async with propq.session() as session:
        await propq.tokens.get_token()
        propq_emulator.revoke_tokens()
        await session.units.update(SOLD)
        propq_emulator.fail_next(503, times=2)
        await session.units.update(SOLD)
    assert propq_emulator.unit("4711", "A-101").status == 4
    assert propq_emulator.token_requests == 2
    propq_emulator.throttle(1)
    propq_emulator.maintenance()
    propq_emulator.unknown_status = 422
    propq_emulator.on_request = print
    propq_emulator.fail_next(500, times=1000)


async def test_the_next_test_finds_it_new(propq, propq_emulator) -> None:
    urls.add(propq_emulator.url)
    assert (propq_emulator.calls, propq_emulator.token_requests) == (0, 0)
    assert propq_emulator.unknown_status == 404
    assert propq_emulator.on_request is None
    propq_emulator.add_unit("4711", "A-101")
    async with propq.session() as session:
        for _ in range(3):
            await session.units.update(SOLD)
    assert propq_emulator.token_requests == 1


async def test_an_outage_and_a_test_that_leaves_it_closed(propq, propq_emulator) -> None:
    propq_emulator.add_unit("4711", "A-101")
    async with propq.session() as session:
        await session.units.update(SOLD)
        await propq_emulator.close()
        await propq_emulator.start()
        await session.units.update(SOLD)
    assert propq_emulator.applied == 2
    await propq_emulator.close()


async def test_a_program_that_reads_its_environment(propq_env, propq_emulator) -> None:
    urls.add(propq_emulator.url)
    assert os.environ["PROPQ_BASE_URL"] == propq_emulator.url == propq_env["PROPQ_BASE_URL"]
    propq_emulator.add_unit("4711", "A-101")
    async with AsyncPropQ.from_env().session() as session:
        await session.units.update(SOLD)
    assert Path(os.environ["PROPQ_TOKEN_FILE"]).exists()
    assert propq_emulator.applied == 1


def test_a_synchronous_test(propq, propq_emulator) -> None:
    import asyncio

    async def main():
        async with propq.session() as session:
            await session.units.update(SOLD)

    propq_emulator.add_unit("4711", "A-101")
    asyncio.run(main())
    assert propq_emulator.applied == 1


def test_it_was_one_server() -> None:
    assert len(urls) == 1
    assert "PROPQ_BASE_URL" not in os.environ
"""

# Other plugins are not loaded, but for those that are named.
ALONE = ("-p", "no:cacheprovider", "-p", "propq_async.testing.plugin", "-W", "error")


@pytest.fixture(autouse=True)
def _no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    # A developer's own, which must not contradict what a test gets.
    monkeypatch.setenv("PROPQ_CLIENT_SECRET_FILE", "/no/such/file")


ASYNCIO = ("-p", "pytest_asyncio.plugin", "-o", "asyncio_default_fixture_loop_scope=function")


@pytest.mark.parametrize(
    ("mark", "options"),
    [
        pytest.param("", (*ASYNCIO, "-o", "asyncio_mode=auto"), id="auto"),
        pytest.param(
            "@pytest.mark.asyncio\n", (*ASYNCIO, "-o", "asyncio_mode=strict"), id="strict"
        ),
        pytest.param("@pytest.mark.anyio\n", ("-p", "anyio.pytest_plugin"), id="anyio"),
    ],
)
def test_the_fixtures_work_under(
    pytester: pytest.Pytester, mark: str, options: tuple[str, ...]
) -> None:
    pytester.makepyfile(STORY.replace("async def test", f"{mark}async def test"))
    result = pytester.runpytest_subprocess(*ALONE, *options)
    result.assert_outcomes(passed=6)
    # Nothing is left that the interpreter complains about at its end.
    assert not result.stderr.str().strip()


def test_a_failure_shows_what_the_emulator_was_asked(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import urllib.error
        import urllib.request

        def test_asks(propq_emulator):
            request = urllib.request.Request(
                propq_emulator.url + "/v1/x", b'{"a": 1}', {"Content-Type": "application/json"}
            )
            try:
                urllib.request.urlopen(request)
            except urllib.error.HTTPError as error:
                error.close()
            propq_emulator.drop_next(after_applying=False)
            try:
                urllib.request.urlopen(propq_emulator.url + "/v1/y")
            except OSError:
                pass
            assert False

        def test_asks_nothing(propq_emulator):
            assert False

        def test_passes(propq_emulator):
            pass

        def test_without():
            assert False
        """
    )
    result = pytester.runpytest_subprocess(*ALONE)
    result.assert_outcomes(failed=3, passed=1)
    text = re.sub(r"-{3,}", "---", result.stdout.str())
    assert "--- Captured PropQ emulator call ---\n404 POST /v1/x {'a': 1}\ndrop GET /v1/y\n" in text
    assert "--- Captured PropQ emulator call ---\nno requests\n" in text
    assert text.count("Captured PropQ emulator") == 2


def test_a_fixture_of_the_same_name_may_be_anything(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        from unittest.mock import Mock

        import pytest

        from propq_async.testing import PropQEmulator

        class Hostile:
            def __getattribute__(self, name):
                raise ZeroDivisionError(name)

        VALUES = ["http://127.0.0.1:1", None, Mock(), Mock(spec=PropQEmulator), Hostile()]

        # By their numbers: pytest itself looks at parameters.
        @pytest.fixture(scope="session", params=range(5))
        def propq_emulator(request):
            return VALUES[request.param]
        """
    )
    pytester.makepyfile(
        """
        def test_fails(propq_emulator):
            assert False

        def test_passes(propq_emulator):
            pass
        """
    )
    # pytest itself shows the arguments of a test in a long traceback.
    result = pytester.runpytest_subprocess(*ALONE, "--tb=short")
    result.assert_outcomes(failed=5, passed=5)
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


def test_an_emulator_of_the_projects_own_is_shown(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        from propq_async.testing import PropQEmulator

        @pytest.fixture
        def propq_emulator():
            return PropQEmulator()

        def test_fails(propq_emulator):
            assert False
        """
    )
    result = pytester.runpytest_subprocess(*ALONE)
    result.assert_outcomes(failed=1)
    assert "Captured PropQ emulator call" in result.stdout.str()
    assert "no requests" in result.stdout.lines


def test_items_of_other_plugins_need_have_no_fixtures(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest

        class Hostile(dict):
            def get(self, *_):
                raise ZeroDivisionError

        class Bare(pytest.Item):
            def runtest(self):
                assert False

        class File(pytest.File):
            def collect(self):
                yield Bare.from_parent(self, name="bare")
                for fixtures in (None, [], Hostile()):
                    equipped = Bare.from_parent(self, name=f"equipped with {type(fixtures)}")
                    equipped.funcargs = fixtures
                    yield equipped

        def pytest_collect_file(file_path, parent):
            if file_path.suffix == ".mine":
                return File.from_parent(parent, path=file_path)
        """
    )
    pytester.makefile(".mine", "")
    pytester.makepyfile('def doctested():\n    """\n    >>> 1\n    2\n    """\n')
    result = pytester.runpytest_subprocess(*ALONE, "--doctest-modules", "--tb=short")
    result.assert_outcomes(failed=5)
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


@pytest.mark.parametrize(
    "options", [(), ("-p", "xdist.plugin", "-n", "1")], ids=["one process", "xdist"]
)
def test_a_failure_shows_odd_requests_in_short(
    pytester: pytest.Pytester, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path that is no UTF-8, a long body and a deep one."""
    # The parser in C takes no such path.
    monkeypatch.setenv("AIOHTTP_NO_EXTENSIONS", "1")
    pytester.makepyfile(
        r"""
        import socket

        HEAD = (
            b"POST /%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        )

        def send(url, path, body):
            host, port = url.removeprefix("http://").split(":")
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(HEAD % (path, len(body)) + body)
                while connection.recv(65536):
                    pass

        def test_fails(propq_emulator):
            send(propq_emulator.url, b"\xff", b"{}")
            send(propq_emulator.url, b"long", b'"' + b"x" * 100_000 + b'"')
            send(propq_emulator.url, b"deep", b"[" * 512 + b"]" * 512)
            assert False
        """
    )
    result = pytester.runpytest_subprocess(*ALONE, "--tb=short", *options)
    result.assert_outcomes(failed=1)
    lines = result.stdout.lines
    assert r"400 POST /\udcff {}" in lines
    (long,) = [line for line in lines if line.startswith("404 POST /long ")]
    assert (len(long), long[-5:]) == (1000, "xx...")
    assert len([line for line in lines if line.startswith("404 POST /deep [[[")]) == 1


def test_the_plugin_imports_next_to_nothing_until_it_is_used(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(
        """
        import sys

        def pytest_unconfigure():
            names = [name for name in sys.modules if name.startswith("propq_async")]
            print("imported:", *sorted(names))
            print("heavy:", *sorted({"aiohttp", "attrs", "cattrs", "asyncio"} & {*sys.modules}))
        """
    )
    pytester.makepyfile("")
    result = pytester.runpytest_subprocess(*ALONE, "--collect-only")
    lines = result.stdout.lines
    assert [line.split()[1:] for line in lines if line.startswith("imported:")] == [
        [
            "propq_async",
            "propq_async._lazy",
            "propq_async._version",
            "propq_async.testing",
            "propq_async.testing.plugin",
        ]
    ]
    assert "heavy:" in lines


def test_the_settings_are_empty_unless_overridden(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_settings(propq_settings): assert propq_settings == {}")
    pytester.runpytest_subprocess(*ALONE).assert_outcomes(passed=1)


def test_it_is_found_without_being_named(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    result = pytester.runpytest_subprocess("--fixtures", "-p", "no:schemathesis")
    text = result.stdout.str()
    for name in ("propq", "propq_emulator", "propq_env", "propq_settings"):
        assert re.search(rf"^{name} -- .*propq_async/testing/plugin.py:\d+$", text, re.MULTILINE)
    assert "_propq_thread" not in text
