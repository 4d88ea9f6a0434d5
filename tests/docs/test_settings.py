"""The tables of settings are complete and true."""

from __future__ import annotations

import attrs

import propq_async
from propq_async import RetryPolicy, pricelist
from propq_async._client.units import Units
from tests.helpers.pages import DOCS, defaults, table

PAGE = DOCS / "reference" / "settings.md"


def test_the_tables_of_settings_are_complete_and_true() -> None:
    settings = table(PAGE, "Setting of `AsyncPropQ`")
    actual = defaults(propq_async.AsyncPropQ.__init__)
    assert list(settings) == list(actual)
    assert settings["base_url"] == actual["base_url"]
    for name in ("timeout_seconds", "max_connections"):
        assert float(settings[name]) == actual[name]
    policy = table(PAGE, "Setting of `RetryPolicy`")
    assert {name: eval(text) for name, text in policy.items()} == defaults(RetryPolicy)
    batch = table(PAGE, "Setting of `update_many`")
    assert {name: eval(text) for name, text in batch.items()} == defaults(Units.update_many)
    push = table(PAGE, "Setting of `pricelist.push`")
    actual = defaults(pricelist.push)
    assert {name: eval(text) for name, text in push.items()} == {
        name: actual[name] for name in push
    }


def test_the_table_of_figures_is_complete() -> None:
    page = DOCS / "how-to" / "metrics.md"
    assert list(table(page, "Field of `Stats`")) == list(attrs.fields_dict(propq_async.Stats))
