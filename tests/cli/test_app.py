"""The command line as a whole: help, wrong usage, errors, exit statuses."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from propq_async import PropQError
from propq_async.__main__ import main
from propq_async._cli import app, commands
from propq_async._cli.app import run
from propq_async._cli.exit_codes import Exit
from tests.helpers.commands import unwatched

pytestmark = pytest.mark.usefixtures("temporary_directory")


@pytest.mark.parametrize("command", [["demo", "--price-list"], ["emulate", "--units"]])
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, r"cannot read .*x\.csv: No such file"),
        (b"", "is empty: see what went wrong"),
        (b"name;price\n", "no column for .*; found name, price$"),
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
        (PermissionError(13, "no", "/tmp/x"), Exit.UNUSABLE, "no: /tmp/x"),
        (OSError("no reason"), Exit.UNUSABLE, "no reason"),
        (OSError(28, "No space left"), Exit.UNUSABLE, "No space left"),
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


def test_a_traceback_does_not_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: list[str]) -> int:
        raise KeyError(PropQError("a\x1b[2J\u202e"), "\x9b1A") from PropQError("b\x1b[2J")

    monkeypatch.setattr(app, "_run", fail)
    run(["demo", "--debug"])
    err = capsys.readouterr().err
    assert r"propq_async.errors.PropQError: b\x1b[2J" in err
    assert err.replace("\n", "").isprintable()


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


def test_another_missing_module_is_not_taken_for_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "propq_async._cli.app", None)
    with pytest.raises(ModuleNotFoundError, match=r"propq_async\._cli\.app"):
        main()


@pytest.mark.parametrize(
    "arguments",
    [["plan"], ["push"], ["update"], ["token"], ["token", "show"], ["token", "refresh"]],
)
def test_help_of_each_command_says_what_there_is(arguments: list[str], propq: Any) -> None:
    said = propq(*arguments, "--help")
    assert (said.status, said.err) == (0, "")
    assert f"Usage: propq {' '.join(arguments)}" in said.out
    assert "default: False" not in said.out
    assert "default: []" not in said.out


def test_shells_can_complete() -> None:
    for shell in ("bash", "zsh", "fish"):
        script = commands.app.generate_completion(shell=shell)
        assert "push" in script
        assert "trust-hours" in script


def test_help_imports_nothing_that_it_does_not_need() -> None:
    code = (
        "import sys\nfrom propq_async._cli.app import run\nassert run(['--help']) == 0\n"
        "unwanted = {'sqlite3', 'python_calamine', 'propq_async.pricelist', 'propq_async.ledger',"
        "'propq_async.testing'}\nassert not unwanted & set(sys.modules), unwanted"
    )
    unwatched(code)


def test_the_core_imports_neither_lists_nor_the_ledger() -> None:
    code = (
        "import sys, propq_async\npropq_async.AsyncPropQ\n"
        "assert not {'propq_async.pricelist', 'propq_async.ledger', 'sqlite3'} & set(sys.modules)\n"
        "from propq_async import pricelist\npricelist.read"
    )
    unwatched(code)
