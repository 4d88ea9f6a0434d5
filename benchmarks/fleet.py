"""What a fleet with one pace costs: in virtual time, with scripts that a real Redis runs.

It runs from a checkout, since the server and the clock are those of the tests.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from tests.helpers.redis_servers import RedisServer, running_redis
from tests.helpers.simulation import LATENCY_SECONDS, fixed_windows
from tests.helpers.virtual_fleets import Ran, run_jobs

# The limit, in windows of so many seconds, and the rows of a job.
CASES: Final = (
    (60, 1, 1_000),
    (60, 60, 1_000),
    (200, 5, 1_696),
    (1_000, 1, 5_500),
    (1_000, 60, 2_500),
    (5_000, 1, 26_000),
    (5_000, 60, 11_000),
)
SIZES: Final = (8, 24)


def _late(ran: Ran) -> int:
    """Return how many were refused that were not yet under way at the first refusal."""
    first, *_ = ran.refused_at or [0.0]
    return ran.refused(after_seconds=first + 2 * LATENCY_SECONDS)


def _play(redis: RedisServer, case: tuple[int, int, int], size: int, *, is_stated: bool) -> str:
    limit, seconds, rows = case
    with redis.client() as client:
        client.flushall()
    first, later = run_jobs(
        redis,
        fixed_windows(limit, seconds, headers=is_stated),
        rows=rows,
        jobs=2,
        size=size,
        pause_seconds=seconds,
    )
    least = (rows - 1) // limit * seconds
    return (
        f"| {limit:,} in {seconds} s | {rows:,} | {size} | {'yes' if is_stated else 'no'} "
        f"| {first.refused() - _late(first)} | {_late(first)} | {_late(first) / rows:.2%} "
        f"| {first.seconds / least:.3f} | {first.scripts / rows:.3f} "
        f"| {later.refused()} | {later.seconds / least:.3f} | {later.scripts / rows:.3f} |"
    )


def main() -> None:
    """Print one row for each case."""
    print(
        "| limit | rows | processes | stated | first burst | refused after it | of the rows | time "
        "| scripts a row | second job: refused | time | scripts a row |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder, running_redis(Path(folder)) as redis:
        for case in CASES:
            for size in SIZES:
                for is_stated in (True, False):
                    print(_play(redis, case, size, is_stated=is_stated), flush=True)


if __name__ == "__main__":
    main()
