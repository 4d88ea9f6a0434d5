"""Headers of replies that say how long to wait."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propq_async._wire.headers import retry_after_seconds
from propq_async._wire.messages import Reply
from tests.helpers.wire import NOW, http_date


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("0", None, 0.0),
        ("120", None, 120.0),
        (" 7 ", None, 7.0),
        ("1.5", None, 1.5),
        ("86400", None, 86400.0),
        (http_date(90), None, 90.0),
        (http_date(-90), None, 0.0),
        (http_date(90), http_date(60), 30.0),
        (http_date(90), http_date(200), 0.0),
        (http_date(90), "garbage", 90.0),
        ("Friday, 15-Jan-27 08:01:30 GMT", None, 90.0),
        ("Fri Jan 15 08:01:30 2027", None, 90.0),
        ("Fri, 15 Jan 2027 09:01:30 +0100", None, 90.0),
        ("120", "garbage", 120.0),
        (None, None, None),
        ("", None, None),
        ("-5", None, None),
        ("soon", None, None),
        ("1e3", None, None),
        ("nan", None, None),
        ("inf", None, None),
        ("٣", None, None),
        ("5, 5", None, None),
        ("9" * 5000, None, None),
        ("Fri, 99 Jan 2027 08:01:30 GMT", None, None),
        ("Fri, 15 Jan 2027 08:01:30 +9999999999999", None, None),
    ],
)
def test_both_forms_of_retry_after(
    value: str | None, date: str | None, seconds: float | None
) -> None:
    given_ = {"Retry-After": value, "Date": date}
    headers = {name: text for name, text in given_.items() if text is not None}
    assert retry_after_seconds(Reply(429, headers, b""), NOW) == seconds


DATE_LIKE = st.lists(
    st.sampled_from(
        ["Fri", ",", " ", "15", "Jan", "2027", "0001", "9999", ":", "08:01:30", "GMT", "+2359", "-"]
    )
    | st.text(max_size=3),
    max_size=12,
).map("".join)


@given(value=st.text() | DATE_LIKE, date=st.text() | DATE_LIKE, now=st.floats(0, 1e11))
def test_no_retry_after_breaks_anything(value: str, date: str, now: float) -> None:
    headers = {"Retry-After": value, "Date": date}
    seconds = retry_after_seconds(Reply(429, headers, b""), now)
    assert seconds is None or (seconds >= 0 and math.isfinite(seconds))
