"""The code blocks of a Markdown page, and what runs them as a reader would."""

from __future__ import annotations

import doctest
import inspect
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from markdown_it import MarkdownIt

from propq_async._cli.app import run as cli
from propq_async.testing import PropQEmulator

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PRICES = """\
development_id,name,status,price,directions
4711,A-101,SOLD,250000,N S
4711,A-102,AVAILABLE,199500.50,SW
4711,No such unit,HOLD,180000,N
"""


@frozen
class Block:
    """A fenced block: its language, the file that its caption names, and its text."""

    language: str
    caption: str | None
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """Return the blocks of the page, with the captions of `code-block` directives."""
    found = []
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type != "fence":
            continue
        assert token.map is not None
        language, caption, text = token.info.strip(), None, token.content
        if language.startswith("{code-block}"):
            language = language.removeprefix("{code-block}").strip()
            while option := re.match(r":(\w[\w-]*): *(.*)\n+", text):
                caption = option[2] if option[1] == "caption" else caption
                text = text[option.end() :]
        elif language.startswith("{"):
            continue
        found.append(Block(language, caption, text, token.map[0] + 1))
    return found


def block(page: Path, mark: str, language: str = "python") -> str:
    """Return the one block of the page with this mark in it."""
    (found,) = [b.text for b in blocks(page) if b.language == language and mark in b.text]
    return found


def execute(code: str, page: Path) -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "page"}
    exec(compile(code, str(page), "exec"), namespace)
    return namespace


def sessions(text: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block, and the output that is shown for it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        while command.endswith("\\"):
            more, _, output = output.partition("\n")
            command = command[:-1] + more.strip()
        yield command, output


class Reader:
    """Someone who types what a page shows, in a folder of their own, beside an emulator."""

    def __init__(self, emulator: PropQEmulator, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._plain = [(emulator.url, "https://api.propq.com"), (str(Path.cwd()) + "/", "")]
        self._status = 0

    def follow(self, page: Path, *, but: Collection[str] = ()) -> None:
        """Run the blocks in their order. What is shown as output must be what comes out."""
        shown: Callable[[str], None] | None = None
        for each in blocks(page):
            if each.language in but:
                continue
            where = f"{page.name}:{each.line}"
            if each.language == "text" and each.caption is None:
                if shown is not None:
                    shown(each.text)
                shown = None
            elif each.language == "python":
                shown = self._python(each, page)
            elif each.language == "console":
                self._console(each, where)
            else:
                assert each.caption is not None, f"{where}: nothing runs {each.language!r}"
                Path(each.caption).write_text(each.text, encoding="utf-8")

    def _python(self, each: Block, page: Path) -> Callable[[str], None] | None:
        if each.caption is not None:
            Path(each.caption).write_text(each.text, encoding="utf-8")
            if each.caption.startswith("test_"):
                run_pytest(each.caption)
                return None
        self._capsys.readouterr()
        execute(each.text, page)
        out = self._capsys.readouterr().out
        return lambda text: self._compare(text, out, f"{page.name}:{each.line}")

    def _console(self, each: Block, where: str) -> None:
        typed = list(sessions(each.text))
        for at, (command, wanted) in enumerate(typed):
            if command == "echo $?":
                assert wanted.strip() == str(self._status), f"{where}: {command}"
                continue
            out = self._type(command)
            if wanted:
                self._compare(wanted, out, f"{where}: {command}")
            # What ends otherwise says so in the next line.
            if [following for following, _ in typed[at + 1 : at + 2]] != ["echo $?"]:
                assert self._status == 0, f"{where}: {command}: {self._status}\n{out}"

    def _type(self, command: str) -> str:
        self._capsys.readouterr()
        words = shlex.split(command)
        if words[0] == "propq" and not set(words) & {"|", ">", "&&"}:
            self._status = cli(words[1:])
            said = self._capsys.readouterr()
            return said.out + said.err
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-c", command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        self._status = done.returncode
        return done.stdout + done.stderr

    def _compare(self, wanted: str, out: str, where: str) -> None:
        for machine, page in self._plain:
            out = out.replace(machine, page)
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert doctest.OutputChecker().check_output(wanted, out, flags), f"{where}\n{out}"


def run_pytest(name: str) -> None:
    """Run the tests of a page as a user does: with our plugin, in a process of their own."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_asyncio.plugin"]
    command += ["-p", "propq_async.testing.plugin", "-p", "no:cacheprovider", name]
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def section(page: Path, first: str) -> str:
    """Return the table of the page whose first column is headed so, without that heading."""
    return page.read_text(encoding="utf-8").split(f"| {first} |", 1)[1].split("\n\n", 1)[0]


def table(page: Path, first: str) -> dict[str, str]:
    """Return the second column of a table by the names in its first."""
    rows = section(page, first).splitlines()[2:]
    cells = [re.split(r"\s*\|\s*", row.strip("| ")) for row in rows]
    return {name: row[1].strip("` ") for row in cells for name in re.findall(r"`(\w+)[`(]", row[0])}


def actual_parameters(function: Any) -> list[tuple[str, Any, Any]]:
    found = inspect.signature(function).parameters.values()
    return [(p.name, p.kind, p.default) for p in found if p.name != "self"]


def parameters(name: str, text: str) -> list[tuple[str, Any, Any]]:
    """Return the parameters of a signature as a page shows it."""
    namespace: dict[str, Any] = {}
    exec(f"def {name}{text}: ...", namespace)
    return actual_parameters(namespace[name])


def defaults(function: Any) -> dict[str, Any]:
    return {
        p.name: p.default
        for p in inspect.signature(function).parameters.values()
        if p.name not in ("self", "updates")
    }
