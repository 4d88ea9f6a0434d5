from __future__ import annotations

import copy
import json
import math
import pickle
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any

import attrs
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from propq_async import (
    Applied,
    ConfigurationError,
    Credentials,
    Direction,
    Failed,
    InvalidUpdateError,
    PropQError,
    Token,
    TokenKey,
    UnitOutcome,
    UnitStatus,
    UnitUpdate,
)
from propq_async._wire.requests import dump_update
from tests.helpers.support import an_update

SECRET = "hunter2-the-secret"


def problems(**changes: Any) -> dict[str, list[str]]:
    with pytest.raises(InvalidUpdateError) as refused:
        an_update(**changes)
    assert isinstance(refused.value, ValueError)
    for field, texts in refused.value.errors.items():
        for text in texts:
            assert f"{field}: {text}" in str(refused.value)
    return refused.value.errors


# --- UnitUpdate ----------------------------------------------------------------------------------


def test_the_states_and_directions_are_those_of_the_api() -> None:
    assert {status.name: status.value for status in UnitStatus} == {
        "AVAILABLE": 1,
        "HOLD": 2,
        "SOLD": 4,
        "RESERVED": 8,
    }
    assert list(Direction) == ["N", "NE", "E", "SE", "S", "SW", "W", "NW"]
    assert f"{Direction.SW}" == "SW"


def test_an_update_is_frozen_hashable_and_comparable() -> None:
    update, same, other = an_update(), an_update(), an_update("B-2")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        update.price = 1  # type: ignore[misc]
    assert update == same
    assert {update, same, other} == {update, other}
    assert copy.deepcopy(update) == pickle.loads(pickle.dumps(update)) == update
    assert attrs.evolve(update, name="B-2") == other
    with pytest.raises(InvalidUpdateError):
        attrs.evolve(update, price=0)


def test_every_problem_is_listed_at_once_and_by_field() -> None:
    found = problems(
        development_id=" ", name="", status=3, price=-1, directions=["", " N", 7, "\ud800 "]
    )
    assert list(found) == ["development_id", "name", "status", "price", "directions"]
    assert len(found["directions"]) == 5
    assert found["directions"][0] == "item 0: must not be empty"
    assert found["directions"][2] == "item 2: must be a string, not int"


# What PHP's own trim() takes away, what Unicode calls white space, and the framework's own list.
TRIMMED = [
    *" \t\n\r\v\0\f\x1c\x85\xa0\xad\u1680\u180e\u2000\u200a\u200b\u200c\u200d\u200e\u200f",
    *"\u2028\u2029\u202f\u205f\u2060\u2064\u206f\u2800\u3000\u3164\ufeff\uffa0\U0001d173",
]


@pytest.mark.parametrize("field", ["development_id", "name"])
@pytest.mark.parametrize("around", TRIMMED, ids=lambda value: f"U+{ord(value):04X}")
def test_what_the_server_would_trim_is_refused(field: str, around: str) -> None:
    for value in (f"{around}A", f"A{around}", around):
        (text,) = problems(**{field: value})[field]
        assert text.startswith("must not begin or end with white space or an invisible character")
        assert repr(value) in text
    inside: dict[str, Any] = {field: f"A{around}B"}
    assert getattr(an_update(**inside), field) == f"A{around}B"


@pytest.mark.parametrize("field", ["development_id", "name"])
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("", "must not be empty"),
        (None, "must be a string, not NoneType"),
        (4711, "must be a string, not int"),
        (b"A", "must be a string, not bytes"),
        ("A\ud800", "must be valid Unicode: 'A\\ud800' has a lone surrogate"),
    ],
)
def test_a_string_that_cannot_be_sent_is_refused(field: str, value: Any, text: str) -> None:
    assert problems(**{field: value}) == {field: [text]}


@pytest.mark.parametrize("value", [".", ".."])
def test_a_development_that_would_be_another_path_is_refused(value: str) -> None:
    found = problems(development_id=value)
    assert found == {"development_id": [f"must not be {value!r}: it would name another path"]}
    assert an_update(name=value).name == value
    assert an_update(development_id=f"{value}.x").development_id == f"{value}.x"


