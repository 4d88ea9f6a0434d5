"""The figures of factories for Prometheus: `pip install 'propq-async[prometheus]'`.

    REGISTRY.register(PropQCollector(propq))

They are read when Prometheus asks for them, so calls pay nothing for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import attrgetter
from typing import Any, get_args

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
            yield self._filled(CounterMetricFamily, name, text, stats, attrgetter(name))
        for name, text in (
            ("in_flight", "Calls past the throttle."),
            ("waiting", "Calls at the throttle."),
            ("opens_in_seconds", "Time for which the server wants no calls."),
        ):
            yield self._filled(GaugeMetricFamily, name, text, stats, attrgetter(name))
        text = "Calls that have ended: ok, or the class of the error."
        outcomes = attrgetter("outcomes")
        yield self._filled(CounterMetricFamily, "outcomes", text, stats, outcomes, "outcome")
        yield self._durations(stats)
        text = "1 for the state of the throttle, 0 for the others."
        yield self._filled(GaugeMetricFamily, "throttle", text, stats, _states, "state")
        for name in ("token_issued_at", "token_expires_at"):
            text = "When the current access token was issued, or expires, since the epoch."
            moment = partial(_since_epoch, name)
            yield self._filled(GaugeMetricFamily, f"{name}_seconds", text, stats, moment)

    def _filled(
        self,
        kind: type[CounterMetricFamily | GaugeMetricFamily],
        name: str,
        text: str,
        stats: dict[str, Stats],
        value_of: Callable[[Stats], Any],
        *label: str,
    ) -> Metric:
        """Return a metric with what `value_of` says of each client.

        That is a number, `None` for none, or with a second label the number for each of its values.
        """
        family = kind(f"{self._prefix}_{name}", text, labels=["client_id", *label])
        for client, one in stats.items():
            value = value_of(one)
            if label:
                for key, number in value.items():
                    family.add_metric([client, key], number)
            elif value is not None:
                family.add_metric([client], value)
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


def _states(stats: Stats) -> dict[str, bool]:
    return {state: stats.throttle == state for state in get_args(ThrottleState)}


def _since_epoch(name: str, stats: Stats) -> float | None:
    moment = getattr(stats, name)
    return None if moment is None else moment.timestamp()


def _cumulative(durations: Durations) -> list[tuple[str, float]]:
    buckets, total = [], 0
    bounds = [*map(str, durations.bounds), "+Inf"]
    for bound, count in zip(bounds, durations.counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets
