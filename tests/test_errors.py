from __future__ import annotations

import copy
import importlib
import inspect
import multiprocessing
import pickle
import pkgutil
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

import propq_async
from propq_async import errors, ledger, pricelist
from propq_async.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    InvalidUpdateError,
    LedgerBusyError,
    LedgerError,
    NotFoundError,
    PermissionDeniedError,
    PriceListError,
    PropQError,
    RateLimitError,
    RedirectError,
    ServerError,
    SupersededError,
    TokenError,
    TokenRefusedError,
    TokenUnavailableError,
    UnconfirmedError,
    UnexpectedResponseError,
    UnprocessableError,
    WrongMethodError,
)

CALL: dict[str, Any] = {"method": "POST", "url": "https://api.propq.com/v1/x", "attempts": 3}
STATUS: dict[str, Any] = {
    **CALL,
    "may_have_been_applied": True,
    "body": '{"message": "é"}',
    "retry_after_seconds": 1.5,
    "request_id": "r-1",
}

ALL: list[PropQError] = [
    PropQError("went wrong"),
    ConfigurationError("base_url must look like https://api.propq.com"),
    InvalidUpdateError({"price": ["must be above zero, not 0"], "name": ["must not be empty"]}),
    PriceListError("prices.csv has no header: name the columns"),
    UnconfirmedError("this needs a yes", warnings={"price": ["A-101 costs 1", "A-102 costs 2"]}),
    LedgerError("the ledger cannot be used"),
    LedgerBusyError("another push is at work", process_id=4711),
    TokenError("no token"),
    TokenRefusedError("refused", status=401, error="invalid_client", description="d", hint="h"),
    TokenUnavailableError("no answer", status=503, retry_after_seconds=7.0, attempts=5),
    APIError("failed", **CALL),
    APIConnectionError("there is no connection", **CALL),
    APITimeoutError("no answer within 30 s", **CALL, may_have_been_applied=True),
    SupersededError("a newer update has taken its place", **CALL, may_have_been_applied=True),
    UnexpectedResponseError("the body is not JSON", status=200, body="<p>", **CALL),
    APIStatusError("I'm a teapot", status=418, **STATUS),
    RedirectError("Found", status=302, location="/login", **STATUS),
    BadRequestError("Bad", status=400, **STATUS),
    AuthenticationError("Unauthenticated.", status=401, **STATUS),
    PermissionDeniedError("Forbidden", status=403, **STATUS),
    NotFoundError("Not Found", status=404, **STATUS),
    WrongMethodError("Page Expired", status=419, **STATUS),
    UnprocessableError("invalid", status=422, errors={"UntPrice": ["too low", "odd"]}, **STATUS),
    RateLimitError("Too Many Attempts.", status=429, **STATUS),
    ServerError("Server Error", status=500, **STATUS),
]

each = pytest.mark.parametrize("error", ALL, ids=lambda error: type(error).__name__)


def same(error: BaseException, other: BaseException) -> bool:
    return (
        type(error) is type(other)
        and error.args == other.args
        and vars(error) == vars(other)
        and str(error) == str(other)
        and repr(error) == repr(other)
    )


def test_every_class_of_the_tree_is_among_the_examples() -> None:
    classes = {
        cls
        for _, cls in inspect.getmembers(errors, inspect.isclass)
        if cls.__module__ == errors.__name__
    }
    public = {cls for cls in classes if issubclass(cls, PropQError)}
    assert {type(error) for error in ALL} == public
    assert {cls.__name__ for cls in public} == set(errors.__all__)


def test_no_error_of_the_package_is_defined_elsewhere() -> None:
    """Whoever catches what `errors` lists catches all; parts of the command line are no API."""
    for module in pkgutil.walk_packages(propq_async.__path__, "propq_async."):
        if not module.name.startswith(("propq_async._cli", "propq_async.__main__")):
            importlib.import_module(module.name)

    def below(cls: type[PropQError]) -> Iterator[type[PropQError]]:
        for child in cls.__subclasses__():
            yield child
            yield from below(child)

    for cls in below(PropQError):
        if cls.__module__.startswith("propq_async."):
            listed = next(base for base in cls.__mro__ if base.__module__ == errors.__name__)
            # What an extra adds is with the extra.
            assert listed is not PropQError or cls.__module__.startswith("propq_async.redis"), cls


def test_where_errors_were_first_they_still_are() -> None:
    assert ledger.LedgerError is LedgerError
    assert ledger.LedgerBusyError is LedgerBusyError
    assert pricelist.PriceListError is PriceListError


@pytest.mark.parametrize(
    ("cls", "parents"),
    [
        (PropQError, (Exception,)),
        (ConfigurationError, (PropQError, ValueError)),
        (InvalidUpdateError, (PropQError, ValueError)),
        (PriceListError, (PropQError, ValueError)),
        (UnconfirmedError, (PropQError,)),
        (LedgerError, (PropQError,)),
        (LedgerBusyError, (LedgerError,)),
        (TokenError, (PropQError,)),
        (TokenRefusedError, (TokenError,)),
        (TokenUnavailableError, (TokenError,)),
        (APIError, (PropQError,)),
        (APIConnectionError, (APIError,)),
        (APITimeoutError, (APIConnectionError,)),
        (SupersededError, (APIError,)),
        (UnexpectedResponseError, (APIError,)),
        (APIStatusError, (APIError,)),
        *(
            (cls, (APIStatusError,))
            for cls in (
                RedirectError,
                BadRequestError,
                AuthenticationError,
                PermissionDeniedError,
                NotFoundError,
                WrongMethodError,
                UnprocessableError,
                RateLimitError,
                ServerError,
            )
        ),
    ],
)
def test_the_tree(cls: type[PropQError], parents: tuple[type[Exception], ...]) -> None:
    assert cls.__bases__ == parents


@each
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickled_and_back_it_is_the_same(error: PropQError, protocol: int) -> None:
    assert same(pickle.loads(pickle.dumps(error, protocol)), error)


@each
def test_copied_it_is_the_same(error: PropQError) -> None:
    for other in (copy.copy(error), copy.deepcopy(error)):
        assert other is not error
        assert same(other, error)


@each
def test_a_changed_field_travels_along(error: PropQError) -> None:
    changed = copy.copy(error)
    changed.may_have_been_applied = not error.may_have_been_applied
    changed.add_note("in row 7")
    for other in (pickle.loads(pickle.dumps(changed)), copy.copy(changed), copy.deepcopy(changed)):
        assert same(other, changed)
        assert other.__notes__ == ["in row 7"]
    assert not hasattr(error, "__notes__")


def raise_in_another_process(index: int) -> None:
    raise ALL[index]


def test_all_of_them_come_back_from_another_process() -> None:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as executor:
        futures = [executor.submit(raise_in_another_process, index) for index in range(len(ALL))]
        for future, error in zip(futures, ALL, strict=True):
            raised = future.exception()
            assert raised is not None
            assert same(raised, error)


def test_a_deep_copy_has_no_history_and_shares_nothing() -> None:
    original = UnprocessableError("no", status=422, errors={"a": ["b"]}, method="POST", url="u")
    original.add_note("old")
    with pytest.raises(UnprocessableError):
        raise original from KeyError("inner")
    fresh = copy.deepcopy(original)
    assert original.__traceback__ is not None
    assert original.__cause__ is not None
    assert (fresh.__traceback__, fresh.__cause__, fresh.__context__) == (None, None, None)
    fresh.errors["a"].append("c")
    fresh.add_note("new")
    assert original.errors == {"a": ["b"]}
    assert original.__notes__ == ["old"]


@each
def test_it_prints_what_happened(error: PropQError) -> None:
    assert error.message in str(error)
    assert repr(error) == f"{type(error).__name__}({error.message!r})"
    lines = "".join(traceback.format_exception(error))
    assert str(error) in lines


@each
def test_it_says_which_call_how_often_and_what_to_do(error: PropQError) -> None:
    if not isinstance(error, APIError):
        return
    text = str(error)
    assert text.startswith("POST https://api.propq.com/v1/x: ")
    assert "(after 3 attempts)" in text
    assert type(error) is APIError or f" - {error.advice}" in text
    assert ("may have been applied" in text) is error.may_have_been_applied


def test_every_error_of_a_call_has_advice_of_its_own() -> None:
    advice = [type(error).advice for error in ALL if isinstance(error, APIError)]
    assert sorted(set(advice)) == sorted(advice)
    assert advice.count("") == 1  # the root, which is never raised


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            InvalidUpdateError({"price": ["must be a number", "odd"], "name": ["must be there"]}),
            ["price: must be a number; price: odd; name: must be there"],
        ),
        (ServerError("Oops", status=500, **STATUS), ["500 Oops", "asks to wait 1.5 s", "later"]),
        (
            RedirectError("Found", status=302, location="/login", **CALL),
            ["302 Found (Location: /login)", "Content-Type", "Accept", "base URL"],
        ),
        (RedirectError("Not Modified", status=304, **CALL), ["(Location: none)"]),
        (
            UnprocessableError("invalid", status=422, errors={"UntPrice": ["a", "b"]}, **CALL),
            ["422 invalid (UntPrice: a; UntPrice: b)", "correct the fields"],
        ),
        (AuthenticationError("no", status=401, **CALL), ["PROPQ_CLIENT_ID", "Resales Online"]),
        (RateLimitError("no", status=429, **CALL), ["max_calls_per_second"]),
        (APITimeoutError("no answer", **CALL), ["timeout_seconds", "total_timeout_seconds"]),
        (UnexpectedResponseError("it is odd", status=200, **CALL), ["200, but it is odd"]),
        (
            NotFoundError("no", status=404, **CALL),
            ["development id", "name must match exactly, spaces and case included"],
        ),
        (
            UnprocessableError("invalid", status=422, **CALL),
            ["422 invalid", " - correct the fields that it names, or check all if it names none"],
        ),
        (APIConnectionError("lost", **CALL), ["check the network", "proxy", "base URL"]),
        (BadRequestError("no", status=400, **CALL), ["check the development id"]),
        (PermissionDeniedError("no", status=403, **CALL), ["belongs to this client"]),
        (WrongMethodError("no", status=405, **CALL), ["check the HTTP method"]),
        (APIStatusError("no", status=409, **CALL), ["ask Resales Online"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_message_has_the_particulars(error: PropQError, words: list[str]) -> None:
    for word in words:
        assert word in str(error)


def test_one_attempt_and_no_fields_are_not_mentioned() -> None:
    error = UnprocessableError("invalid", status=422, method="PUT", url="u")
    assert str(error).startswith(
        "PUT u: 422 invalid - correct the fields that it names, or check all"
    )
    assert error.errors == {}
    assert error.attempts == 1


@each
def test_every_error_says_whether_it_may_have_been_applied(error: PropQError) -> None:
    assert isinstance(error.may_have_been_applied, bool)
    if not isinstance(error, APIError):
        assert not error.may_have_been_applied
