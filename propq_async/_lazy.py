"""Public names that are imported when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any


def lazily(
    package: str, names: Sequence[str], modules: Sequence[str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the `__getattr__` and the `__dir__` of a package.

    Args:
        package: its name.
        names: its public names.
        modules: the submodules that define them, each one after those that it imports. They are
            imported in this order until one has the name.
    """

    def __getattr__(name: str) -> Any:  # noqa: N807 - a package's own
        if name in modules:
            return import_module(f"{package}.{name}")
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = (vars(import_module(f"{package}.{module}")) for module in modules)
        value = next(module[name] for module in found if name in module)
        setattr(sys.modules[package], name, value)
        return value

    def __dir__() -> list[str]:  # noqa: N807
        # What users may rely on, and what Python itself has put there; not what this imports.
        own = {name for name in vars(sys.modules[package]) if name.startswith("__")}
        inside = {name for name in sys.modules if name.startswith(f"{package}.")}
        parts = {name.removeprefix(f"{package}.").partition(".")[0] for name in inside}
        return sorted({*names, *own, *(part for part in parts if not part.startswith("_"))})

    return __getattr__, __dir__