@given(st.text(min_size=1))
def test_any_other_string_is_taken_as_it_is(text: str) -> None:
    assume(text == text.strip() and not {text[0], text[-1]} & set(TRIMMED))
    try:
        assert an_update(name=text).name == text
    except InvalidUpdateError as error:
        # What is invisible beyond the examples above.
        assert "invisible" in str(error)  # noqa: PT017 - the other branch is an assertion as well
        assert not (text[0].isprintable() and text[-1].isprintable() and text.isascii())


@pytest.mark.parametrize("status", [1, 2, 4, 8, 4.0, *UnitStatus])
def test_the_four_states_are_taken(status: Any) -> None:
    update = an_update(status=status)
    assert isinstance(update.status, UnitStatus)
    assert update.status == status


@pytest.mark.parametrize("status", [0, 3, 16, -1, True, False, "1", "SOLD", None, 1.5, [], {}])
def test_any_other_state_is_refused(status: Any) -> None:
    assert problems(status=status) == {
        "status": [
            "must be one of AVAILABLE (1), HOLD (2), SOLD (4), RESERVED (8), not " + repr(status)
        ]
    }


class OddFloat(float):
    def __str__(self) -> str:
        return "odd"


class OddInt(int, Enum):
    PRICE = 250_000


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (True, "must be an int, float or Decimal, not bool"),
        ("250000", "must be an int, float or Decimal, not str"),
        (None, "must be an int, float or Decimal, not NoneType"),
        (1j, "must be an int, float or Decimal, not complex"),
        (Fraction(1, 2), "must be an int, float or Decimal, not Fraction"),
        (math.nan, "must be a finite number"),
        (math.inf, "must be a finite number"),
        (-math.inf, "must be a finite number"),
        (Decimal("NaN"), "must be a finite number"),
        (Decimal("sNaN"), "must be a finite number"),
        (Decimal("Infinity"), "must be a finite number"),
        (Decimal("1E+999999"), "must be a finite number"),
        (10**400, "must be a finite number"),
        (0, "must be above zero, not 0"),
        (-0.0, "must be above zero, not -0.0"),
        (-1, "must be above zero, not -1"),
        (Decimal("-0.01"), "must be above zero, not -0.01"),
        (Decimal("1E-999999"), "must be above zero, not 1E-999999"),
        (5e-324, "must not be as small as 5e-324: it could not be sent exactly"),
        (
            Decimal("1.23456789012345E-320"),
            "must not be as small as 1.23456789012345E-320: it could not be sent exactly",
        ),
        (0.1 + 0.2, "must have at most 15 significant digits: 0.30000000000000004 has more"),
        (1234567890123456, "must have at most 15 significant digits: 1234567890123456 has more"),
        (10**15 + 1, "must have at most 15 significant digits: 1000000000000001 has more"),
        (Decimal("1234567890.123456"), "must have at most 15 significant digits: "),
    ],
)
def test_a_price_that_cannot_be_one_is_refused(price: Any, text: str) -> None:
    (found,) = problems(price=price)["price"]
    assert found.startswith(text)


PRICES = (
    st.integers()
    | st.integers(1, 10**16)
    | st.floats()
    | st.floats(0, 1e9).map(lambda price: round(price, 2))
    | st.decimals()
    | st.decimals(0, 10**9, places=2)
    | st.builds(
        lambda digits, exponent: Decimal((0, tuple(map(int, str(digits))), exponent)),
        st.integers(1, 10**15 - 1),
        st.integers(-340, 310),
    )
)


@given(PRICES)
@example(10**300)
@example(3.402823466e38)
@example(1e308)
@example(Decimal("9.99999999999999E-308"))
@example(Decimal("2.22507385850721E-308"))
@example(Decimal("999999999999999E+293"))
@example(Decimal("250000.00"))
@example(OddFloat(1.5))
@example(OddInt.PRICE)
def test_an_accepted_price_reads_back_equal(price: Any) -> None:
    try:
        update = an_update(price=price)
    except InvalidUpdateError:
        return
    sent = dump_update(update)
    for read in (json.loads(sent), json.loads(sent, parse_float=Decimal)):
        found = read["UntPrice"]
        assert type(found) in (int, float, Decimal)
        if isinstance(found, Decimal) and isinstance(price, float):
            assert found == Decimal(float.__repr__(price))
        elif isinstance(found, float) and isinstance(price, Decimal):
            assert Decimal(repr(found)) == price
        else:
            assert found == price


