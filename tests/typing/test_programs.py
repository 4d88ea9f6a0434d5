"""The examples of the documentation type-check, as strictly as users' projects may have it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import propq_async
from propq_async._client.units import Units
from propq_async.testing import PropQEmulator
from tests.helpers.pages import DOCS, README, blocks
from tests.helpers.public_api import MODULES

PAGES = [README, *sorted(DOCS.rglob("*.md"))]


def public_modules() -> list[str]:
    found = [module.name for module in pkgutil.walk_packages(propq_async.__path__, "propq_async.")]
    # Nobody but pytest calls the fixtures of the plugin, which imports as late as it can.
    found.remove("propq_async.testing.plugin")
    return ["propq_async", *(name for name in found if "._" not in name)]


def annotated(value: Any) -> list[Any]:
    """Return what has hints: a function, or a class with its methods and properties."""
    if not inspect.isclass(value):
        return [value] if inspect.isroutine(value) else []
    members = [found for _, found in inspect.getmembers(value)]
    members += [found.fget for found in members if isinstance(found, property)]
    routines = [found for found in members if inspect.isroutine(found)]
    return [value, *(found for found in routines if hasattr(found, "__annotations__"))]


@pytest.mark.parametrize("name", public_modules())
def test_the_type_hints_of_public_names_resolve(name: str) -> None:
    """Containers for dependency injection read them when a program starts."""
    module = importlib.import_module(name)
    values = [getattr(module, public) for public in module.__all__]
    found = [each for value in [*values, Units] for each in annotated(value)]
    for each in found:
        try:
            get_type_hints(each)
        except NameError as error:
            pytest.fail(f"{each.__qualname__}: {error}")


def test_the_methods_of_public_classes_are_looked_at() -> None:
    assert set(MODULES) <= set(public_modules())
    found = annotated(PropQEmulator)
    assert PropQEmulator.__init__ in found
    assert PropQEmulator.throttle in found  # of a private base
    assert vars(PropQEmulator)["url"].fget in found


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
