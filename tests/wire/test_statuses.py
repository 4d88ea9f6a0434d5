"""The table of statuses: that it is whole, keeps the promises, and is the documented one."""

from __future__ import annotations

from pathlib import Path

import pytest

from propq_async._wire.statuses import RULES, Kind, StatusRule, rule_of

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "statuses.md"

# What the documentation says of each kind: the call itself, all others, and whether it is repeated.
WORDS = {
    Kind.REFUSAL: ("fails", "go on", "no"),
    Kind.TOKEN: ("tries another token", "take the new token", "once"),
    Kind.LIMIT: ("waits; costs no attempt", "wait as well", "yes"),
    Kind.UNAVAILABLE: (
        (
            "with `Retry-After` as 429; while others get through the first ten cost no attempt, "
            "unless the server takes all calls but a few; "
            "else as 502"
        ),
        "fewer at once while some get through",
        "yes",
    ),
    Kind.BREAKDOWN: (
        "costs an attempt",
        "go on, unless rows of several developments all get it: then as 502",
        "yes",
    ),
    Kind.OUTAGE: (
        "costs a row an attempt only if others get through meanwhile",
        "rows are held, and probe",
        "yes",
    ),
    Kind.DETOUR: (
        "fails; a row is held instead while nobody gets through",
        "rows are held, and probe",
        "rows only",
    ),
    Kind.HOPELESS: ("fails, and ends its batch unless others get through", "go on", "no"),
}


def line_of(statuses: str, rule: StatusRule) -> str:
    call, others, repeated = WORDS[rule.kind]
    if rule.is_answer_lost:
        repeated = "unless `retry_unacknowledged=False`"
    applied = "perhaps" if rule.may_have_been_applied else "no"
    return f"| {statuses} | {call} | {others} | {repeated} | {applied} | {rule.source} |"


def spelled(statuses: tuple[int, ...]) -> str:
    return ", ".join(map(str, statuses))


def test_the_documentation_has_the_table() -> None:
    lines = [line_of(spelled(rule.statuses), rule) for rule in RULES]
    lines += [
        line_of("other 3xx, 4xx", rule_of(499)),
        line_of("other 5xx", rule_of(599)),
    ]
    text = PAGE.read_text(encoding="utf-8").splitlines()
    start = text.index(lines[0])
    assert text[start : start + len(lines)] == lines
    assert not text[start + len(lines)].startswith("|")


def test_each_status_is_there_once_and_has_its_source() -> None:
    statuses = [status for rule in RULES for status in rule.statuses]
    assert len(statuses) == len(set(statuses))
    assert statuses == sorted(statuses, key=lambda status: (status // 100, 0))
    assert all(rule.source for rule in RULES)
    assert {rule.kind for rule in RULES} == set(Kind)


def test_what_may_have_been_applied_is_as_promised() -> None:
    """False for 3xx, 4xx and 503; true for any other 5xx, and for what is no answer at all."""
    for status in (*range(100, 200), *range(300, 1_000)):
        rule = rule_of(status)
        expected = not 300 <= status < 500 and status != 503
        assert rule.may_have_been_applied is expected, status
        # Only of what may have been applied the answer can have been lost.
        assert rule.may_have_been_applied or not rule.is_answer_lost, status


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_is_promised_to_be_retried_is(status: int) -> None:
    assert rule_of(status).kind in (Kind.LIMIT, Kind.BREAKDOWN, Kind.OUTAGE, Kind.UNAVAILABLE)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (100, Kind.REFUSAL),
        (300, Kind.REFUSAL),
        (304, Kind.REFUSAL),
        (400, Kind.REFUSAL),
        (418, Kind.REFUSAL),
        (512, Kind.BREAKDOWN),
        (599, Kind.BREAKDOWN),
    ],
)
def test_an_unknown_status_is_the_first_of_its_class(status: int, kind: Kind) -> None:
    assert rule_of(status).kind is kind
