"""`--throttle 60/min` and the like."""

from __future__ import annotations

import pytest

from propq_async._cli.rate_option import Rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("60/min", Rate(60, 60)),
        ("10/s", Rate(10, 1)),
        ("300/2s", Rate(300, 2)),
        ("300/0.5", Rate(300, 0.5)),
        ("1/h", Rate(1, 3600)),
    ],
)
def test_a_rate_as_one_writes_it(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate
