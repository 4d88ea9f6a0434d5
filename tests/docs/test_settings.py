"""The tables of settings are complete and true."""

from __future__ import annotations

import re

import attrs

import propq_async
from propq_async import RetryPolicy, errors, pricelist
from propq_async._cli.commands import app
from propq_async._cli.exit_codes import Exit
from propq_async._client.units import Units
from tests.helpers.pages import DOCS, ROOT, block, defaults, section, table

PAGE = DOCS / "reference" / "settings.md"


def test_the_tables_of_settings_are_complete_and_true() -> None:
    settings = table(PAGE, "Setting of `AsyncPropQ`")
    actual = defaults(propq_async.AsyncPropQ.__init__)
    assert list(settings) == list(actual)
    assert settings["base_url"] == actual["base_url"]
    for name in ("timeout_seconds", "max_connections"):
        assert float(settings[name]) == actual[name]
    policy = table(PAGE, "Setting of `RetryPolicy`")
    assert {name: eval(text) for name, text in policy.items()} == defaults(RetryPolicy)
    batch = table(PAGE, "Setting of `update_many`")
    assert {name: eval(text) for name, text in batch.items()} == defaults(Units.update_many)
    push = table(PAGE, "Setting of `pricelist.push`")
    actual = defaults(pricelist.push)
    assert {name: eval(text) for name, text in push.items()} == {
        name: actual[name] for name in push
    }


def test_the_table_of_figures_is_complete() -> None:
    page = DOCS / "how-to" / "metrics.md"
    assert list(table(page, "Field of `Stats`")) == list(attrs.fields_dict(propq_async.Stats))


def test_the_table_of_variables_is_complete() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "propq_async").rglob("*.py")]
    read = {
        name
        for source in sources
        for name in re.findall(r"\b(?:PROPQ|JOB)_[A-Z]+(?:_[A-Z]+)*\b", source)
    }
    told = section(PAGE, "Variable")
    assert set(re.findall(r"^\|(?: `(\w+)`)", told, re.MULTILINE)) <= read
    assert {name for name in read if f"`{name}`" not in told} == set()


def test_the_table_of_commands_is_complete() -> None:
    told = section(DOCS / "reference" / "commands.md", "Command")
    first = [line.split("|")[1] for line in told.splitlines()[2:]]
    named = {name for cell in first for name in re.findall(r"`(?:propq )?(\w+)`", cell)}
    assert named == {name for name in app if not name.startswith("-")}


def test_the_table_of_exit_statuses_is_complete() -> None:
    told = section(DOCS / "reference" / "commands.md", "Exit status")
    assert [int(line.split("|")[1]) for line in told.splitlines()[2:]] == sorted(Exit)


def test_the_tree_of_errors_is_that_of_the_code() -> None:
    tree = block(DOCS / "reference" / "errors.md", "PropQError ", "text")
    path: list[str] = []
    for line in tree.splitlines():
        indented = re.match(r"([│├└─ ]*)(\w+)", line)
        assert indented is not None
        depth, name = len(indented[1]) // 4, indented[2]
        path[depth:] = [name]
        bases = [base.__name__ for base in getattr(errors, name).__mro__]
        assert depth == 0 or path[depth - 1] in bases[1:], line
        assert line.count("(ValueError)") == ("ValueError" in bases), line
    named = set(re.findall(r"\b[A-Z]\w*Error\b", tree)) - {"ValueError"}
    assert named == set(errors.__all__)


def test_the_table_of_loggers_is_complete() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "propq_async").rglob("*.py")]
    named = {
        name
        for source in sources
        for name in re.findall(r'getLogger\("(propq_async\.\w+)"', source)
    }
    told = section(DOCS / "how-to" / "logging.md", "Logger")
    assert set(re.findall(r"^\| `([\w.]+)`", told, re.MULTILINE)) == named
