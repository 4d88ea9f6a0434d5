"""The figures of a factory, as Prometheus scrapes them."""

from __future__ import annotations

import subprocess
import sys
import threading
import urllib.request
from contextlib import suppress
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.parser import text_string_to_metric_families

from propq_async import AsyncPropQ, Credentials, NotFoundError
from propq_async.prometheus import PropQCollector
from propq_async.stats import BOUNDS
from tests.helpers.support import an_update, answer, playing

OK = answer(200, {})
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def scraped(registry: CollectorRegistry) -> Samples:
    with make_server("127.0.0.1", 0, make_wsgi_app(registry), handler_class=Quiet) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/metrics"
        with urllib.request.urlopen(url, timeout=30) as told:
            text = told.read().decode()
        thread.join()
    families = text_string_to_metric_families(text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset({"client_id": "1", **labels}.items())]


async def test_a_scrape_has_all_the_figures() -> None:
    registry = CollectorRegistry()
    closed = answer(429, headers={"Retry-After": "7"})
    async with playing(closed, OK, answer(404), OK) as play:
        registry.register(PropQCollector(play.propq))
        assert ("propq_token_expires_at_seconds", frozenset({("client_id", "1")})) not in scraped(
            registry
        )
        for _ in range(3):
            with suppress(NotFoundError):
                await play.session.units.update(an_update())
        stats = play.propq.stats()
        samples = scraped(registry)
    assert value(samples, "propq_calls_total") == 3
    assert value(samples, "propq_retries_total") == 1
    assert value(samples, "propq_refused_total") == 1
    assert value(samples, "propq_refreshes_total") == 1
    assert value(samples, "propq_waited_seconds_total") == stats.waited_seconds
    assert value(samples, "propq_in_flight") == value(samples, "propq_waiting") == 0
    assert value(samples, "propq_opens_in_seconds") == 0
    assert value(samples, "propq_outcomes_total", outcome="ok") == 2
    assert value(samples, "propq_outcomes_total", outcome="NotFoundError") == 1
    assert value(samples, "propq_call_duration_seconds_count") == 3
    assert value(samples, "propq_call_duration_seconds_bucket", le="0.01") == 2
    for bound in (*map(str, BOUNDS[BOUNDS.index(10.0) :]), "+Inf"):
        assert value(samples, "propq_call_duration_seconds_bucket", le=bound) == 3
    total = value(samples, "propq_call_duration_seconds_sum")
    assert total == stats.durations.total_seconds
    states = {state: value(samples, "propq_throttle", state=state) for state in STATES}
    assert states == {"open": 1, "closed": 0, "probing": 0}
    assert stats.token_issued_at is not None
    assert stats.token_expires_at is not None
    issued = value(samples, "propq_token_issued_at_seconds")
    expires = value(samples, "propq_token_expires_at_seconds")
    assert (issued, expires) == (
        stats.token_issued_at.timestamp(),
        stats.token_expires_at.timestamp(),
    )


STATES = ("open", "closed", "probing")


def test_several_factories_are_told_apart_by_their_clients() -> None:
    one, other, same = (
        AsyncPropQ(Credentials(client, "s"), token_store=None) for client in (1, 2, 1)
    )
    registry = CollectorRegistry()
    registry.register(PropQCollector(one, other, prefix="flats"))
    samples = scraped(registry)
    for client in ("1", "2"):
        assert samples["flats_calls_total", frozenset({("client_id", client)})] == 0
    with pytest.raises(ValueError, match="two factories have one client id"):
        PropQCollector(one, same)


@pytest.mark.parametrize(
    ("module", "library", "said"),
    [
        ("prometheus", "prometheus_client", "propq-async[prometheus]"),
        ("opentelemetry", "opentelemetry.metrics", "propq-async[opentelemetry]"),
    ],
)
def test_without_its_extra_a_module_says_what_to_install(
    module: str, library: str, said: str
) -> None:
    code = f"import sys; sys.modules[{library!r}] = None; import propq_async.{module}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr.splitlines()[-1].startswith(f"ImportError: propq_async.{module} needs ")
    assert said in run.stderr
