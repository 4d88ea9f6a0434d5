"""The emulator shares no code with the client, and the linter looks after it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import propq_async

ROOT = Path(__file__).parents[2]
# `errors` and `_secret` come with the credentials, and with nothing else.
SHARED = {"credentials", "testing"}


def test_the_linter_forbids_imports_of_the_whole_client() -> None:
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
