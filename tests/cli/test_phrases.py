"""Numbers and lists as a sentence has them."""

from __future__ import annotations

import pytest

from propq_async._cli.demo_progress import DemoProgress
from propq_async._cli.phrases import and_more, are, counted, first, was
from propq_async.pricelist import Standing


def test_one_is_singular_and_thousands_are_grouped() -> None:
    assert [counted(number, "row") for number in (0, 1, 2000)] == ["0 rows", "1 row", "2,000 rows"]
    assert [are(number) for number in (0, 1, 2)] == ["are", "is", "are"]
    assert [was(number) for number in (0, 1, 2)] == ["were", "was", "were"]
    assert and_more(1000) == "and 1,000 more"


@pytest.mark.parametrize(
    ("listed", "shown"),
    [
        (3, ["a", "b", "c"]),
        (4, ["a", "b", "c"]),
        (2, ["a", "b", "and 1 more"]),
        (0, ["and 3 more"]),
    ],
)
def test_texts_that_are_not_shown_are_counted(listed: int, shown: list[str]) -> None:
    assert first(iter("abc"), listed) == shown


def test_a_demo_shows_few_reasons_and_counts_the_others() -> None:
    progress = DemoProgress(rows=20, broken=12)
    for number in range(12):
        progress.fail(f"reason {number}")
    assert progress.shown == [*(f"reason {number}" for number in range(10)), "and 2 more"]
    assert progress.problem(None) == "12 of 20 rows were not applied"


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ({"applied": 2}, None),
        ({"applied": 1}, "2 rows were acknowledged, but the server says that it has applied 1"),
        (None, "2 rows were acknowledged, but the server says that it has applied nothing"),
    ],
)
def test_a_demo_believes_the_emulator(state: dict[str, int] | None, problem: str | None) -> None:
    progress = DemoProgress(rows=2, standing=Standing(2, applied=2))
    assert progress.problem(state) == problem
