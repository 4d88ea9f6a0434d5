"""The public API as text, in `tests/public_api.txt`: `python -m tests.helpers.public_api`."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Final

import attrs

from propq_async._client.units import Units

FILE: Final = Path(__file__).parents[1] / "public_api.txt"
MODULES: Final = (
    "propq_async",
    "propq_async.errors",
    "propq_async.hooks",
    "propq_async.ledger",
    "propq_async.opentelemetry",
    "propq_async.pricelist",
    "propq_async.prometheus",
    "propq_async.redis",
    "propq_async.testing",
)
_PLAIN = (bool, int, float, str, bytes, tuple, frozenset, type(None))


def describe() -> list[str]:
    """Return a line for each public name, parameter, attribute and default."""
    lines = [line for module in MODULES for line in _module(module)]
    return [*lines, *_class("propq_async.PropQSession.units", Units)]


def _module(name: str) -> Iterator[str]:
    module = importlib.import_module(name)
    for public in sorted(module.__all__):
        value = getattr(module, public)
        # A name that is exported twice is described where its users take it from.
        if name != "propq_async" and public in importlib.import_module("propq_async").__all__:
            yield f"{name}.{public} is propq_async.{public}"
        elif public != "__version__":
            yield from _value(f"{name}.{public}", value)


def _value(path: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value):
        yield from _class(path, value)
    elif inspect.isfunction(value):
        yield from _function(path, value)
    else:  # a constant, or an alias of a type
        yield f"{path}: {type(value).__name__}"


def _class(path: str, cls: type) -> Iterator[str]:
    # What a private base has is the class's own to its users.
    own = [one for one in cls.__mro__ if one is cls or _is_private(one)]
    bases = [one.__name__ for one in cls.__mro__ if one not in own and one is not object]
    yield f"class {path}({', '.join(bases)})"
    if issubclass(cls, Enum):
        yield from (f"{path}.{one.name} = {one.value!r}" for one in cls)
        return
    fields = {field.name for field in attrs.fields(cls)} if attrs.has(cls) else set()
    yield from (f"{path}.{name}: attribute" for name in sorted(fields) if name[0] != "_")
    members = {name: member for one in reversed(own) for name, member in vars(one).items()}
    if "__init__" in members and not getattr(cls, "_is_protocol", False):
        yield from _function(path, cls.__init__)
    for name, member in sorted(members.items()):
        if name.startswith("_") or name in fields:
            continue
        if isinstance(member, property):
            yield f"{path}.{name}: property"
        elif isinstance(member, (classmethod, staticmethod)) or callable(member):
            yield from _function(f"{path}.{name}", getattr(cls, name))


def _is_private(cls: type) -> bool:
    public = {name for module in MODULES for name in importlib.import_module(module).__all__}
    return cls.__module__.startswith("propq_async") and cls.__name__ not in public


def _function(path: str, function: Any) -> Iterator[str]:
    kind = "async " if inspect.iscoroutinefunction(function) else ""
    yield f"{kind}def {path}"
    for one in inspect.signature(function).parameters.values():
        if one.name in ("self", "cls") or one.name.startswith("_"):
            continue
        default = "" if one.default is inspect.Parameter.empty else f" = {_default(one.default)}"
        yield f"{path}({one.name}: {one.kind.description}){default}"


def _default(value: Any) -> str:
    if isinstance(value, _PLAIN):
        return repr(value)
    return getattr(value, "__qualname__", type(value).__qualname__)


if __name__ == "__main__":
    FILE.write_text("\n".join(describe()) + "\n", encoding="utf-8")
