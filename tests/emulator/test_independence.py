"""The emulator shares no code with the client, and the linter looks after it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import propq_async

ROOT = Path(__file__).parents[2]
# What the credentials are made of. `errors` and `hidden` come with them, and with nothing else.
SHARED = {"models", "testing"}


def test_the_linter_looks_at_all_of_it_and_forbids_all_of_the_client() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = [
        found for found in settings["tool"]["importlinter"]["contracts"]
        if found["type"] == "forbidden"
    ]  # fmt: skip
    assert contract["source_modules"] == ["propq_async.testing.*"]
    assert "allow_indirect_imports" not in contract
    here = Path(propq_async.__file__).parent
    modules = {path.stem for path in here.glob("*.py")} - {"__init__"}
    modules |= {path.parent.name for path in here.glob("*/__init__.py")}
    forbidden = {name.removeprefix("propq_async.") for name in contract["forbidden_modules"]}
    assert forbidden == modules - SHARED
