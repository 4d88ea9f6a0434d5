"""A fleet before limits of all sizes, in virtual time, with scripts that a real Redis runs."""

from __future__ import annotations

import pytest

from tests.helpers.redis_servers import RedisServer
from tests.helpers.simulation import LATENCY_SECONDS, fixed_windows
from tests.helpers.virtual_fleets import run_jobs

# The limit, the seconds of a window, rows, and the most scripts a row. Of a small limit a process
# gets few permits at a time: at 60 a minute that is one script in 20 seconds for each of them.
QUICK = [(200, 5, 900, 0.2), (300, 1, 1_250, 0.15)]
LONG = [
    (60, 1, 1_000, 0.45),
    (1_000, 1, 5_500, 0.05),
    (5_000, 1, 26_000, 0.02),
    (60, 60, 1_000, 0.4),
    (200, 5, 1_696, 0.15),
    (1_000, 60, 2_500, 0.06),
    (5_000, 60, 11_000, 0.03),
]
CASES = [*QUICK, *(pytest.param(*case, marks=pytest.mark.campaign) for case in LONG)]


@pytest.mark.parametrize("is_stated", [True, False], ids=["stated", "unstated"])
@pytest.mark.parametrize(("limit", "seconds", "rows", "scripts"), CASES)
def test_a_fleet_keeps_to_a_limit_of_any_size(
    redis_server: RedisServer,
    limit: int,
    seconds: float,
    rows: int,
    scripts: float,
    *,
    is_stated: bool,
) -> None:
    first, later = run_jobs(
        redis_server,
        fixed_windows(limit, seconds, headers=is_stated),
        rows=rows,
        jobs=2,
        pause_seconds=seconds,
    )
    # The first burst is what all have under way when the first call is refused.
    assert first.refused_at[0] <= seconds
    assert first.refused(after_seconds=first.refused_at[0] + 2 * LATENCY_SECONDS) <= rows / 100
    # One call may try whether the server takes more than it ever took, if it states no limit.
    assert later.refused() <= (0 if is_stated else 1)
    for ran in (first, later):
        # When the first window is over shows to a quarter of a second.
        assert ran.seconds <= 1.08 * ((rows - 1) // limit * seconds) + 0.25
        assert ran.scripts <= scripts * rows


@pytest.mark.campaign
def test_calls_that_take_unequally_long_to_the_server_are_not_refused_for_long(
    redis_server: RedisServer,
) -> None:
    first, *later = run_jobs(
        redis_server, fixed_windows(1_000, 1, headers=True), rows=5_500, jobs=3, jitter=0.9
    )
    assert first.refused(after_seconds=first.refused_at[0] + 2 * LATENCY_SECONDS) <= 10
    assert [ran.refused() for ran in later] == [0, 0]


@pytest.mark.campaign
def test_a_window_is_not_tried_before_its_end_where_calls_take_up_to_a_fifth_of_a_second(
    redis_server: RedisServer,
) -> None:
    first, later = run_jobs(
        redis_server,
        fixed_windows(400, 3, headers=True),
        rows=1_696,
        jobs=2,
        latency_seconds=0.2,
        jitter=0.9,
        seed=3,
    )
    assert first.refused(after_seconds=first.refused_at[0] + 0.4) <= 10
    assert later.refused() <= 1
