"""What goes out: paths and bodies."""

from __future__ import annotations

import json
import math
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from yarl import URL

from propq_async import (
    Direction,
    UnitStatus,
    UnitUpdate,
)
from propq_async._wire.requests import (
    MOST_DIRECTIONS,
    _directions,
    dump_json,
    dump_update,
    request_path,
    update_path,
)
from tests.helpers.support import an_update
from tests.helpers.wire import AT


@given(st.text(min_size=1))
@example("a/b")
@example("a%2Fb")
@example("../..")
@example("a?b#c;d&e=f+g h")
@example("ünï\u2028código")
def test_any_development_is_exactly_one_segment_of_the_path(development: str) -> None:
    assume(development not in (".", ".."))
    path = update_path(development)
    assert path.isascii()
    assert path.isprintable()
    first, *segments = path.split("/")
    assert first == ""
    assert segments[:2] == ["v1", "developments"]
    assert segments[3:] == ["units", "update-by-name"]
    assert unquote(segments[2]) == development
    url = "https://api.propq.com" + path
    parts = urlsplit(url)
    assert (parts.path, parts.query, parts.fragment) == (path, "", "")
    assert URL(url, encoded=True).raw_path == path


def test_the_path_of_the_vendors_page() -> None:
    assert update_path("4711") == "/v1/developments/4711/units/update-by-name"


def test_the_example_of_the_vendors_page() -> None:
    update = UnitUpdate("1", "Test", UnitStatus.AVAILABLE, 123456, [Direction.N, Direction.S])
    text = '{"UntName": "Test", "UntStatus": 1, "UntPrice": 123456, "UntDirections": ["N", "S"]}'
    assert dump_update(update) == text.replace(" ", "").encode()


@given(
    name=st.text(st.characters(exclude_categories=["Cs"])),
    price=st.integers(1, 10**9),
    status=st.sampled_from(UnitStatus),
)
def test_an_update_has_the_four_fields_in_their_types(
    name: str, price: int, status: UnitStatus
) -> None:
    content = dump_update(an_update(f"({name})", price / 100, status=status, directions=["N", "x"]))
    assert content.isascii()
    sent = json.loads(content)
    assert list(sent) == ["UntName", "UntStatus", "UntPrice", "UntDirections"]
    assert sent["UntName"] == f"({name})"
    assert (type(sent["UntStatus"]), sent["UntStatus"]) == (int, status.value)
    assert sent["UntPrice"] == price / 100
    assert sent["UntDirections"] == ["N", "x"]


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (250_000, "250000"),
        (250_000.0, "250000"),
        (Decimal("250000.00"), "250000"),
        (Decimal("2.5E+5"), "250000"),
        (0.5, "0.5"),
        (Decimal("1234567.89"), "1234567.89"),
        (Decimal("0.10"), "0.1"),
    ],
)
def test_a_price_goes_out_as_a_plain_number(price: Any, text: str) -> None:
    assert f'"UntPrice":{text},'.encode() in dump_update(an_update(price=price))


class Colour(Enum):
    RED = "red"


@attrs.frozen
class Point:
    x: int
    at: datetime


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ({"a": [1, 2.5, True, None, "é"]}, '{"a":[1,2.5,true,null,"\\u00e9"]}'),
        ((1, 2), "[1,2]"),
        (Point(1, AT), '{"x":1,"at":"2027-01-15T08:00:00+00:00"}'),
        ([Point(1, AT)], '[{"x":1,"at":"2027-01-15T08:00:00+00:00"}]'),
        ({"c": Colour.RED, "s": UnitStatus.SOLD, "d": Direction.N}, '{"c":"red","s":4,"d":"N"}'),
        ({"p": Decimal("1.50"), "q": Decimal(3)}, '{"p":1.5,"q":3}'),
        (
            an_update("B"),
            '{"UntName":"B","UntStatus":4,"UntPrice":250000,"UntDirections":["N","S"]}',
        ),
        (
            [an_update("B")],
            '[{"UntName":"B","UntStatus":4,"UntPrice":250000,"UntDirections":["N","S"]}]',
        ),
    ],
)
def test_values_have_a_form_in_json(value: Any, text: str) -> None:
    assert dump_json(value) == text.encode()


@pytest.mark.parametrize("number", [math.nan, math.inf, Decimal("NaN"), Decimal("-Infinity")])
def test_a_number_that_json_does_not_have_is_a_value_error(number: Any) -> None:
    for value in (number, {"a": [number]}):
        with pytest.raises(ValueError, match=r"JSON|finite"):
            dump_json(value)


@pytest.mark.parametrize("value", [{1, 2}, object(), b"bytes", {("a",): 1}, 1j])
def test_what_has_no_form_in_json_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError):
        dump_json(value)


def test_an_update_in_any_body_is_written_the_same_way() -> None:
    update = an_update('Ático "½"', price=1.5)
    assert dump_json([update]) == b"[" + dump_update(update) + b"]"


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/", "/"),
        ("/v1/a b/ñ", "/v1/a%20b/%C3%B1"),
        ("/v1/a%2Fb;c=d,e!", "/v1/a%2Fb;c=d,e!"),
    ],
)
def test_a_path_is_sent_as_it_is_written(path: str, sent: str) -> None:
    assert request_path(path) == sent


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", 'must begin with one "/"'),
        ("v1", 'must begin with one "/"'),
        ("//elsewhere.example/v1", 'must begin with one "/"'),
        ("/v1?a=b", "must have no query"),
        ("/v1#a", "must have no fragment"),
        ("/v1\\a", "no backslash"),
        ("/v1\n", "no control character"),
        ("/v1/\u200b", "invisible"),
        ("/v1/%2", "begins no escape"),
        ("/v1/../x", 'no segment "." or ".."'),
        ("/v1/%2E%2e/x", 'no segment "." or ".."'),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(path: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        request_path(path)


def test_written_directions_are_remembered_within_limits() -> None:
    for number in range(MOST_DIRECTIONS + 2):
        for _ in range(2):
            body = json.loads(dump_update(an_update(directions=[f"d{number}", "N"])))
            assert body["UntDirections"] == [f"d{number}", "N"]
    assert len(_directions) == MOST_DIRECTIONS
