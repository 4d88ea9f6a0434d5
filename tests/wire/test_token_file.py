"""The content of the token file."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from propq_async import (
    Token,
    TokenKey,
)
from propq_async._wire.token_file import dump_token, is_token_file, parse_token
from tests.helpers.wire import AT, JSON_VALUES, KEY, TOKEN

FILE: dict[str, Any] = {
    "version": 1,
    "token_url": KEY.token_url,
    "client_id": 7,
    "access_token": "t0ken",
    "token_type": "Bearer",
    "expires_at": "2027-01-15T09:00:00+00:00",
    "issued_at": "2027-01-15T08:00:00+00:00",
}


def test_the_file_has_these_fields_and_no_others() -> None:
    content = dump_token(KEY, attrs.evolve(TOKEN, access_token="t0ken"))
    assert json.loads(content) == FILE
    assert list(json.loads(content)) == list(FILE)
    assert parse_token(content, KEY) == attrs.evolve(TOKEN, access_token="t0ken")
    assert parse_token(json.dumps(FILE).replace("+00:00", "Z").encode(), KEY) == parse_token(
        content, KEY
    )


FIRST_MOMENT = datetime.min.replace(tzinfo=UTC)
LAST_MOMENT = datetime.max.replace(tzinfo=UTC)
IN_9000 = datetime(9000, 1, 1, tzinfo=UTC)
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(
    key=st.builds(TokenKey, st.text(), st.integers()),
    text=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1),
    kind=st.text(),
    issued_at=st.datetimes(timezones=ZONES),
    expires_at=st.datetimes(timezones=ZONES),
    zone=ZONES,
)
@example(KEY, "t", "Bearer", FIRST_MOMENT, AT, timezone(timedelta(hours=-12)))
@example(KEY, "t", "Bearer", AT, LAST_MOMENT, timezone(timedelta(hours=14)))
def test_a_token_survives_the_file(
    key: TokenKey,
    text: str,
    kind: str,
    issued_at: datetime,
    expires_at: datetime,
    zone: timezone,
) -> None:
    token = Token(text, kind, expires_at, issued_at)
    found = parse_token(dump_token(key, token), key)
    if issued_at < expires_at and issued_at.timestamp() >= 0 and expires_at < IN_9000:
        assert found == token
        # Nothing that a user does with these moments overflows.
        for moment in (found.issued_at, found.expires_at):
            assert moment.astimezone(zone) == moment
            assert moment - timedelta(days=366) < moment < moment + timedelta(days=366)
        assert found.lifetime_seconds > 0
    else:
        assert found == "its token cannot be one"


@given(
    key=st.builds(TokenKey, st.text(), st.integers()),
    text=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1),
    part=st.floats(0, 1),
)
def test_a_token_file_that_was_torn_anywhere_is_still_ours(
    key: TokenKey, text: str, part: float
) -> None:
    whole = dump_token(key, attrs.evolve(TOKEN, access_token=text))
    assert is_token_file(whole[: int(part * len(whole))])


@given(st.binary(min_size=1) | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
@example(b'{"version": 4, "terraform_version": "1.9.0"}')
@example(b"[" * 100_000)
def test_any_other_content_is_not_ours(content: bytes) -> None:
    assert is_token_file(content) == b'{\n "version": 1,\n "token_url": "'.startswith(content)


@given(st.binary() | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_other_content_is_told_apart(content: bytes) -> None:
    assert isinstance(parse_token(content, KEY), str)


@given(st.sampled_from(list(FILE)), JSON_VALUES)
def test_any_value_in_any_field_is_a_token_or_a_reason(field: str, value: Any) -> None:
    found = parse_token(json.dumps(FILE | {field: value}).encode(), KEY)
    assert found is None or isinstance(found, str | Token)


@given(st.integers(0, 10**6))
def test_a_torn_file_is_no_token(length: int) -> None:
    content = dump_token(KEY, TOKEN).rstrip()
    found = parse_token(content[: length % len(content)], KEY)
    assert found == "it is incomplete, or not a token file"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        *(({"version": value}, "version") for value in (0, 2, "1", None, [1])),
        *(({"version": value}, "incomplete") for value in (True, 1.0)),
        *(({"token_url": value}, "incomplete") for value in (None, 7, ["x"])),
        *(({"client_id": value}, "incomplete") for value in (None, "7", 7.0, True)),
        *(({"access_token": value}, "incomplete") for value in (None, 7, ["x"])),
        *(({"access_token": value}, "cannot be one") for value in ("", "a b", "a\n", "é", "\x00")),
        *(({"token_type": value}, "incomplete") for value in (None, 7)),
        *(
            ({field: value}, "incomplete")
            for field in ("expires_at", "issued_at")
            for value in (
                None,
                1_800_000_000,
                "",
                "soon",
                "2027-01-15T09:00:00",
                "2027-13-15T09:00:00Z",
                "2027-01-15T09:00:00+99:00",
            )
        ),
        ({"expires_at": FILE["issued_at"]}, "cannot be one"),
        ({"expires_at": "2027-01-15T08:00:00+01:00"}, "cannot be one"),
    ],
)
def test_a_wrong_field_is_refused_with_a_reason(changes: dict[str, Any], reason: str) -> None:
    found = parse_token(json.dumps(FILE | changes).encode(), KEY)
    assert isinstance(found, str)
    assert reason in found
    assert "t0ken" not in found


@pytest.mark.parametrize("field", FILE)
def test_a_missing_field_is_refused_and_one_too_many_is_not(field: str) -> None:
    less = {name: value for name, value in FILE.items() if name != field}
    assert isinstance(parse_token(json.dumps(less).encode(), KEY), str)
    assert isinstance(parse_token(json.dumps(FILE | {"more": 1}).encode(), KEY), Token)


@pytest.mark.parametrize("changes", [{"token_url": "https://other.example/"}, {"client_id": 8}])
def test_a_file_of_another_key_is_none(changes: dict[str, Any]) -> None:
    assert parse_token(json.dumps(FILE | changes).encode(), KEY) is None
