from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import attrs
import pytest

import propq_async
import propq_async.testing
from propq_async import (
    DEFAULT_FILE,
    INHERIT,
    Applied,
    AsyncPropQ,
    Clock,
    Credentials,
    Failed,
    JsonFileTokenStore,
    MemoryTokenStore,
    PropQSession,
    RetryPolicy,
    Token,
    TokenKey,
    TokenManager,
    TokenStore,
    UnitBatch,
    UnitOutcome,
    UnitUpdate,
    errors,
)
from propq_async._client.units import Units


def test_all_is_sorted_and_exactly_the_public_names() -> None:
    named = {name: getattr(propq_async, name) for name in dir(propq_async)}
    public = {
        name
        for name, value in named.items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert set(propq_async.__all__) == public | {"__version__"}
    # Constants, classes, the rest: as ruff sorts it.
    assert propq_async.__all__ == sorted(
        propq_async.__all__, key=lambda name: (not name.isupper(), name.startswith("_"), name)
    )
    assert len(set(propq_async.__all__)) == len(propq_async.__all__)


def test_nothing_but_what_is_public_is_shown() -> None:
    shown = {name for name in dir(propq_async) if not name.startswith("_")}
    inside = {"errors", "testing"}
    assert inside < shown
    modules = {name for name in shown if isinstance(getattr(propq_async, name), ModuleType)}
    assert shown - modules <= set(propq_async.__all__)
    assert all(getattr(propq_async, name).__name__ == f"propq_async.{name}" for name in modules)


@pytest.mark.parametrize("name", propq_async.__all__)
def test_each_public_name_has_a_docstring_and_so_have_its_members(name: str) -> None:
    value = getattr(propq_async, name)
    if not inspect.isclass(value):
        return
    assert inspect.getdoc(value)
    for member, found in inspect.getmembers(value):
        if not member.startswith("_") and (inspect.isroutine(found) or isinstance(found, property)):
            assert inspect.getdoc(found), f"{name}.{member}"


def test_every_error_is_public() -> None:
    for name in errors.__all__:
        assert getattr(propq_async, name) is getattr(errors, name)
    assert errors.__all__ == sorted(errors.__all__)


def test_the_version_is_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", propq_async.__version__)


REQUIRED = inspect.Parameter.empty
CLIENT: dict[str, Any] = {
    "base_url": "https://api.propq.com",
    "token_store": DEFAULT_FILE,
    "retry": RetryPolicy(),
    "timeout_seconds": 30.0,
    "max_calls_per_second": None,
    "max_connections": 100,
    "ssl_context": None,
    "proxy": None,
    "trust_env": False,
    "trace_configs": (),
}


@pytest.mark.parametrize(
    ("function", "positional", "keyword"),
    [
        (Credentials, {"client_id": REQUIRED, "client_secret": REQUIRED}, {}),
        (AsyncPropQ, {"credentials": REQUIRED}, CLIENT),
        (AsyncPropQ.session, {"self": REQUIRED}, {"timeout_seconds": INHERIT, "retry": INHERIT}),
        (Units.update, {"self": REQUIRED, "update": REQUIRED}, {}),
        (
            Units.update_many,
            {"self": REQUIRED, "updates": REQUIRED},
            {"concurrency": 100, "max_outage_seconds": 300.0},
        ),
        (
            PropQSession.request,
            {"self": REQUIRED, "method": REQUIRED, "path": REQUIRED},
            {"json": None, "params": None, "retry_unacknowledged": None},
        ),
        (
            TokenManager,
            {"credentials": REQUIRED},
            {
                "token_url": "https://api.propq.com/oauth/token",
                "store": None,
                "timeout_seconds": 30.0,
                "retry": RetryPolicy(),
                "clock": Clock(),
            },
        ),
        (TokenManager.get_token, {"self": REQUIRED}, {}),
        (TokenManager.refresh, {"self": REQUIRED}, {}),
        (TokenManager.invalidate, {"self": REQUIRED, "token": REQUIRED}, {}),
        (TokenManager.aclose, {"self": REQUIRED}, {}),
        (TokenKey, {"token_url": REQUIRED, "client_id": REQUIRED}, {}),
        (TokenStore.load, {"self": REQUIRED, "key": REQUIRED}, {}),
        (TokenStore.save, {"self": REQUIRED, "key": REQUIRED, "token": REQUIRED}, {}),
        (TokenStore.clear, {"self": REQUIRED, "key": REQUIRED}, {}),
        (TokenStore.lock, {"self": REQUIRED, "key": REQUIRED}, {}),
        (JsonFileTokenStore, {"path": REQUIRED}, {}),
        (MemoryTokenStore, {}, {}),
        (
            UnitUpdate,
            dict.fromkeys(("development_id", "name", "status", "price", "directions"), REQUIRED),
            {},
        ),
        (
            RetryPolicy,
            {},
            {
                "attempts": 5,
                "base_delay_seconds": 0.25,
                "max_delay_seconds": 20.0,
                "max_retry_after_seconds": 120.0,
                "max_wait_seconds": 30.0,
                "total_timeout_seconds": None,
                "retry_unacknowledged": True,
                "retry_budget": 0.2,
            },
        ),
        (UnitBatch.stop, {"self": REQUIRED}, {}),
        (UnitBatch.aclose, {"self": REQUIRED}, {}),
    ],
    ids=lambda value: getattr(value, "__qualname__", None),
)
def test_signatures_stay_as_they_are(
    function: Callable[..., Any], positional: dict[str, Any], keyword: dict[str, Any]
) -> None:
    parameters = inspect.signature(function).parameters
    leading = {
        name: parameter.default
        for name, parameter in parameters.items()
        if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    }
    assert leading == positional
    assert list(leading) == list(positional)
    for name, default in keyword.items():
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[name].default == default
        assert type(parameters[name].default) is type(default)
    # There may be more, but nothing that has to be given.
    more = parameters.keys() - positional.keys() - keyword.keys()
    assert all(parameters[name].default is not REQUIRED for name in more)


@pytest.mark.parametrize(
    "function",
    [
        Units.update,
        PropQSession.request,
        TokenManager.get_token,
        TokenManager.refresh,
        TokenManager.aclose,
        TokenStore.load,
        TokenStore.save,
        TokenStore.clear,
        UnitBatch.aclose,
    ],
    ids=lambda value: value.__qualname__,
)
def test_what_is_awaited_is_a_coroutine_function(function: Callable[..., Any]) -> None:
    assert inspect.iscoroutinefunction(function)


@pytest.mark.parametrize(
    ("cls", "names"),
    [
        (AsyncPropQ, ["__aenter__", "__aexit__", "from_env", "session"]),
        (PropQSession, ["__aenter__", "__aexit__", "request"]),
        (UnitBatch, ["__aenter__", "__aexit__", "__aiter__", "__anext__"]),
        (Credentials, ["from_env"]),
        (JsonFileTokenStore, ["load", "save", "clear", "lock"]),
        (MemoryTokenStore, ["load", "save", "clear", "lock"]),
    ],
)
def test_the_other_public_names_are_there(cls: type, names: list[str]) -> None:
    for name in names:
        assert hasattr(cls, name)


@pytest.mark.parametrize(
    ("cls", "fields"),
    [
        (Token, ["access_token", "token_type", "expires_at", "issued_at"]),
        (TokenKey, ["token_url", "client_id"]),
        *(
            (kind, ["index", "update", "ok", "response", "error", "attempts", "elapsed_seconds"])
            for kind in (Applied, Failed, UnitOutcome)
        ),
        (UnitUpdate, ["development_id", "name", "status", "price", "directions"]),
        (Credentials, ["client_id", "client_secret"]),
    ],
)
def test_models_have_exactly_these_fields(cls: Any, fields: list[str]) -> None:
    assert list(attrs.fields_dict(cls)) == fields


def test_a_factory_takes_the_same_settings_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PROPQ_CLIENT_ID", "7")
    monkeypatch.setenv("PROPQ_CLIENT_SECRET", "s")
    propq = AsyncPropQ.from_env(**CLIENT)
    assert isinstance(propq.tokens, TokenManager)
    session = propq.session()
    assert isinstance(session, PropQSession)
    assert isinstance(session.units, Units)


def test_the_packages_know_their_names() -> None:
    for package in (propq_async, propq_async.testing):
        assert set(package.__all__) <= set(dir(package))
        assert sorted(package.__all__) == sorted(set(package.__all__))
        for name in package.__all__:
            assert getattr(package, name) is not None
        with pytest.raises(AttributeError, match=f"'{package.__name__}' has no attribute 'Nope'"):
            _ = package.Nope
