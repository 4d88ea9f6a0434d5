from __future__ import annotations

import asyncio
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from propq_async import (
    AsyncPropQ,
    Credentials,
    RateLimitError,
    RetryPolicy,
    UnitStatus,
)
from propq_async.__main__ import main
from propq_async.cli import app, child, demo
from propq_async.cli.app import run
from propq_async.cli.ending import CommandError, Exit, on_interrupt
from propq_async.cli.output import Screen, complain, printable
from propq_async.cli.rate import Rate
from tests.support import an_update

PROPQ = [sys.executable, "-m", "propq_async"]
HEADER = "development_id,name,status,price,directions"
SMALL = ["demo", "--units", "30", "--concurrency", "4", "--throttle", "10/1s"]
# Half-way it comes to a stop, and stays there.
STUCK = ["demo", "--units", "60", "--concurrency", "8", "--throttle", "1/20s"]


@pytest.fixture(autouse=True)
def _temporary_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@contextmanager
def propq(*arguments: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process: subprocess.Popen[str]
    with subprocess.Popen([*PROPQ, *arguments], text=True, **(pipes | options)) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def read_until(process: subprocess.Popen[str], mark: str) -> str:
    """Return what the process printed up to the line with the mark."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if mark in line:
            return "".join(lines)
    raise AssertionError(f"it ended without {mark!r}: {lines}")


def emulator_pid(out: str) -> int:
    found = re.search(r"process (\d+)", out)
    assert found, out
    return int(found[1])


@contextmanager
def must_end(pid: int) -> Iterator[None]:
    """Wait at the end of the block until the process, which need not be a child, is gone."""
    handle = os.pidfd_open(pid)
    try:
        yield
        assert select.select([handle], [], [], 30)[0], f"process {pid} still runs"
    finally:
        os.close(handle)


def price_list(path: Path, *rows: bytes | str) -> Path:
    lines = [row if isinstance(row, bytes) else row.encode() for row in (HEADER, *rows)]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


# --- demo -------------------------------------------------------------------------------------


def test_the_demo_recovers_and_says_so_in_plain_lines(tmp_path: Path) -> None:
    with propq(*SMALL, env=os.environ | {"FORCE_COLOR": "1"}) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert all(char.isprintable() or char == "\n" for char in out)
    for wanted in (
        r"server  10 rows are done: all access tokens are revoked\n",
        r"client  fetched a token in \S+ s \(refused\)",
        r"server  15 rows are done: from now on at most 10 calls in 1 s\n",
        r"client  warning: the server asks to wait 1 s: .{80,}\n",
        r" 30 of 30 rows, \d+/s, 0 failed\n",
        r" rows done +30\n +applied +30\n +failed +0\n +token requests +2\n",
        r" calls +\d+ in \S+ s: \d+ a second\n",
        r"\ndone    every row was applied\n$",
    ):
        assert re.search(wanted, out), wanted
    (directory,) = tmp_path.glob("propq-demo-*")
    for name in ("prices.csv", "token.json", "ledger.sqlite3"):
        assert f" {directory / name}\n" in out
        assert (directory / name).exists()


def test_the_demo_on_a_terminal_shows_a_bar() -> None:
    ours, theirs = pty.openpty()
    with propq(*SMALL, stdout=theirs, env=os.environ | {"TERM": "xterm"}) as process:
        os.close(theirs)
        seen = b""
        with suppress(OSError):  # how a terminal says that nobody is there any more
            while chunk := os.read(ours, 65536):
                seen += chunk
        assert process.wait(60) == 0
    os.close(ours)
    out = seen.decode()
    assert "━" in out
    assert "30 of 30 rows" in out
    assert "\x1b[?25h" in out, "the cursor was not given back"
    # A long line is wrapped beside its label.
    assert re.search(r"warning: the server asks to wait 1 s: .*\r\n {8}\S", out)
    assert re.search(r"token file +\S+/token\.json", out)


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setenv("TERM", "dumb")
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        assert not Screen().is_live
    os.close(ours)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_says_where_it_stands_and_leaves_nothing_running(
    number: signal.Signals,
) -> None:
    with propq(*STUCK) as process:
        before = read_until(process, "warning: the server asks to wait")
        with must_end(emulator_pid(before)):
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in err) == (Exit.INTERRUPTED, False), err
    told = re.fullmatch(
        r"propq: interrupted: (\d+) of 60 rows (?:is|are) applied, 0 failed, (\d) "
        r"w(?:ere|as) in flight \(\d of them may have been applied\), (\d+) w(?:ere|as) not sent\n",
        err,
    )
    assert told, err
    assert sum(map(int, told.groups())) == 60
    assert f"{told[1]}\n" in out.partition(" applied ")[2]


def test_an_emulator_that_is_killed_ends_the_demo() -> None:
    with propq(*STUCK) as process:
        before = read_until(process, "warning: the server asks to wait")
        os.kill(emulator_pid(before), signal.SIGKILL)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in err) == (Exit.STOPPED, False), err
    assert err.startswith("propq: the emulator ended in the middle, with status -9: ")
    assert "Traceback" not in err
    assert "calls" not in out


def test_a_demo_that_is_killed_takes_its_emulator_along() -> None:
    with propq(*STUCK) as process:
        before = read_until(process, "warning: the server asks to wait")
        with must_end(emulator_pid(before)):
            process.kill()


def test_who_stops_reading_the_output_ends_the_demo_in_silence() -> None:
    with propq(*SMALL) as process:
        before = read_until(process, "emulator of the API")
        assert process.stdout is not None
        with must_end(emulator_pid(before)):
            process.stdout.close()
            assert process.wait(60) == Exit.BROKEN_PIPE
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_ctrl_c_before_anything_is_pushed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(units: Path, log: Path) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return child.emulator_process(units, log)

    monkeypatch.setattr(demo, "emulator_process", interrupt)
    before = signal.getsignal(signal.SIGINT)
    assert run(SMALL) == Exit.INTERRUPTED
    assert signal.getsignal(signal.SIGINT) is before
    assert capsys.readouterr().err == "propq: interrupted\n"


def test_broken_rows_are_listed_and_the_good_ones_applied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = price_list(tmp_path / "x.csv", "1,A,SOLD,5,N", *["1,B,SOLD,five,N"] * 11, "1,C,HOLD,5,N")
    assert run(["demo", "--price-list", str(path), "--throttle", "9/s"]) == Exit.ROWS_FAILED
    out, err = capsys.readouterr()
    assert re.search(r"rows done +13\n +applied +2\n +failed +11\n", out)
    assert out.count("failed  ") == 12
    assert f"failed  {path}, line 3, column price: expected a price above zero" in out
    assert out.endswith("failed  and 1 more\n")
    assert err == "propq: 11 of 13 rows were not applied\n"


def test_a_row_that_the_server_refuses_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The emulator does not know the unit, since it got another list than the client.
    other = price_list(tmp_path / "other.csv", "1,B,SOLD,5,N")
    path = price_list(tmp_path / "x.csv", "1,A,SOLD,5,N")
    monkeypatch.setattr(demo, "emulator_process", lambda _, log: child.emulator_process(other, log))
    assert run(["demo", "--price-list", str(path)]) == Exit.ROWS_FAILED
    assert "failed  1 A: POST http" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("state", "said"), [(None, "nothing"), ({"applied": 29, "calls": 40, "token_requests": 1}, 29)]
)
def test_acknowledged_is_not_enough_if_the_server_has_not_applied(
    state: dict[str, int] | None,
    said: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def claim(_: child.Child) -> dict[str, int] | None:
        return state

    monkeypatch.setattr(child.Child, "state", claim)
    assert run(SMALL) == Exit.ROWS_FAILED
    assert capsys.readouterr().err == (
        f"propq: 30 rows were acknowledged, but the server says that it has applied {said}\n"
    )


def test_refused_credentials_stop_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def wrong(*arguments: Any) -> tuple[str, Credentials]:
        url, _ = await real(*arguments)
        return url, Credentials(1, "wrong")

    real = child._read_address
    monkeypatch.setattr(child, "_read_address", wrong)
    assert run(SMALL) == Exit.STOPPED
    err = capsys.readouterr().err
    assert err.startswith("propq: stopped: ")
    assert "invalid_client" in err
    assert "; 0 of 30 rows are applied, " in err


def test_an_emulator_that_cannot_be_steered_stops_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def nonsense(self: child.Child, _: str, **__: Any) -> None:
        await real(self, "nonsense")

    real = child.Child.steer
    monkeypatch.setattr(child.Child, "steer", nonsense)
    assert run(SMALL) == Exit.STOPPED
    assert "propq: stopped: 404, " in capsys.readouterr().err


def test_the_made_up_units_are_all_different() -> None:
    units = list(demo.make_units(1234))
    assert len({(unit.development_id, unit.name) for unit in units}) == 1234
    assert {unit.status for unit in units} == set(UnitStatus)


# --- the emulator's process ----------------------------------------------------------------------


async def test_why_the_emulator_did_not_start_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"did not start; it said:\npropq: cannot read .*nope"):
        async with child.emulator_process(tmp_path / "nope.csv", tmp_path / "log"):
            pass


async def test_an_emulator_that_ended_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with pytest.raises(CommandError, match="did not start; it said nothing"):
        async with child.emulator_process(tmp_path / "nope.csv", tmp_path / "log"):
            pass


@pytest.mark.parametrize("impatient", [False, True])
async def test_an_emulator_that_hangs_is_killed(
    impatient: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deaf = "import signal as s; s.signal(s.SIGTERM, s.SIG_IGN); print(flush=True); s.pause()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", deaf, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    monkeypatch.setattr(child, "END_SECONDS", 60 if impatient else 0.01)
    ending = asyncio.create_task(child._end(process))
    await asyncio.sleep(0)
    if impatient:
        ending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ending
    else:
        await ending
    assert process.returncode == -signal.SIGKILL


# --- emulate ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_emulate_serves_until_it_is_asked_to_end(
    number: signal.Signals, tmp_path: Path
) -> None:
    path = price_list(tmp_path / "prices.csv", "4711,A-101,HOLD,199500.50,N S", "4711,A-102,SOLD")
    with propq("emulate", "--units", str(path), "--throttle", "1/h") as process:
        said = read_until(process, "PROPQ_CLIENT_SECRET")
        assert re.fullmatch(r"(export PROPQ_\w+=[\w:/.-]+\n){5}", said)
        variables = dict(re.findall(r"export (\w+)=(\S+)", said))
        url = variables["PROPQ_BASE_URL"]
        factory = AsyncPropQ(
            Credentials.from_env(variables),
            base_url=url,
            token_store=None,
            retry=RetryPolicy(attempts=1),
        )
        async with factory.session() as session:
            await session.units.update(an_update())
            with pytest.raises(RateLimitError):
                await session.units.update(an_update())
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    lines = [re.sub(r"^\d\d:\d\d:\d\d ", "<time> ", line) for line in err.splitlines()]
    call = (
        "POST /v1/developments/4711/units/update-by-name "
        '{"UntName": "A-101", "UntStatus": 4, "UntPrice": 250000, "UntDirections": ["N", "S"]}'
    )
    assert lines == [
        f"propq: left out: {path}, line 3, expected 5 columns separated by commas, not 3",
        f"PropQ emulator at {url} with 1 unit, at most 1 call in 3600 s; Ctrl-C ends it",
        f"watch and disturb it at {url}/",
        "<time> 200 POST /oauth/token",
        f"<time> 200 {call}",
        f"<time> 429 {call}",
        "ended after 1 token request and 2 calls; 1 update was applied",
    ]


def test_emulate_can_end_with_its_standard_input() -> None:
    with propq("emulate", "--end-with-stdin") as process:
        read_until(process, "PROPQ_CLIENT_SECRET")
        _, err = process.communicate("not read\n", timeout=60)
    assert process.returncode == 0
    assert "without units every update is a 404: name a price list" in err


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert run(["emulate", "--port", str(port)]) == Exit.STOPPED
    assert re.fullmatch(
        rf"propq: cannot listen at port {port} of 127.0.0.1: Address .*; choose another --port, "
        "or leave it out and get a free one\n",
        capsys.readouterr().err,
    )


# --- the price list -----------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["demo", "--price-list"], ["emulate", "--units"]])
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, r"cannot read .*x\.csv: No such file"),
        (b"", "no column for .*; found nothing"),
        (b"name;price\n", "no column for .*; found name, price; state"),
    ],
)
def test_what_is_no_price_list_is_refused(
    content: bytes | None,
    problem: str,
    command: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "x.csv"
    if content is not None:
        path.write_bytes(content)
    assert run([*command, str(path)]) == Exit.USAGE
    err = capsys.readouterr().err
    assert re.search(problem, err)
    assert err.count("\n") == 1


def test_a_demo_of_a_pipe_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--price-list", "/dev/stdin"]) == Exit.USAGE
    assert "propq: /dev/stdin is no file: a price list is read more" in capsys.readouterr().err


def test_a_demo_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = price_list(tmp_path / "x.csv")
    assert run(["demo", "--price-list", str(path)]) == Exit.USAGE
    assert capsys.readouterr().err == f"propq: {path} has no rows\n"


# --- the command line ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("60/min", Rate(60, 60)),
        ("10/s", Rate(10, 1)),
        ("300/2s", Rate(300, 2)),
        ("300/0.5", Rate(300, 0.5)),
        ("1/h", Rate(1, 3600)),
    ],
)
def test_a_rate_as_one_writes_it(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate


@pytest.mark.parametrize(
    "arguments",
    [
        ["emulat"],
        ["demo", "--units", "0"],
        ["demo", "--units", "many"],
        ["emulate", "--host", "0.0.0.0"],
        ["emulate", "--port", "80000"],
        ["emulate", "--unknown-status", "403"],
        ["emulate", "--known-directions", ""],
        ["emulate", "--units", "nope.csv"],
        *(
            ["emulate", option, text]
            for option in ("--throttle", "--throttle-tokens")
            for text in ("60", "0/s", "1/", "5/0s", "5/day", "5/1.2.3s")
        ),
    ],
)
def test_wrong_usage_is_a_sentence(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == Exit.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("propq: ")
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [[], ["--help"], ["demo", "--help"], ["emulate", "--help"]])
def test_help_says_what_there_is(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "Usage: propq " in out
    assert "stdin" not in out


def test_wrong_usage_leads_to_the_help_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, command in (
        (["plan"], "propq plan"),
        (["token", "show", "x"], "propq token show"),
        (["pln"], "propq"),
    ):
        assert run(arguments) == Exit.USAGE
        assert capsys.readouterr().err.endswith(f"  Try '{command} --help'.\n")


@pytest.mark.usefixtures("_keeps_sigint")
def test_the_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["propq", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


@pytest.mark.parametrize("debug", [[], ["--debug"]])
@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyError("x"), Exit.BUG, "this is a bug of propq: KeyError: 'x' (--debug shows where)"),
        (PermissionError(13, "no", "/tmp/x"), Exit.STOPPED, "no: /tmp/x"),
        (OSError("no reason"), Exit.STOPPED, "no reason"),
        (OSError(28, "No space left"), Exit.STOPPED, "No space left"),
        (KeyboardInterrupt(), Exit.INTERRUPTED, "interrupted"),
    ],
)
def test_an_error_is_a_sentence_and_with_debug_a_traceback(
    error: BaseException,
    status: Exit,
    message: str,
    debug: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: list[str]) -> int:
        raise error

    monkeypatch.setattr(app, "_run", fail)
    assert run(["demo", *debug]) == status
    err = capsys.readouterr().err
    assert err.endswith(f"propq: {message}\n")
    wanted = bool(debug) and isinstance(error, Exception)
    assert err.startswith("Traceback" if wanted else "propq:")


@pytest.mark.parametrize("extra", ["cyclopts", "rich"])
def test_without_the_extra_one_line_says_what_to_install(extra: str) -> None:
    blocked = (
        "import sys\n"
        "class Blocker:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == {extra!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Blocker())\n"
        "from propq_async.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", blocked], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (64, "")
    assert re.fullmatch(
        rf"propq: the command line needs {extra}\S*, which is not installed; "
        r"pip install 'propq-async\[cli\]'\n",
        done.stderr,
    )


def test_another_module_that_is_missing_is_not_taken_for_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "propq_async.cli.app", None)
    with pytest.raises(ModuleNotFoundError, match=r"propq_async\.cli\.app"):
        main()


def test_nothing_that_is_shown_can_steer_the_terminal() -> None:
    assert printable("Ático\x1b[2J\r\u202e\n") == "Ático\\x1b[2J\\r\\u202e\\n"
    assert printable("Ñ\udce9\ud800") == "Ñ\\xe9\\ud800"


def test_an_error_on_a_terminal_is_wrapped_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setenv("COLUMNS", "30")
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        complain("a sentence that is longer than a line\nand one that is not")
    out = b""
    with suppress(OSError):  # what Linux says at the end of a terminal
        # One read may return no more than one line.
        while chunk := os.read(ours, 1000):
            out += chunk
    os.close(ours)
    lines = out.decode().replace("\r\n", "|")
    assert lines == "propq: a sentence that is|  longer than a line|  and one that is not|"


async def test_signals_call_the_function_each_time_and_go_back_to_what_they_were() -> None:
    calls: list[None] = []
    before = signal.getsignal(signal.SIGTERM)
    with on_interrupt(lambda: calls.append(None)):
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), number)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    assert len(calls) == 2
    assert signal.getsignal(signal.SIGTERM) is before