@given(st.integers(1, 10**15 - 1), st.integers(0, 15))
def test_a_price_of_up_to_15_digits_is_taken_in_any_form(digits: int, places: int) -> None:
    price: Any = Decimal(digits).scaleb(-places)
    assert an_update(price=price).price == price
    assert an_update(price=float(price)).price == float(price)
    assert an_update(price=digits).price == digits


@pytest.mark.parametrize(
    "directions",
    [
        ["N", "S"],
        ("N", "S"),
        [Direction.N, Direction.S],
        iter(["N", "S"]),
        (direction for direction in ("N", "S")),
        {"N": 1, "S": 2}.keys(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_directions_become_a_tuple(directions: Any) -> None:
    assert an_update(directions=directions).directions == ("N", "S")


def test_unlisted_directions_pass_and_keep_their_order() -> None:
    assert an_update(directions=["Oeste", "N", "N"]).directions == ("Oeste", "N", "N")


class AsNorth:
    """Is equal to a direction, and none."""

    def __eq__(self, other: object) -> bool:
        return other == "N"

    def __hash__(self) -> int:
        return hash("N")


def test_what_is_equal_to_a_direction_need_not_be_one() -> None:
    (text,) = problems(directions=[AsNorth()])["directions"]
    assert text.startswith("item 0: must be a string")


@pytest.mark.parametrize("directions", ["N", "", b"N", None, 7, Direction.N])
def test_directions_that_are_no_sequence_of_strings_are_refused(directions: Any) -> None:
    text = f'must be a sequence of strings such as ["N", "S"], not {directions!r}'
    assert problems(directions=directions) == {"directions": [text]}


@pytest.mark.parametrize(
    ("directions", "texts"),
    [
        ([], ["must not be empty"]),
        (iter(()), ["must not be empty"]),
        (bytearray(b"N"), ["item 0: must be a string, not int"]),
        ([["N"]], ["item 0: must be a string, not list"]),
        (["N", None, ""], ["item 1: must be a string, not NoneType", "item 2: must not be empty"]),
    ],
)
def test_empty_directions_and_other_types_are_refused(directions: Any, texts: list[str]) -> None:
    assert problems(directions=directions) == {"directions": texts}


@attrs.frozen
class ByAttrs(UnitUpdate):
    """An update whose constructor attrs writes."""


def made_or_refused(kind: type[UnitUpdate], values: dict[str, Any]) -> Any:
    try:
        return kind(**values)
    except InvalidUpdateError as error:
        return error.errors


@given(
    development_id=st.sampled_from(["4711", "a b", "", ".", " x", 5]),
    name=st.sampled_from(["A-1", "ñ 1", "", "A\u200b", None]),
    status=st.sampled_from([*UnitStatus, 1, 3, True, "SOLD"]),
    price=st.sampled_from([1, 250_000, 10**15, 0, Decimal("1.5"), 2.5, math.nan, "1", True]),
    directions=st.sampled_from(
        [["N", "S"], ("N",), ["N", Direction.S], [], (), "N", ["North"], {"N": 1}, [5], None, 7]
    ),
)
def test_the_constructor_does_what_attrs_would_write(**values: Any) -> None:
    expected, made = (made_or_refused(kind, values) for kind in (ByAttrs, UnitUpdate))
    if isinstance(expected, dict):
        assert made == expected
    else:
        for field in attrs.fields_dict(UnitUpdate):
            one, other = getattr(made, field), getattr(expected, field)
            assert (one, type(one)) == (other, type(other))
        assert [*map(type, made.directions)] == [*map(type, expected.directions)]
        assert attrs.evolve(made) == made


# --- Credentials ---------------------------------------------------------------------------------


def with_locals(raising: Callable[[], object]) -> str:
    """Return the traceback that this ends in, local variables of our frames included."""
    with pytest.raises(ConfigurationError) as raised:
        raising()
    shown = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
    text = "".join(shown.format())
    assert "propq_async" in text
    return text


def test_the_secret_shows_nowhere() -> None:
    credentials = Credentials(7, SECRET)
    assert credentials.client_secret == SECRET
    for text in (repr(credentials), str(credentials), f"{credentials}", repr([credentials])):
        assert SECRET not in text
        assert "client_id=7" in text


def test_credentials_are_frozen_hashable_and_comparable() -> None:
    credentials = Credentials(7, SECRET)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        credentials.client_secret = "x"  # type: ignore[misc]
    assert len({credentials, Credentials(7, SECRET), Credentials(8, SECRET)}) == 2
    assert pickle.loads(pickle.dumps(credentials)) == copy.deepcopy(credentials) == credentials


@pytest.mark.parametrize("client_id", [0, -1, True, "7", 7.0, None, 2**63, 10**100])
def test_a_bad_client_id_is_refused_without_the_secret(client_id: Any) -> None:
    text = with_locals(lambda: Credentials(client_id, "hunter2" + "-the-secret"))
    assert "client_id must be a positive integer" in text
    assert SECRET not in text


@pytest.mark.parametrize("secret", ["", " \n", None, 7, b"secret"])
def test_a_secret_that_is_none_is_refused(secret: Any) -> None:
    with pytest.raises(ConfigurationError, match="client_secret must be a string that is not"):
        Credentials(7, secret)


def test_a_secret_that_cannot_be_sent_is_refused_unseen() -> None:
    text = with_locals(lambda: Credentials(7, "hunter2" + "-the-secret" + "\udcff"))
    assert "client_secret must be valid Unicode" in text
    assert SECRET not in text


@pytest.mark.parametrize(
    ("around", "words"),
    [
        ("{}\n", "has a line break in it or around it: paste the secret alone"),
        ("{}\r\n", "has a line break in it or around it"),
        ("\n{}", "has a line break in it or around it"),
        ("id\n{}", "has a line break in it or around it"),
        ("{}\u2028x", "has a line break in it or around it"),
        (" {}", "has a blank before or behind it: remove it"),
        ("{}\t", "has a blank before or behind it"),
        ("{}\u00a0", "has a blank before or behind it"),
        ('"{}"', "has quotes around it: they are no part of the secret, remove them"),
        ("'{}'", "has quotes around it"),
        ("`{}`", "has quotes around it"),
        ("\u201c{}\u201d", "has quotes around it"),
        ("\u2018{}\u2019", "has quotes around it"),
        ("\u00ab{}\u00bb", "has quotes around it"),
        ("\ufeff{}", "begins or ends with an invisible character"),
        ("{}\u200b", "begins or ends with an invisible character"),
    ],
)
def test_a_secret_that_was_pasted_with_something_is_refused_with_a_hint(
    around: str, words: str
) -> None:
    text = with_locals(lambda: Credentials(7, around.format("hunter2" + "-the-secret")))
    assert f"client_secret {words}" in text
    assert SECRET not in text


@pytest.mark.parametrize("secret", ["x", '"', "it's", "a b", '"a" and "b', "ñ", "'a\""])
def test_a_secret_may_have_anything_in_it(secret: str) -> None:
    assert Credentials(7, secret).client_secret == secret


def test_quotes_around_the_variable_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a file of variables of Docker, which takes them for a part of the value."""
    monkeypatch.setenv("PROPQ_CLIENT_ID", "7")
    monkeypatch.setenv("PROPQ_CLIENT_SECRET", f'"{SECRET}"')
    text = with_locals(Credentials.from_env)
    assert "the environment variable PROPQ_CLIENT_SECRET has quotes around it" in text
    assert SECRET not in text


def test_credentials_come_from_the_environment_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROPQ_CLIENT_ID", " 12345\n")
    monkeypatch.setenv("PROPQ_CLIENT_SECRET", f" {SECRET}\r\n")
    assert Credentials.from_env() == Credentials(12345, SECRET)
    given_ = {"PROPQ_CLIENT_ID": str(2**63 - 1), "PROPQ_CLIENT_SECRET": "x"}
    assert Credentials.from_env(given_) == Credentials(2**63 - 1, "x")


@pytest.mark.parametrize(
    ("client_id", "secret", "words"),
    [
        (None, SECRET, "PROPQ_CLIENT_ID is not set: set it to"),
        ("", SECRET, "PROPQ_CLIENT_ID is blank: set it to"),
        (" \t", SECRET, "PROPQ_CLIENT_ID is blank: set it to"),
        ("seven", SECRET, "PROPQ_CLIENT_ID must be a positive integer"),
        ("-7", SECRET, "PROPQ_CLIENT_ID must be a positive integer"),
        ("0", SECRET, "PROPQ_CLIENT_ID must be a positive integer"),
        ("7.0", SECRET, "PROPQ_CLIENT_ID must be a positive integer"),
        ("\u0667", SECRET, "PROPQ_CLIENT_ID must be a positive integer"),
        ("²", SECRET, "PROPQ_CLIENT_ID must be a positive integer"),
        ("9" * 19, SECRET, "PROPQ_CLIENT_ID must be a positive integer"),
        ("9" * 5000, SECRET, "PROPQ_CLIENT_ID must be a positive integer"),
        ("7", None, "PROPQ_CLIENT_SECRET is not set: set it to"),
        ("7", "", "PROPQ_CLIENT_SECRET is blank: set it to"),
        ("7", "  ", "PROPQ_CLIENT_SECRET is blank: set it to"),
        ("7", SECRET + "\udcff", "PROPQ_CLIENT_SECRET must be valid Unicode"),
    ],
)
@pytest.mark.parametrize("source", ["process", "mapping"])
def test_a_bad_variable_is_named_without_the_secret(
    client_id: str | None,
    secret: str | None,
    words: str,
    source: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environ = {"PROPQ_CLIENT_ID": client_id, "PROPQ_CLIENT_SECRET": secret}
    present = {name: value for name, value in environ.items() if value is not None}
    if source == "process":
        for name, value in present.items():
            monkeypatch.setenv(name, value)
        text = with_locals(Credentials.from_env)
    else:
        # No frame of this test may hold the secret: only those of the package are in question.
        text = with_locals(Packed(present).from_env)
    assert f"the environment variable {words}" in text
    assert SECRET not in text


@attrs.frozen
class Packed:
    """An environment that its own frame does not show."""

    environ: dict[str, str] = attrs.field(repr=False)

    def from_env(self) -> Credentials:
        return Credentials.from_env(self.environ)


# --- the others ----------------------------------------------------------------------------------


def test_a_token_does_not_show_itself() -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    token = Token("the-access-token", "Bearer", now + timedelta(hours=1), now)
    assert "the-access-token" not in repr(token) + str(token)
    assert "Bearer" in repr(token)
    assert token.lifetime_seconds == 3600
    assert len({token, attrs.evolve(token), attrs.evolve(token, access_token="x")}) == 2
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        token.token_type = "x"  # type: ignore[misc]


def test_keys_and_outcomes_are_frozen() -> None:
    key = TokenKey("https://api.propq.com/oauth/token", 7)
    assert {key: 1}[TokenKey(key.token_url, 7)] == 1
    outcome = Applied(0, an_update(), True, {}, None, 1, 0.5)  # noqa: FBT003 - its fields
    for frozen, name in ((key, "client_id"), (outcome, "ok")):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(frozen, name, 1)


FIELDS = ["index", "update", "ok", "response", "error", "attempts", "elapsed_seconds"]


def of_fields(*values: Any) -> dict[str, Any]:
    return dict(zip(FIELDS, values, strict=True))


@pytest.mark.parametrize(
    ("ok", "response", "error", "kind"),
    [(True, {}, None, Applied), (False, None, PropQError("no"), Failed)],
)
def test_an_outcome_made_as_before_is_one_of_the_two(
    ok: bool,  # noqa: FBT001 - a field
    response: dict[str, Any] | None,
    error: PropQError | None,
    kind: type,
) -> None:
    make: Any = UnitOutcome  # a union, for type checkers
    outcome = make(0, an_update(), ok, response, error, 1, 0.5)
    assert type(outcome) is kind
    assert isinstance(outcome, UnitOutcome)
    values: dict[str, Any] = dict(
        zip(FIELDS, (0, an_update(), ok, response, error, 1, 0.5), strict=True)
    )
    assert make(**values) == outcome == kind(**values)
    assert attrs.asdict(outcome, recurse=False) == values
    assert list(attrs.fields_dict(make)) == list(attrs.fields_dict(kind)) == FIELDS
    again = pickle.loads(pickle.dumps(outcome))
    assert (type(again), again.index, again.update) == (kind, 0, an_update())
    assert copy.copy(outcome) == outcome
    assert attrs.evolve(outcome, index=7).index == 7
    assert kind.__name__ in repr(outcome)


def test_an_outcome_that_an_older_version_pickled_is_read() -> None:
    make: Any = UnitOutcome
    values = of_fields(0, an_update(), True, {}, None, 1, 0.5)  # noqa: FBT003 - a field
    old = make.__new__(make)
    old.__setstate__(values)
    assert pickle.loads(pickle.dumps(old)).ok is True
    assert isinstance(old, UnitOutcome)
    with pytest.raises(TypeError, match="missing 7 required"):
        make()


# --- plain values ---------------------------------------------------------------------------------


@example(".", 1, 0, Decimal)
@given(
    st.text(st.characters(categories=["L", "N", "P"]), min_size=1),
    st.integers(1, 10**15 - 1),
    st.integers(0, 15),
    st.sampled_from([Decimal, float]),
)
def test_an_update_survives_a_queue(name: str, digits: int, places: int, kind: type) -> None:
    """What is sent is the same. The price may be another type that says the same."""
    price = kind(Decimal(digits).scaleb(-places))
    # A development id alone may not be "." or "..", which are no names in a path.
    update = UnitUpdate(f"D{name}", name, UnitStatus.HOLD, price, [Direction.N, name])
    again = UnitUpdate.from_dict(json.loads(json.dumps(update.to_dict())))
    assert dump_update(again) == dump_update(update)
    assert again.development_id == update.development_id


def test_the_plain_values_are_those_that_people_would_write() -> None:
    update = UnitUpdate("4711", "A-101", UnitStatus.SOLD, Decimal("250000.50"), [Direction.N, "s"])
    values = update.to_dict()
    assert values == {
        "development_id": "4711",
        "name": "A-101",
        "status": "SOLD",
        "price": 250000.5,
        "directions": ["N", "s"],
    }
    assert type(values["directions"][0]) is str
    assert UnitUpdate.from_dict(values) == update
    assert UnitUpdate.from_dict(values | {"status": 4}) == update


@pytest.mark.parametrize(
    ("values", "errors"),
    [
        ({"status": "sold"}, {"status": ["must be one of AVAILABLE (1), "]}),
        ({"status": "4"}, {"status": ["must be one of AVAILABLE (1), "]}),
        ({"price": "1"}, {"price": ["must be an int, float or Decimal, not str"]}),
        ({"price": True, "name": ""}, {"name": ["must not be"], "price": ["must be an int"]}),
        ({"directions": "N"}, {"directions": ["must be a sequence of strings"]}),
        ({"directions": None}, {"directions": ["must be a sequence of strings"]}),
        ({"colour": "red"}, {"colour": ["is no field of UnitUpdate"]}),
    ],
)
def test_plain_values_are_checked_like_others(
    values: dict[str, Any], errors: dict[str, list[str]]
) -> None:
    with pytest.raises(InvalidUpdateError) as caught:
        UnitUpdate.from_dict(an_update().to_dict() | values)
    assert caught.value.errors.keys() == errors.keys()
    for field, texts in errors.items():
        for said, text in zip(caught.value.errors[field], texts, strict=True):
            assert said.startswith(text)


def test_all_fields_that_are_missing_are_told_at_once() -> None:
    with pytest.raises(InvalidUpdateError) as caught:
        UnitUpdate.from_dict({"name": "A-101", "status": "SOLD"})
    missing = {name: ["is missing"] for name in ("development_id", "price", "directions")}
    assert caught.value.errors == missing


@pytest.mark.parametrize("values", [None, ["4711"], "{}"])
def test_what_is_no_object_is_no_update(values: Any) -> None:
    with pytest.raises(InvalidUpdateError, match="must be an object with the fields of UnitUpdate"):
        UnitUpdate.from_dict(values)


def test_a_computed_price_is_refused_with_the_way_to_round_it() -> None:
    with pytest.raises(InvalidUpdateError, match=r"round it first, as in round\(price, 2\)"):
        UnitUpdate("4711", "A-101", UnitStatus.SOLD, 189000 * 1.1, ["N"])
    price = round(189000 * 1.1, 2)
    assert UnitUpdate("4711", "A-101", UnitStatus.SOLD, price, ["N"]).price == price
