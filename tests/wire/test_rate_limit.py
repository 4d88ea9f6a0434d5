from __future__ import annotations

import pytest

from propq_async._wire.headers import rate_limit
from propq_async._wire.messages import RateLimit, Reply

LIMIT, REMAINING = "X-RateLimit-Limit", "X-RateLimit-Remaining"


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({}, None),
        ({"Retry-After": "5"}, None),
        ({LIMIT: "60", REMAINING: "0"}, RateLimit(60, 0)),
        ({LIMIT: "60"}, RateLimit(60, None)),
        ({REMAINING: "59"}, RateLimit(None, 59)),
    ],
)
def test_what_a_reply_says_of_the_rate_limit(
    headers: dict[str, str], told: RateLimit | None
) -> None:
    assert rate_limit(Reply(200, headers, b"")) == told


@pytest.mark.parametrize("said", ["9" * 5_000, "-1", "1.5", "x", "", " 1", "\u0661"])
def test_a_rate_limit_that_is_no_number_is_not_known(said: str) -> None:
    assert rate_limit(Reply(200, {LIMIT: said, REMAINING: said}, b"")) == RateLimit(None, None)
