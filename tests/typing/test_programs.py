"""The examples of the documentation type-check, as strictly as users' projects may have it."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import propq_async
from propq_async import pricelist
from propq_async._client.units import Units
from tests.helpers.pages import DOCS, README, blocks

PAGES = [README, *sorted(DOCS.rglob("*.md"))]


def functions_of(value: Any) -> list[Any]:
    if not inspect.isclass(value):
        return [value] if callable(value) else []
    members = [found for _, found in inspect.getmembers(value) if inspect.isroutine(found)]
    return [value, *(found for found in members if hasattr(found, "__annotations__"))]


@pytest.mark.parametrize("name", [*propq_async.__all__, "Units", "plan", "push", "Push"])
def test_the_type_hints_of_public_names_resolve(name: str) -> None:
    """Containers for dependency injection read them when a program starts."""
    home = {"Units": Units} | {name: getattr(pricelist, name) for name in ("plan", "push", "Push")}
    for function in functions_of(home.get(name) or getattr(propq_async, name)):
        get_type_hints(function)


def test_a_container_sees_what_a_factory_takes() -> None:
    hints = get_type_hints(propq_async.AsyncPropQ.__init__)
    assert hints["credentials"] is propq_async.Credentials


@pytest.mark.campaign
def test_the_examples_of_the_documentation_type_check(tmp_path: Path) -> None:
    for page in PAGES:
        programs = [each for each in blocks(page) if each.language == "python"]
        for number, program in enumerate(programs):
            if "distributed import" in program.text:  # which has no types
                continue
            name = f"{page.parent.name}_{page.stem.lower().replace('-', '_')}_{number}.py"
            if any(f"from {(program.caption or '')[:-3]} import" in one.text for one in programs):
                name = str(program.caption)
            text = f"# pyright: strict\n{program.text}"
            (tmp_path / name).write_text(text, encoding="utf-8")
    python = ["--python-executable", sys.executable]
    for command in (
        ["mypy", "--strict", *python, "--cache-dir", str(tmp_path / "cache"), str(tmp_path)],
        ["pyright", "--pythonpath", sys.executable, str(tmp_path)],
    ):
        run = [sys.executable, "-m", *command]
        done = subprocess.run(run, check=False, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stdout
