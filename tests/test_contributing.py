"""CONTRIBUTING.md names files, folders and commands: they are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PATH = re.compile(r"[\w./]*(?:/|\.(?:py|md|toml))")


def named() -> list[str]:
    """Return what looks like a path in the tables and in the diagram."""
    quoted = re.findall(r"`([^`\s]+)`", TEXT)
    diagram = re.findall(r"(?<!/)\b_\w+/\w*(?:\.py)?", TEXT)
    return sorted({name for name in [*quoted, *diagram] if PATH.fullmatch(name)})


@pytest.mark.parametrize("name", named())
def test_what_contributing_names_is_there(name: str) -> None:
    assert (ROOT / name).exists() or (ROOT / "propq_async" / name).exists(), name


def test_every_room_is_on_the_map() -> None:
    rooms = {path.parent.name for path in (ROOT / "propq_async").glob("*/__init__.py")}
    assert {
        name.rstrip("/") for name in re.findall(r"^\| `(\w+/)` \|", TEXT, re.MULTILINE)
    } == rooms
