"""`propq demo`, from its price list to its verdict."""

from __future__ import annotations

import os
import pty
import re
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from propq_async import Credentials, UnitStatus
from propq_async._cli import (
    demo,
    emulator_process,
)
from propq_async._cli.app import run
from propq_async._cli.demo_units import make_units
from propq_async._cli.exit_codes import Exit
from tests.helpers.commands import emulator_pid, must_end, price_list, propq, read_until

pytestmark = pytest.mark.usefixtures("temporary_directory")

SMALL = ["demo", "--units", "30", "--concurrency", "4", "--throttle", "10/1s"]
# Half-way it comes to a stop, and stays there.
STUCK = ["demo", "--units", "60", "--concurrency", "8", "--throttle", "1/20s"]


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_says_where_it_stands(
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


def test_a_reader_that_stops_ends_the_demo_in_silence() -> None:
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
        return emulator_process.emulator_process(units, log)

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
    assert f"failed  {path}, line 3, column price: found 'five'; expected a price" in out
    assert out.endswith("failed  and 1 more\n")
    assert err == "propq: 11 of 13 rows were not applied\n"


def test_a_row_that_the_server_refuses_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The emulator does not know the unit, since it got another list than the client.
    other = price_list(tmp_path / "other.csv", "1,B,SOLD,5,N")
    path = price_list(tmp_path / "x.csv", "1,A,SOLD,5,N")
    monkeypatch.setattr(
        demo, "emulator_process", lambda _, log: emulator_process.emulator_process(other, log)
    )
    assert run(["demo", "--price-list", str(path)]) == Exit.ROWS_FAILED
    assert "failed  1 A: POST http" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("state", "said"), [(None, "nothing"), ({"applied": 29, "calls": 40, "token_requests": 1}, 29)]
)
def test_the_demo_asks_the_server_what_it_has_applied(
    state: dict[str, int] | None,
    said: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def claim(_: emulator_process.Child) -> dict[str, int] | None:
        return state

    monkeypatch.setattr(emulator_process.Child, "state", claim)
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

    real = emulator_process._read_address
    monkeypatch.setattr(emulator_process, "_read_address", wrong)
    assert run(SMALL) == Exit.STOPPED
    err = capsys.readouterr().err
    assert err.startswith("propq: stopped: ")
    assert "invalid_client" in err
    assert "; 0 of 30 rows are applied, " in err


def test_an_emulator_that_cannot_be_steered_stops_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def nonsense(self: emulator_process.Child, _: str, **__: Any) -> None:
        await real(self, "nonsense")

    real = emulator_process.Child.steer
    monkeypatch.setattr(emulator_process.Child, "steer", nonsense)
    assert run(SMALL) == Exit.STOPPED
    assert "propq: stopped: 404, " in capsys.readouterr().err


def test_the_made_up_units_are_all_different() -> None:
    units = list(make_units(1234))
    assert len({(unit.development_id, unit.name) for unit in units}) == 1234
    assert {unit.status for unit in units} == set(UnitStatus)


def test_a_demo_of_a_pipe_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--price-list", "/dev/stdin"]) == Exit.USAGE
    assert "propq: /dev/stdin is no file: a price list is read more" in capsys.readouterr().err


def test_a_demo_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = price_list(tmp_path / "x.csv")
    assert run(["demo", "--price-list", str(path)]) == Exit.USAGE
    assert capsys.readouterr().err == f"propq: {path} has no rows\n"
