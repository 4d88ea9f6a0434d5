"""The figures of factories for Prometheus: `pip install 'propq-async[prometheus]'`.

    REGISTRY.register(PropQCollector(propq))

They are read when Prometheus asks for them, so they cost a call nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import get_args

try:
    from prometheus_client import Metric
except ImportError:
    raise ImportError(
        "propq_async.prometheus needs prometheus_client: pip install 'propq-async[prometheus]'"
    ) from None
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)

from ._client.factory import AsyncPropQ
from .stats import Durations, Stats, ThrottleState

__all__ = ["PropQCollector"]


class PropQCollector:
    """Shows `propq.stats()` of one factory, or of several with one client each, as metrics.

    Args:
        factories: each with a client id of its own, which is the label `client_id`.
        prefix: what the names of the metrics begin with.

    Raises:
        ValueError: two factories have the same client id.
    """

    def __init__(self, *factories: AsyncPropQ, prefix: str = "propq") -> None:
        self._factories = {str(propq.client_id): propq for propq in factories}
        if len(self._factories) < len(factories):
            raise ValueError("two factories have one client id, so their figures would mix")
        self._prefix = prefix

    def describe(self) -> Iterable[Metric]:
        """Return the metrics without values: registering asks for nothing."""
        return self._families({})

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of this moment."""
        return self._families({client: one.stats() for client, one in self._factories.items()})

    def _families(self, stats: dict[str, Stats]) -> Iterator[Metric]:
        for name, text in (
            ("calls", "Calls begun."),
            ("retries", "Requests beyond the first of a call."),
            ("refused", "Answers in which the server asked to wait."),
            ("refreshes", "Access tokens fetched."),
            ("waited_seconds", "Time that calls have waited at the throttle."),
        ):
            counter = CounterMetricFamily(f"{self._prefix}_{name}", text, labels=["client_id"])
            for client, one in stats.items():
                counter.add_metric([client], getattr(one, name))
            yield counter
        for name, text in (
            ("in_flight", "Calls past the throttle."),
            ("waiting", "Calls at the throttle."),
            ("opens_in_seconds", "Time for which the server wants no calls."),
        ):
            gauge = GaugeMetricFamily(f"{self._prefix}_{name}", text, labels=["client_id"])
            for client, one in stats.items():
                gauge.add_metric([client], getattr(one, name))
            yield gauge
        yield self._outcomes(stats)
        yield self._durations(stats)
        yield self._throttle(stats)
        for name in ("token_issued_at", "token_expires_at"):
            text = "When the current access token was issued, or expires, since the epoch."
            gauge = GaugeMetricFamily(f"{self._prefix}_{name}_seconds", text, labels=["client_id"])
            for client, one in stats.items():
                if (moment := getattr(one, name)) is not None:
                    gauge.add_metric([client], moment.timestamp())
            yield gauge

    def _outcomes(self, stats: dict[str, Stats]) -> Metric:
        family = CounterMetricFamily(
            f"{self._prefix}_outcomes",
            "Calls that have ended: ok, or the class of the error.",
            labels=["client_id", "outcome"],
        )
        for client, one in stats.items():
            for outcome, count in one.outcomes.items():
                family.add_metric([client, outcome], count)
        return family

    def _durations(self, stats: dict[str, Stats]) -> Metric:
        family = HistogramMetricFamily(
            f"{self._prefix}_call_duration_seconds",
            "Time of the calls that have ended, waiting included.",
            labels=["client_id"],
        )
        for client, one in stats.items():
            buckets = _cumulative(one.durations)
            family.add_metric([client], buckets, sum_value=one.durations.total_seconds)
        return family

    def _throttle(self, stats: dict[str, Stats]) -> Metric:
        family = GaugeMetricFamily(
            f"{self._prefix}_throttle",
            "1 for the state of the throttle, 0 for the others.",
            labels=["client_id", "state"],
        )
        for client, one in stats.items():
            for state in get_args(ThrottleState):
                family.add_metric([client, state], one.throttle == state)
        return family


def _cumulative(durations: Durations) -> list[tuple[str, float]]:
    buckets, total = [], 0
    bounds = [*map(str, durations.bounds), "+Inf"]
    for bound, count in zip(bounds, durations.counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets
